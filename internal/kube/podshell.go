package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// PodShell runs shell scripts in a container that is running, through the API
// server. It is immutable and safe for concurrent use.
type PodShell struct {
	Config         *rest.Config
	Namespace, Pod string
	// Container may be empty: the pod's default.
	Container string
}

// Name is the container as people write it.
func (p PodShell) Name() string {
	name := "pod://" + p.Namespace + "/" + p.Pod
	if p.Container != "" {
		name += "/" + p.Container
	}
	return name
}

// Compress says that output is worth compressing: it travels through the API
// server.
func (p PodShell) Compress() bool { return true }

// Run feeds the script to one shell in the container and copies its output. A
// container without a shell is an error that says so.
func (p PodShell) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	exit, err := Exec{
		Namespace: p.Namespace, Pod: p.Pod, Container: p.Container,
		Command: []string{"sh", "-s"}, Stdin: script, Stdout: stdout,
	}.Run(ctx, p.Config)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && NoSuchProgram(err), exit == 126, exit == 127:
		return fault.New(fault.Failed, "Capture its image: image://REFERENCE reads the layers.", "the container has no shell")
	case err != nil && noSuchContainer(err):
		return fault.Wrap(fault.NotFound, err, "`kubectl get pods -n "+p.Namespace+"` shows what there is; --context chooses another cluster.")
	case err != nil:
		return err
	case exit != 0:
		return errors.New("the shell in the container ended with an error")
	}
	return nil
}

// ReadyPod is the newest ready pod of a component.
func ReadyPod(ctx context.Context, c client.Client, namespace, component string) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := c.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelComponent: component})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", component, err)
	}
	ready := slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool {
		return !pod.DeletionTimestamp.IsZero() || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	})
	if len(ready) == 0 {
		return nil, fmt.Errorf("component %s has no ready pod", component)
	}
	newest := slices.MaxFunc(ready, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return &newest, nil
}
