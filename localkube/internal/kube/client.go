// Package kube is the little that the supervisor asks of the cluster's API
// server: whether it is ready, and nodes and add-on objects as they should be.
// Start reading at Client.
package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/localkube/internal/addon/objects"
)

// pollEvery is short: someone waits for the cluster.
const pollEvery = 50 * time.Millisecond

// tryTimeout bounds one try of what is tried again.
const tryTimeout = 2 * time.Second

// Client talks to one cluster's API server. It is safe for concurrent use.
type Client struct {
	clientset kubernetes.Interface
	dynamic   dynamic.Interface
}

// NewClient reads the kubeconfig; it does not connect.
func NewClient(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	return newClient(config)
}

func newClient(config *rest.Config) (*Client, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making API client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making API client: %w", err)
	}
	return &Client{clientset: clientset, dynamic: dyn}, nil
}

// WaitReady waits until the API server says that it is ready.
func (c *Client) WaitReady(ctx context.Context) error {
	return c.WaitServed(ctx, "/readyz")
}

// WaitServed waits until the API server answers the path with success.
func (c *Client) WaitServed(ctx context.Context, path string) error {
	return poll(ctx, "waiting for the API server", func() error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		return c.clientset.Discovery().RESTClient().Get().AbsPath(path).Do(ctx).Error()
	})
}

// WaitHTTP waits until the URL answers 200.
func WaitHTTP(ctx context.Context, url string) error {
	client := http.Client{Timeout: tryTimeout}
	return poll(ctx, "asking "+url, func() error {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// WaitNode waits until the node is ready, having seen to its pod network. Its
// kubelet must have said so after the time since: what an earlier one said of
// itself is worth nothing.
func (c *Client) WaitNode(ctx context.Context, name, podNetwork string, since time.Time) error {
	return poll(ctx, "waiting for node "+name, func() error {
		node, err := c.clientset.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if node.Spec.PodCIDR == "" {
			return c.setPodNetwork(ctx, name, podNetwork)
		}
		if err := nodeReady(node); err != nil {
			return err
		}
		if saidSince(node, since) {
			return nil
		}
		return c.heardOf(ctx, name, since)
	})
}

// saidSince says whether the kubelet has reported the node's state since then;
// such times are in whole seconds.
func saidSince(node *corev1.Node, since time.Time) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return !condition.LastHeartbeatTime.Time.Before(since.Truncate(time.Second))
		}
	}
	return false
}

// heardOf looks at the node's lease, which its kubelet renews every ten
// seconds, also when the node's state stays the same.
func (c *Client) heardOf(ctx context.Context, name string, since time.Time) error {
	lease, err := c.clientset.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Before(&metav1.MicroTime{Time: since}) {
		return errors.New("its kubelet has not been heard of")
	}
	return nil
}

var errNotYet = errors.New("just registered")

// setPodNetwork records where the node's pods are. The network is planned, so
// no controller has to allocate it.
func (c *Client) setPodNetwork(ctx context.Context, name, podNetwork string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"podCIDR": podNetwork, "podCIDRs": []string{podNetwork},
	}})
	if err != nil {
		return err
	}
	_, err = c.clientset.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "localkube"})
	if err != nil {
		return err
	}
	return errNotYet
}

func nodeReady(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("not ready: %s", condition.Message)
		}
	}
	return errNotYet
}

// ApplyAddons brings the objects of the add-ons to what params ask for. An
// API server that has just started may refuse for a moment: it tries until
// ctx ends.
func (c *Client) ApplyAddons(ctx context.Context, params objects.Params) error {
	return poll(ctx, "applying add-ons", func() error { return objects.Apply(ctx, c.dynamic, params) })
}

// DeleteNode removes the object of a node that is gone for good, and then those
// of its pods: none of them runs any more, so nobody has to wait until that is
// concluded. While the node is there, DaemonSets make its pods again. Absent is
// a success.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	err := c.clientset.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting node %s: %w", name, err)
	}
	if err := c.deletePods(ctx, name); err != nil {
		return fmt.Errorf("deleting pods of node %s: %w", name, err)
	}
	return nil
}

func (c *Client) deletePods(ctx context.Context, node string) error {
	pods, err := c.clientset.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		err := c.clientset.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// poll calls fn until it succeeds or ctx ends; the error is then fn's last.
func poll(ctx context.Context, what string, fn func() error) error {
	for {
		err := fn()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (%w)", what, err, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}
