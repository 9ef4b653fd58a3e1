// Package live reads from a running cluster what capacity is asked about: its
// nodes and its workloads. Subnets are not to be seen from inside. Start at
// Read.
package live

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/cluster/capacity"
)

// Objects of a cluster that capacity depends on.
type Objects struct {
	Nodes        []corev1.Node
	Deployments  []appsv1.Deployment
	StatefulSets []appsv1.StatefulSet
	DaemonSets   []appsv1.DaemonSet
	ReplicaSets  []appsv1.ReplicaSet
	Autoscalers  []autoscalingv2.HorizontalPodAutoscaler
	// Pods that are neither done nor failed.
	Pods []corev1.Pod
}

// Read gives the node groups and workloads of a cluster.
func Read(ctx context.Context, config *rest.Config) (capacity.Question, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // eight requests in all
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return capacity.Question{}, fmt.Errorf("connecting to the cluster: %w", err)
	}
	o, err := list(ctx, clients)
	if err != nil {
		return capacity.Question{}, err
	}
	return o.Question(), nil
}

// list reads everything at once. Answers may come from the API server's cache:
// an estimate is not better for being a moment newer.
func list(ctx context.Context, c kubernetes.Interface) (Objects, error) {
	var o Objects
	cached := metav1.ListOptions{ResourceVersion: "0"}
	all, ctx := errgroup.WithContext(ctx)
	read := func(what string, list func() error) {
		all.Go(func() error {
			if err := list(); err != nil {
				return fmt.Errorf("listing %s: %w", what, err)
			}
			return nil
		})
	}
	read("nodes", func() error {
		l, err := c.CoreV1().Nodes().List(ctx, cached)
		o.Nodes = l.Items
		return err
	})
	read("deployments", func() error {
		l, err := c.AppsV1().Deployments("").List(ctx, cached)
		o.Deployments = l.Items
		return err
	})
	read("stateful sets", func() error {
		l, err := c.AppsV1().StatefulSets("").List(ctx, cached)
		o.StatefulSets = l.Items
		return err
	})
	read("daemon sets", func() error {
		l, err := c.AppsV1().DaemonSets("").List(ctx, cached)
		o.DaemonSets = l.Items
		return err
	})
	read("replica sets", func() error {
		l, err := c.AppsV1().ReplicaSets("").List(ctx, cached)
		o.ReplicaSets = l.Items
		return err
	})
	read("autoscalers", func() error {
		l, err := c.AutoscalingV2().HorizontalPodAutoscalers("").List(ctx, cached)
		o.Autoscalers = l.Items
		return err
	})
	read("pods", func() error {
		l, err := c.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
		o.Pods = l.Items
		return err
	})
	return o, all.Wait()
}
