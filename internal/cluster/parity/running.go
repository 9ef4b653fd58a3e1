package parity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/result"
)

// running is how the workloads of a side run, as far as it was read.
type running struct {
	workloads map[transfer.Key]Running
	// behind are workloads whose controllers have not seen their newest
	// specification.
	behind map[transfer.Key]*unstructured.Unstructured
	// owners are the workloads of ReplicaSets.
	owners map[transfer.Key]transfer.Key
	// images are the digests that pods run, by the pods' controller and by
	// container.
	images map[transfer.Key]map[string][]string
}

func newRunning() running {
	return running{workloads: map[transfer.Key]Running{}, behind: map[transfer.Key]*unstructured.Unstructured{}, owners: map[transfer.Key]transfer.Key{}, images: map[transfer.Key]map[string][]string{}}
}

// counting says where kinds of workloads keep how many pods they want and have.
// Desired is in the spec, but of DaemonSets, which want one a node.
var counting = map[schema.GroupKind]struct{ desired, ready []string }{
	{Group: "apps", Kind: "Deployment"}:  {[]string{"spec", "replicas"}, []string{"status", "readyReplicas"}},
	{Group: "apps", Kind: "StatefulSet"}: {[]string{"spec", "replicas"}, []string{"status", "readyReplicas"}},
	{Group: "apps", Kind: "DaemonSet"}:   {[]string{"status", "desiredNumberScheduled"}, []string{"status", "numberReady"}},
	replicaSetKind:                       {[]string{"spec", "replicas"}, []string{"status", "readyReplicas"}},
}

// note remembers what an object says of how workloads run. k is what it is
// compared as.
func (r *running) note(u *unstructured.Unstructured, k transfer.Key) {
	if k.Kind == podKind {
		r.notePod(u, k)
		return
	}
	counts, ok := counting[k.Kind]
	if !ok {
		return
	}
	if owner := metav1.GetControllerOf(u); owner != nil {
		r.owners[k] = ownerKey(owner, k.Namespace)
		return
	}
	w := Running{Desired: 1}
	if desired, found, _ := unstructured.NestedInt64(u.Object, counts.desired...); found || k.Kind.Kind == "DaemonSet" {
		w.Desired = desired
	}
	w.Ready, _, _ = unstructured.NestedInt64(u.Object, counts.ready...)
	seen, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	w.observed = seen >= u.GetGeneration()
	if w.observed {
		delete(r.behind, k)
	} else {
		r.behind[k] = u
	}
	r.workloads[k] = w
}

// notePod remembers the digests that a pod runs.
func (r *running) notePod(u *unstructured.Unstructured, k transfer.Key) {
	owner := metav1.GetControllerOf(u)
	if owner == nil || !u.GetDeletionTimestamp().IsZero() {
		return
	}
	statuses, _, _ := unstructured.NestedSlice(u.Object, "status", "containerStatuses")
	for _, item := range statuses {
		status, ok := item.(map[string]any)
		if !ok {
			continue
		}
		name, _ := status["name"].(string)
		id, _ := status["imageID"].(string)
		if id == "" {
			continue
		}
		key := ownerKey(owner, k.Namespace)
		if r.images[key] == nil {
			r.images[key] = map[string][]string{}
		}
		if all := r.images[key][name]; !slices.Contains(all, digest(id)) {
			r.images[key][name] = append(all, digest(id))
		}
	}
}

func ownerKey(owner *metav1.OwnerReference, namespace string) transfer.Key {
	return transfer.Key{Kind: schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind(), Namespace: namespace, Name: owner.Name}
}

// digest is the end of an image's ID, whatever registry it was pulled from.
func digest(imageID string) string {
	_, after, found := strings.Cut(imageID, "@")
	if found {
		return after
	}
	return byHand + imageID
}

const byHand = "local:"

// all gives the workloads with the images of their pods.
func (r *running) all() map[transfer.Key]Running {
	for key, images := range r.images {
		top := key
		if owner, ok := r.owners[key]; ok {
			top = owner
		}
		w, ok := r.workloads[top]
		if !ok {
			continue
		}
		if w.Images == nil {
			w.Images = map[string][]string{}
		}
		for container, digests := range images {
			w.Images[container] = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(w.Images[container]), digests...))))
		}
		r.workloads[top] = w
	}
	return r.workloads
}

