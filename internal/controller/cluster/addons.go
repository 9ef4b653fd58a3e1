package cluster

import (
	"cmp"
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// labelAddons on an Environment names the cluster whose add-ons it is.
const labelAddons = "landfall.dev/addons-of"

// defaultAddonsNamespace is where add-ons run on their cluster.
const defaultAddonsNamespace = "addons"

// ensureAddons lets the cluster's add-ons run as an environment, addons-CLUSTER:
// all that environments can, add-ons can. Without spec.addons the environment
// goes, and with it what it has made. It is not owned by the Cluster: a cluster
// that is only forgotten keeps running with its add-ons.
func (r *Reconciler) ensureAddons(ctx context.Context, cluster *v1alpha1.Cluster) error {
	var all v1alpha1.EnvironmentList
	if err := r.Client.List(ctx, &all, client.MatchingLabels{labelAddons: cluster.Name}); err != nil {
		return fmt.Errorf("listing the add-ons of cluster %s: %w", cluster.Name, err)
	}
	wanted := addonsEnvironment(cluster)
	for i := range all.Items {
		env := &all.Items[i]
		if wanted != nil && env.Namespace == wanted.Namespace && env.Name == wanted.Name {
			return r.updateAddons(ctx, env, wanted)
		}
		if err := r.Client.Delete(ctx, env); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing add-ons %s/%s: %w", env.Namespace, env.Name, err)
		}
	}
	if wanted == nil {
		return nil
	}
	err := r.Client.Create(ctx, wanted)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("environment %s/%s exists already and is not that of the add-ons: delete it", wanted.Namespace, wanted.Name)
	}
	if err != nil {
		return fmt.Errorf("creating the add-ons of cluster %s: %w", cluster.Name, err)
	}
	return nil
}

// updateAddons follows what the cluster says. What people chose beside it
// (versions, overrides) stays.
func (r *Reconciler) updateAddons(ctx context.Context, env, wanted *v1alpha1.Environment) error {
	before := env.DeepCopy()
	env.Spec.Blueprint, env.Spec.Cluster = wanted.Spec.Blueprint, wanted.Spec.Cluster
	if equality.Semantic.DeepEqual(before.Spec, env.Spec) {
		return nil
	}
	if err := r.Client.Patch(ctx, env, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("changing add-ons %s/%s: %w", env.Namespace, env.Name, err)
	}
	return nil
}

// addonsEnvironment is what the cluster's add-ons run as; nil where it has none.
func addonsEnvironment(cluster *v1alpha1.Cluster) *v1alpha1.Environment {
	addons := cluster.Spec.Addons
	if addons == nil || !cluster.DeletionTimestamp.IsZero() {
		return nil
	}
	return &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: addons.Project, Name: "addons-" + cluster.Name,
			Labels:      map[string]string{labelAddons: cluster.Name},
			Annotations: map[string]string{v1alpha1.AnnotationAuthor: "cluster " + cluster.Name},
		},
		Spec: v1alpha1.EnvironmentSpec{
			Blueprint: addons.Blueprint, Cluster: cluster.Name,
			Namespace: cmp.Or(addons.Namespace, defaultAddonsNamespace), Drift: "Heal",
		},
	}
}
