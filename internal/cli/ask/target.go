package ask

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
)

// TargetConfig says how to reach the environment's cluster.
func TargetConfig(ctx context.Context, c *command.Context, name string) (*rest.Config, error) {
	if name == "" {
		name = "local"
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{}
	if err := cl.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		return nil, command.Explain(fmt.Errorf("finding the environment's cluster %s: %w", name, err))
	}
	return ClusterConfig(ctx, c, cluster)
}

// ClusterConfig says how to reach a cluster.
func ClusterConfig(ctx context.Context, c *command.Context, cluster *v1alpha1.Cluster) (*rest.Config, error) {
	ref := cluster.Spec.KubeconfigSecret
	if ref == nil {
		return c.RESTConfig()
	}
	return SecretConfig(ctx, c, cluster.Name, *ref)
}

// SecretConfig reaches a cluster by a kubeconfig in a Secret of the management
// cluster.
func SecretConfig(ctx context.Context, c *command.Context, name string, ref v1alpha1.SecretKeyRef) (*rest.Config, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	if err := cl.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, secret); err != nil {
		return nil, command.Explain(fmt.Errorf("reading the kubeconfig of cluster %s: %w", name, err))
	}
	key := ref.Key
	if key == "" {
		key = "kubeconfig"
	}
	config, err := kube.ParseKubeconfig(secret.Data[key])
	return config, fault.Wrap(fault.Invalid, err, "Put a good kubeconfig into Secret "+ref.Namespace+"/"+ref.Name+".")
}
