package live

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

// owners finds out which component a pod is of. Pods of image components say
// so themselves. Those of charts do not, since their templates are left as the
// chart has them: there the object that Landfall applied and labelled is found
// through the owners.
type owners struct {
	meta metadata.Interface

	mu    sync.Mutex
	known map[types.UID]string
}

func newOwners(meta metadata.Interface) *owners {
	return &owners{meta: meta, known: map[types.UID]string{}}
}

// Owner questions are answered quickly or not at all: a log without its
// component's name is better than none.
const ownerTimeout = 2 * time.Second

// maxOwners is how many generations are looked at (CronJob, Job, Pod is two).
const maxOwners = 5

func (o *owners) component(ctx context.Context, pod *corev1.Pod) string {
	if name := pod.Labels[v1alpha1.LabelComponent]; name != "" {
		return name
	}
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return ""
	}
	o.mu.Lock()
	name, known := o.known[owner.UID]
	o.mu.Unlock()
	if known {
		return name
	}
	ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	name, sure := o.climb(ctx, pod.Namespace, owner)
	if sure {
		o.mu.Lock()
		o.known[owner.UID] = name
		o.mu.Unlock()
	}
	return name
}

// climb gives the component of the highest owner, else the highest owner's
// name; sure is false where the cluster did not tell.
func (o *owners) climb(ctx context.Context, namespace string, owner *metav1.OwnerReference) (name string, sure bool) {
	for range maxOwners {
		object, err := o.meta.Resource(resourceOf(owner)).Namespace(namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		if err != nil {
			return owner.Name, false
		}
		if name := object.Labels[v1alpha1.LabelComponent]; name != "" {
			return name, true
		}
		above := metav1.GetControllerOf(object)
		if above == nil {
			return owner.Name, true
		}
		owner = above
	}
	return owner.Name, true
}

// resourceOf guesses the plural, which is regular for all workload kinds.
func resourceOf(owner *metav1.OwnerReference) schema.GroupVersionResource {
	group, version, _ := strings.Cut(owner.APIVersion, "/")
	if version == "" {
		group, version = "", group
	}
	return schema.GroupVersionResource{Group: group, Version: version, Resource: strings.ToLower(owner.Kind) + "s"}
}
