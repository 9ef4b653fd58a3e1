package kube

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// pageSize of lists.
const pageSize = 500

// collection is all objects of a kind in one namespace.
type collection struct {
	schema.GroupVersionKind
	namespace string
}

// existing reads the metadata of those objects that exist. Several objects of a
// kind and namespace cost one request.
func (t *Target) existing(ctx context.Context, refs []v1alpha1.ObjectRef, owner Owner) (map[Identity]*metav1.PartialObjectMetadata, error) {
	found := make(map[Identity]*metav1.PartialObjectMetadata, len(refs))
	var mu sync.Mutex
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for in, names := range collect(refs) {
		group.Go(func() error {
			objs, err := t.metadataOf(reading, in, names)
			if err != nil {
				return fmt.Errorf("looking for %s objects on cluster %s: %w", in.Kind, t.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range objs {
				id := Identity{in.GroupKind(), in.namespace, objs[i].Name}
				found[id] = &objs[i]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, t.reclaim(ctx, owner, found)
}

// collect sorts names by the collection they are in.
func collect(refs []v1alpha1.ObjectRef) map[collection][]string {
	collections := make(map[collection][]string)
	for _, ref := range refs {
		in := collection{gvkOf(ref), ref.Namespace}
		collections[in] = append(collections[in], ref.Name)
	}
	return collections
}

// metadataOf reads the metadata of a collection: the one object named, or all
// of a namespace where several are. A kind that the cluster does not have has
// no objects.
func (t *Target) metadataOf(ctx context.Context, in collection, names []string) ([]metav1.PartialObjectMetadata, error) {
	if in.namespace != "" && len(names) > 1 {
		objs, err := t.listMetadata(ctx, in)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil, nil
		}
		return objs, err
	}
	var objs []metav1.PartialObjectMetadata
	for _, name := range names {
		obj, err := t.getMetadata(ctx, in.GroupVersionKind, in.namespace, name)
		if err != nil {
			return nil, err
		}
		if obj != nil {
			objs = append(objs, *obj)
		}
	}
	return objs, nil
}

// getMetadata reads one object's metadata; nil when it is not there.
func (t *Target) getMetadata(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	obj := &metav1.PartialObjectMetadata{}
	obj.SetGroupVersionKind(kind)
	err := t.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return obj, nil
}

// listMetadata reads the metadata of all objects of a collection, page by page.
func (t *Target) listMetadata(ctx context.Context, in collection) ([]metav1.PartialObjectMetadata, error) {
	var all []metav1.PartialObjectMetadata
	var next string
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(in.GroupVersion().WithKind(in.Kind + "List"))
		if err := t.Client.List(ctx, &page, client.InNamespace(in.namespace), client.Limit(pageSize), client.Continue(next)); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if next = page.Continue; next == "" {
			return all, nil
		}
	}
}

// listFull reads all objects of a collection, page by page.
func (t *Target) listFull(ctx context.Context, in collection) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	var next string
	for {
		var page unstructured.UnstructuredList
		page.SetGroupVersionKind(in.GroupVersion().WithKind(in.Kind + "List"))
		if err := t.Client.List(ctx, &page, client.InNamespace(in.namespace), client.Limit(pageSize), client.Continue(next)); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if next = page.GetContinue(); next == "" {
			return all, nil
		}
	}
}
