package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// searchedKinds are what people put into namespaces. Objects of other kinds
// are looked for only where an environment has some of the kind itself.
var searchedKinds = []schema.GroupKind{
	{Kind: "ConfigMap"}, {Kind: "LimitRange"}, {Kind: "PersistentVolumeClaim"}, {Kind: "Pod"},
	{Kind: "ResourceQuota"}, {Kind: "Secret"}, {Kind: "Service"}, {Kind: "ServiceAccount"},
	{Group: "apps", Kind: "DaemonSet"}, {Group: "apps", Kind: "Deployment"},
	{Group: "apps", Kind: "ReplicaSet"}, {Group: "apps", Kind: "StatefulSet"},
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"},
	{Group: "batch", Kind: "CronJob"}, {Group: "batch", Kind: "Job"},
	{Group: "networking.k8s.io", Kind: "Ingress"}, {Group: "networking.k8s.io", Kind: "NetworkPolicy"},
	{Group: "policy", Kind: "PodDisruptionBudget"},
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}, {Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
}

// extra finds objects in the namespace that nobody we know made. live holds
// those of the kinds that are wanted; the other kinds are listed.
func (t *Target) extra(ctx context.Context, desired []*unstructured.Unstructured, live map[Identity]*unstructured.Unstructured, namespace string) ([]v1alpha1.Difference, error) {
	wanted := make(map[Identity]bool, len(desired))
	for _, obj := range desired {
		wanted[IdentityOf(RefOf(obj))] = true
	}
	var differences []v1alpha1.Difference
	for id, obj := range live {
		if id.Namespace == namespace && !wanted[id] && !accounted(obj, id.GroupKind) {
			differences = append(differences, extraDifference(obj, RefOf(obj)))
		}
	}
	others, err := t.otherCollections(desired, namespace)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, in := range others {
		group.Go(func() error {
			objs, err := t.listMetadata(ctx, in)
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("looking for extra %s objects in namespace %s of cluster %s: %w", in.Kind, namespace, t.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range objs {
				if !accounted(&objs[i], in.GroupKind()) {
					ref := v1alpha1.ObjectRef{APIVersion: in.GroupVersion().String(), Kind: in.Kind, Namespace: namespace, Name: objs[i].Name}
					differences = append(differences, extraDifference(&objs[i], ref))
				}
			}
			return nil
		})
	}
	return differences, group.Wait()
}

// otherCollections gives the collections of a namespace in which extra objects
// are looked for, besides those that have been read already.
func (t *Target) otherCollections(desired []*unstructured.Unstructured, namespace string) ([]collection, error) {
	read := map[schema.GroupKind]bool{}
	for _, obj := range desired {
		if obj.GetNamespace() == namespace {
			read[obj.GroupVersionKind().GroupKind()] = true
		}
	}
	var others []collection
	for _, kind := range searchedKinds {
		if read[kind] {
			continue
		}
		mapping, err := t.Mapper.RESTMapping(kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		others = append(others, collection{mapping.GroupVersionKind, namespace})
	}
	return others, nil
}

// builtIn are objects that Kubernetes and its distributions put into every
// namespace.
var builtIn = map[schema.GroupKind][]string{
	{Kind: "ConfigMap"}:      {"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"},
	{Kind: "ServiceAccount"}: {"default", "builder", "deployer"},
}

// accounted tells whether somebody we know made an object: Kubernetes itself,
// another object, or we in an earlier release.
func accounted(live metav1.Object, kind schema.GroupKind) bool {
	switch {
	case len(live.GetOwnerReferences()) > 0, appliedByUs(live), slices.Contains(builtIn[kind], live.GetName()):
		return true
	case kind.Kind == "Secret":
		for name := range live.GetAnnotations() {
			if name == "kubernetes.io/service-account.name" || strings.HasPrefix(name, "cert-manager.io/") {
				return true
			}
		}
	}
	made := false
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource != "" {
			continue
		}
		if !slices.Contains(systemManagers, entry.Manager) {
			return false
		}
		made = true
	}
	return made
}

// extraDifference reports an extra object, and who made it first.
func extraDifference(live metav1.Object, ref v1alpha1.ObjectRef) v1alpha1.Difference {
	difference := v1alpha1.Difference{Kind: v1alpha1.DifferenceExtra, Object: ref}
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource != "" || slices.Contains(systemManagers, entry.Manager) {
			continue
		}
		if difference.Time == nil || entry.Time != nil && entry.Time.Before(difference.Time) {
			difference.Manager, difference.Time = entry.Manager, entry.Time
		}
	}
	return difference
}