// alike compares how workloads run that are on both sides and are compared.
func (c *comparison) alike() []Workload {
	source, target := c.from.all(), c.to.all()
	var all []Workload
	for _, k := range slices.SortedFunc(maps.Keys(source), transfer.Key.Compare) {
		there, ok := target[k]
		if _, stays := c.stays[k]; !ok || stays {
			continue
		}
		w := Workload{Key: k, From: source[k], To: there}
		w.judge(!c.o.IgnoreReadiness)
		if w.Answer != result.Holds {
			c.excuse(&w)
		}
		all = append(all, w)
	}
	return all
}

// excuse leaves a workload out that a rule of the user is about as a whole, or
// by its status.
func (c *comparison) excuse(w *Workload) {
	for _, r := range c.rules {
		if r.only == nil && r.Manager == "" && r.about(w.Key) && begins(r.path, []string{"status"}) {
			r.use(w.Key.String() + " " + w.Reason)
			w.Answer = result.Holds
			return
		}
	}
}

// judge holds the target's workload against the source's: as much of it must be
// ready as there is wanted, unless the source has no more, and it must run the
// same images.
func (w *Workload) judge(readiness bool) {
	container, images, known := w.otherImage()
	switch {
	case readiness && (!w.From.observed || !w.To.observed):
		w.Answer, w.Reason = result.Unknown, "is being changed: its controller has not seen the newest specification"
	case readiness && w.To.Ready < w.To.Desired && w.From.Ready >= w.From.Desired:
		w.Answer, w.Reason = result.Fails, fmt.Sprintf("has %d of %d ready, and %d of %d in the source", w.To.Ready, w.To.Desired, w.From.Ready, w.From.Desired)
	case images != "" && !known:
		w.Answer, w.Reason = result.Unknown, fmt.Sprintf("runs an image in container %s that has no digest on one side: %s", container, images)
	case images != "":
		w.Answer, w.Reason = result.Fails, fmt.Sprintf("runs another image in container %s: %s", container, images)
	case readiness && w.To.Ready < w.To.Desired:
		w.Answer, w.Reason = result.Holds, fmt.Sprintf("is not ready on either side: %d of %d, and %d of %d in the source", w.To.Ready, w.To.Desired, w.From.Ready, w.From.Desired)
	default:
		w.Answer = result.Holds
	}
}

// otherImage finds a container that runs on both sides, of different images.
// Known is whether the same image would have the same name on both: one that was
// put on a node by hand has no digest.
func (w *Workload) otherImage() (container, images string, known bool) {
	for _, name := range slices.Sorted(maps.Keys(w.From.Images)) {
		from, to := w.From.Images[name], w.To.Images[name]
		if len(to) > 0 && !slices.Equal(from, to) {
			return name, strings.Join(from, ", ") + " → " + strings.Join(to, ", "), strings.HasPrefix(from[0], byHand) == strings.HasPrefix(to[0], byHand)
		}
	}
	return "", "", true
}

// checks puts what a baseline said of both sides together, by check.
func checks(from, to []result.Result) []Check {
	var all []Check
	at := map[string]int{}
	of := func(one result.Result) *Check {
		name := cmp.Or(one.Group, one.Name)
		if one.Group != "" && one.Group != one.Name {
			name = one.Group + " › " + one.Name
		}
		if _, known := at[name]; !known {
			at[name] = len(all)
			all = append(all, Check{Name: name})
		}
		return &all[at[name]]
	}
	for _, one := range from {
		of(one).From = &one.Answer
	}
	for _, one := range to {
		c := of(one)
		c.To = &one.Answer
		if one.Answer != result.Holds {
			c.Reason, _, _ = strings.Cut(cmp.Or(one.Reason, fmt.Sprintf("expected %s, got %s", one.Expected, one.Actual)), "\n")
		}
	}
	return all
}
