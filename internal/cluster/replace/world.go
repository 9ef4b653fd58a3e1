package replace

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// environmentsOf gives the environments that the replacement moves: those on the
// old cluster, and those that have left it for the new one. A cluster's own
// add-ons are none.
func (x *run) environmentsOf(ctx context.Context) ([]v1alpha1.Environment, error) {
	var all v1alpha1.EnvironmentList
	if err := x.Client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing environments: %w", err)
	}
	var found []v1alpha1.Environment
	for _, env := range all.Items {
		if env.Name == addonsOf(x.from) && clusterOf(&env) == x.from || !env.DeletionTimestamp.IsZero() {
			continue
		}
		left := env.Status.Left
		if clusterOf(&env) == x.from || env.Spec.Cluster == x.from || left != nil && left.Cluster == x.from && clusterOf(&env) == x.to {
			found = append(found, env)
		}
	}
	slices.SortFunc(found, func(a, b v1alpha1.Environment) int { return cmp.Compare(key(&a), key(&b)) })
	return found, nil
}

// addonsOf names the environment of a cluster's add-ons.
func addonsOf(cluster string) string { return "addons-" + cluster }

// clusterOf names the cluster that an environment runs on.
func clusterOf(env *v1alpha1.Environment) string { return cmp.Or(env.Status.Cluster, env.Spec.Cluster) }

func key(env *v1alpha1.Environment) string { return env.Namespace + "/" + env.Name }

// namespaceOf is the environment's on its cluster.
func namespaceOf(env *v1alpha1.Environment) string {
	return cmp.Or(env.Status.Namespace, env.Spec.Namespace, env.Name)
}

// hostnamesOf are those that people reach the environment by.
func hostnamesOf(env *v1alpha1.Environment) []string {
	names := slices.Clone(env.Spec.Aliases)
	if env.Spec.Hostname != "" {
		names = append(names, env.Spec.Hostname)
	}
	for _, u := range env.Status.URLs {
		if parsed, err := url.Parse(u.URL); err == nil && parsed.Hostname() != "" {
			names = append(names, parsed.Hostname())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// arrival is how far an environment is on its way to a cluster.
type arrival int

const (
	underWay arrival = iota
	arrived
	stuck
)

// arrivedOn tells how far the environment is on its way to the cluster, and why.
func arrivedOn(env *v1alpha1.Environment, cluster string) (arrival, string) {
	status := &env.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	message := "nothing is known of it yet"
	if ready != nil {
		message = ready.Message
	}
	if status.ObservedGeneration < env.Generation || env.Spec.Cluster != cluster {
		return underWay, message
	}
	if stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Status == metav1.ConditionTrue {
		return stuck, stalled.Message
	}
	if status.Cluster != cluster || status.Left != nil && status.Left.Release == status.Release {
		return underWay, message
	}
	if status.Phase == v1alpha1.PhaseAsleep || ready != nil && ready.Status == metav1.ConditionTrue && !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReconciling) {
		return arrived, message
	}
	return underWay, message
}

// answers tells whether a cluster is known to answer.
func answers(c *v1alpha1.Cluster) error {
	condition := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReachable)
	switch {
	case condition == nil:
		return fault.New(fault.Failed, "Is a controller running? `landfall cluster get "+c.Name+"` shows it.", "cluster %s has not been asked yet", c.Name)
	case condition.Status != metav1.ConditionTrue:
		return fault.New(fault.Failed, "`landfall cluster get "+c.Name+"` shows more.", "cluster %s does not answer: %s", c.Name, condition.Message)
	}
	return nil
}
