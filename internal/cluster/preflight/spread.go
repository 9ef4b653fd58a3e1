package preflight

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const topologySpread = "https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/"

// findSpread looks for replicas that must keep apart, or together, over nodes
// that the target does not have.
func findSpread(w *world) []Finding {
	var found []Finding
	for _, wl := range w.in.workloads {
		nodes, _ := w.place(wl)
		if len(nodes) == 0 || wl.perNode {
			continue // said by scheduling; DaemonSets are spread by nature
		}
		for _, c := range wl.pod.Spec.TopologySpreadConstraints {
			found = append(found, w.constraint(wl, c, nodes)...)
		}
		if wl.pod.Spec.Affinity != nil {
			found = append(found, w.antiAffinity(wl, nodes)...)
			found = append(found, w.podAffinity(wl, nodes)...)
		}
	}
	return found
}

// domains are the values that the nodes have of a label.
func domains(nodes []*corev1.Node, label string) map[string]bool {
	values := map[string]bool{}
	for _, n := range nodes {
		if value, ok := n.Labels[label]; ok {
			values[value] = true
		}
	}
	return values
}

func (w *world) constraint(wl *workload, c corev1.TopologySpreadConstraint, nodes []*corev1.Node) []Finding {
	there := len(domains(nodes, c.TopologyKey))
	f := Finding{Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: topologySpread}
	switch {
	case c.WhenUnsatisfiable != corev1.DoNotSchedule:
		if there > 0 {
			return nil
		}
		f.Severity = Note
		f.What = fmt.Sprintf("no node of %s has label %s, over which it wants to be spread", w.to.name, c.TopologyKey)
		f.Remedy = "Label the nodes, or expect all replicas anywhere."
	case there == 0:
		f.What = fmt.Sprintf("no node of %s that takes its pods has label %s, over which it must be spread", w.to.name, c.TopologyKey)
		f.Remedy = "Label the nodes, or let whenUnsatisfiable be ScheduleAnyway."
	case c.MinDomains != nil && there < int(*c.MinDomains):
		// Fewer domains count as an empty one, so that each holds maxSkew at most.
		if wl.max <= there*int(c.MaxSkew) {
			return nil
		}
		f.What = fmt.Sprintf("it must be spread over %d values of %s, %s has %d", *c.MinDomains, c.TopologyKey, w.to.name, there)
		f.Remedy = "Add nodes in more of them, or lower minDomains."
	default:
		return nil
	}
	return []Finding{f}
}

// antiAffinity: pods that keep away from their own kind need as many domains as
// replicas.
func (w *world) antiAffinity(wl *workload, nodes []*corev1.Node) []Finding {
	apart := wl.pod.Spec.Affinity.PodAntiAffinity
	if apart == nil {
		return nil
	}
	var found []Finding
	for _, term := range apart.RequiredDuringSchedulingIgnoredDuringExecution {
		if !selects(term.LabelSelector, wl.pod.Labels) {
			continue
		}
		there := len(domains(nodes, term.TopologyKey))
		if there == 0 || wl.max <= there { // nodes without the label keep nobody apart
			continue
		}
		f := Finding{
			Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: assigningPods,
			What:   fmt.Sprintf("its %d replicas keep apart by %s, of which %s has %d", wl.max, term.TopologyKey, w.to.name, there),
			Remedy: "Add nodes, or prefer that they keep apart instead of requiring it.",
		}
		if wl.replicas <= there || w.to.autoscaler != "" {
			f.Severity = Warn
		}
		found = append(found, f)
	}
	return found
}

// podAffinity: pods that run beside others need nodes with the label that says
// what beside means.
func (w *world) podAffinity(wl *workload, nodes []*corev1.Node) []Finding {
	beside := wl.pod.Spec.Affinity.PodAffinity
	if beside == nil {
		return nil
	}
	var found []Finding
	for _, term := range beside.RequiredDuringSchedulingIgnoredDuringExecution {
		if len(domains(nodes, term.TopologyKey)) > 0 {
			continue
		}
		found = append(found, Finding{
			Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: assigningPods,
			What:   fmt.Sprintf("it must run beside other pods by %s, a label that no node of %s has that takes it", term.TopologyKey, w.to.name),
			Remedy: "Label the nodes, or prefer it instead of requiring it.",
		})
	}
	return found
}

// selects tells whether the selector selects the labels; none selects nothing,
// as in affinity terms.
func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}
