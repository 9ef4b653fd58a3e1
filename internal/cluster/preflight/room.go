package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

const managingResources = "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"

// findRoom adds up what comes and compares it with what is free. Jobs come and
// go and are not counted.
func findRoom(w *world) []Finding {
	usable := w.to.usable()
	if len(usable) == 0 {
		return nil // said by scheduling
	}
	free := w.free(usable)
	now, most := corev1.ResourceList{}, corev1.ResourceList{}
	for _, wl := range w.in.workloads {
		if wl.passing {
			continue
		}
		one := wl.requests()
		one[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
		pods, peak := wl.replicas, wl.max
		if wl.perNode {
			nodes, _ := w.place(wl)
			pods, peak = len(nodes), len(nodes)
		}
		addTimes(now, one, pods)
		addTimes(most, one, peak)
	}
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(most)) {
		found = append(found, w.tight(name, now[name], most[name], free[name])...)
	}
	return found
}

func (w *world) tight(name corev1.ResourceName, now, most, free resource.Quantity) []Finding {
	f := Finding{Severity: Block, Source: managingResources, Remedy: "Add nodes, or lower requests to what is used."}
	if w.to.autoscaler != "" {
		f.Severity, f.Remedy = Warn, "Check that "+w.to.autoscaler+" may make enough nodes."
	}
	switch {
	case now.Cmp(free) > 0:
		f.What = fmt.Sprintf("what comes requests %s %s, %s has %s free", amount(name, now), name, w.to.name, amount(name, free))
	case most.Cmp(free) > 0:
		f.Severity = Warn
		f.What = fmt.Sprintf("with all autoscalers at their maximum what comes requests %s %s, %s has %s free", amount(name, most), name, w.to.name, amount(name, free))
	default:
		return nil
	}
	return []Finding{f}
}

// amount in the units that people think in.
func amount(name corev1.ResourceName, q resource.Quantity) string {
	if name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage {
		return fmt.Sprintf("%.1f GiB", q.AsApproximateFloat64()/(1<<30))
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", q.AsApproximateFloat64()), "0"), ".")
}

// free is what the nodes have and no pod requests. Pods of what comes (from an
// earlier transfer) do not count.
func (w *world) free(nodes []*corev1.Node) corev1.ResourceList {
	total, names := corev1.ResourceList{}, map[string]bool{}
	for _, n := range nodes {
		names[n.Name] = true
		addTimes(total, n.Status.Allocatable, 1)
	}
	ours := w.ours()
	for i := range w.to.pods {
		p := &w.to.pods[i]
		if !names[p.Spec.NodeName] || over(p) || ours(p) {
			continue
		}
		used := resourcehelper.PodRequests(p, resourcehelper.PodResourcesOptions{})
		used[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
		for name, q := range used {
			left := total[name]
			left.Sub(q)
			total[name] = left
		}
	}
	return total
}

// over tells whether a pod's work is done.
func over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// ours tells pods of the target that belong to what comes: an earlier transfer
// brought their workloads.
func (w *world) ours() func(*corev1.Pod) bool {
	set := map[string]bool{}
	for _, wl := range w.in.workloads {
		set[wl.key.Namespace+"/"+wl.key.Kind.Kind+"/"+wl.key.Name] = true
	}
	return func(p *corev1.Pod) bool {
		kind, name := "Pod", p.Name
		if owner := metav1.GetControllerOf(p); owner != nil {
			kind, name = owner.Kind, owner.Name
		}
		if set[p.Namespace+"/"+kind+"/"+name] {
			return true
		}
		// A Deployment's ReplicaSets are named NAME-HASH.
		cut := strings.LastIndexByte(name, '-')
		return kind == "ReplicaSet" && cut > 0 && set[p.Namespace+"/Deployment/"+name[:cut]]
	}
}

// addTimes adds a list some times.
func addTimes(sum, list corev1.ResourceList, times int) {
	for name, q := range list {
		total := sum[name]
		one := q.DeepCopy()
		one.Mul(int64(times))
		total.Add(one)
		sum[name] = total
	}
}
