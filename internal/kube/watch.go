package kube

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

const (
	// syncPatience is how long a new watch may take before objects are read
	// one by one instead.
	syncPatience = 2 * time.Second
	// outageMemory is how long after an outage watches are not trusted: the
	// longest pause that client-go makes before it reconnects one, and a bit.
	outageMemory = 45 * time.Second
	// appliedMemory is how long an applied object is waited for in the watch.
	appliedMemory = time.Minute
)

// watches holds what is watched of a cluster: the objects that carry the
// environment label, by kind, from the first time that somebody asks for the
// kind. Kinds without a status are watched by their metadata only, so contents
// of ConfigMaps and Secrets are never held.
type watches struct {
	dynamic  dynamic.Interface
	metadata metadata.Interface
	notify   func(types.NamespacedName)
	stop     context.CancelFunc
	running  context.Context

	mu      sync.Mutex
	kinds   map[schema.GroupVersionResource]*watched
	applied map[Identity]applied
	swept   time.Time
}

// watched is one kind that is watched.
type watched struct {
	informer cache.SharedIndexInformer
	since    time.Time
	stop     context.CancelFunc
}

// applied is what the API server answered when an object was applied: anything
// older seen in a watch is the past.
type applied struct {
	uid        types.UID
	generation int64
	at         time.Time
	// seen: the watch has caught up with it.
	seen bool
}

func newWatches(config *rest.Config, web *http.Client, notify func(types.NamespacedName)) (*watches, error) {
	w := &watches{
		notify: notify, kinds: make(map[schema.GroupVersionResource]*watched), applied: make(map[Identity]applied),
	}
	var err error
	if w.dynamic, err = dynamic.NewForConfigAndClient(config, web); err != nil {
		return nil, err
	}
	if w.metadata, err = metadata.NewForConfigAndClient(metadata.ConfigFor(config), web); err != nil {
		return nil, err
	}
	w.running, w.stop = context.WithCancel(context.Background())
	return w, nil
}

func (w *watches) close() { w.stop() }

// kind gives the watch of a kind, started if need be, or nil when it has not
// caught up yet and cannot be trusted.
func (w *watches) kind(ctx context.Context, mapping *meta.RESTMapping) *watched {
	k := w.start(mapping)
	patience, cancel := context.WithDeadline(ctx, k.since.Add(syncPatience))
	defer cancel()
	if !k.informer.HasSynced() && !cache.WaitForCacheSync(patience.Done(), k.informer.HasSynced) {
		return nil
	}
	return k
}

func (w *watches) start(mapping *meta.RESTMapping) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	gvr := mapping.Resource
	if k, found := w.kinds[gvr]; found {
		return k
	}
	running, stop := context.WithCancel(w.running)
	k := &watched{informer: w.informer(mapping), since: time.Now(), stop: stop}
	w.kinds[gvr] = k
	go k.informer.RunWithContext(running)
	return k
}

func (w *watches) informer(mapping *meta.RESTMapping) cache.SharedIndexInformer {
	gvr := mapping.Resource
	selected := func(options *metav1.ListOptions) { options.LabelSelector = v1alpha1.LabelEnvironment }
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	var informer cache.SharedIndexInformer
	if hasStatus(mapping.GroupVersionKind.GroupKind()) {
		informer = dynamicinformer.NewFilteredDynamicInformer(w.dynamic, gvr, metav1.NamespaceAll, 0, indexers, selected).Informer()
	} else {
		informer = metadatainformer.NewFilteredMetadataInformer(w.metadata, gvr, metav1.NamespaceAll, 0, indexers, selected).Informer()
	}
	// Setting these fails only for an informer that runs already.
	_ = informer.SetTransform(trim)
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			w.forget(gvr)
		}
	})
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if !initial {
				w.changed(obj)
			}
		},
		UpdateFunc: func(before, after any) {
			if differs(before, after) {
				w.changed(after)
			}
		},
		DeleteFunc: w.changed,
	})
	return informer
}

// forget stops watching a kind that the cluster no longer has.
func (w *watches) forget(gvr schema.GroupVersionResource) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k, found := w.kinds[gvr]; found {
		k.stop()
		delete(w.kinds, gvr)
	}
}

// changed wakes the environment that an object belongs to.
func (w *watches) changed(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	object, err := meta.Accessor(obj)
	if err != nil || w.notify == nil {
		return
	}
	labels := object.GetLabels()
	if project := labels[v1alpha1.LabelProject]; project != "" {
		w.notify(types.NamespacedName{Namespace: project, Name: labels[v1alpha1.LabelEnvironment]})
	}
}

// get gives an object as watched; nil when it is not there.
func (k *watched) get(namespace, name string) *unstructured.Unstructured {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	found, exists, err := k.informer.GetStore().GetByKey(key)
	if err != nil || !exists {
		return nil
	}
	if obj, ok := found.(*unstructured.Unstructured); ok {
		return obj
	}
	// Metadata is all there is of it; its name and kind are not looked at.
	return &unstructured.Unstructured{}
}

// in gives all objects of a namespace as watched.
func (k *watched) in(namespace string) []*unstructured.Unstructured {
	found, err := k.informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace)
	if err != nil {
		return nil
	}
	objs := make([]*unstructured.Unstructured, 0, len(found))
	for _, f := range found {
		if obj, ok := f.(*unstructured.Unstructured); ok {
			objs = append(objs, obj)
		}
	}
	return objs
}

// remember notes what an apply brought about.
func (w *watches) remember(obj *unstructured.Unstructured) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.applied[IdentityOf(RefOf(obj))] = applied{uid: obj.GetUID(), generation: obj.GetGeneration(), at: now}
	if now.Sub(w.swept) > appliedMemory {
		maps.DeleteFunc(w.applied, func(_ Identity, a applied) bool { return now.Sub(a.at) > appliedMemory })
		w.swept = now
	}
}

// behind tells whether seen, nil for nothing, is older than what was applied.
func (w *watches) behind(id Identity, seen *unstructured.Unstructured) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, found := w.applied[id]
	if !found || last.seen || time.Since(last.at) > appliedMemory {
		return false
	}
	if seen != nil && (seen.GetUID() == "" || seen.GetUID() == last.uid && seen.GetGeneration() >= last.generation) {
		last.seen = true
		w.applied[id] = last
		return false
	}
	return true
}

// recent tells whether an object was applied a moment ago.
func (w *watches) recent(id Identity) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, found := w.applied[id]
	return found && time.Since(last.at) < 2*recheckAfter
}
