package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corehelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

const assigningPods = "https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/"

// findScheduling looks for pods that no node takes.
func findScheduling(w *world) []Finding {
	found := w.findNodes()
	if len(w.to.usable()) == 0 {
		if len(w.in.workloads) == 0 {
			return found
		}
		f := Finding{Severity: Block, What: fmt.Sprintf("%s has no node that is ready", w.to.name), Remedy: "Add nodes, or look why they are not ready (kubectl describe nodes)."}
		if w.to.autoscaler != "" {
			f.Severity, f.What = Warn, f.What+"; "+w.to.autoscaler+" has to make all"
		}
		return append(found, f)
	}
	for _, wl := range w.in.workloads {
		nodes, misfits := w.place(wl)
		switch {
		case len(nodes) > 0:
			continue
		case wl.perNode:
			found = append(found, Finding{
				Severity: Warn, Objects: []string{wl.key.String()}, Source: assigningPods,
				What:   "runs on no node of " + w.to.name + ": " + misfits.String(),
				Remedy: "Label or size nodes as it asks for, if it should run there.",
			})
		default:
			found = append(found, w.unplaced(wl, misfits))
		}
	}
	return found
}

// findNodes tells of nodes that take no pods.
func (w *world) findNodes() []Finding {
	var found []Finding
	for i := range w.to.nodes {
		n := &w.to.nodes[i]
		why := ""
		switch {
		case n.Spec.Unschedulable:
			why = "is cordoned: it was not counted on"
		case !ready(n):
			why = "is not ready: it was not counted on"
		default:
			continue
		}
		found = append(found, Finding{Severity: Note, Objects: []string{"Node " + n.Name}, What: why})
	}
	return found
}

func (w *world) unplaced(wl *workload, m misfits) Finding {
	f := Finding{
		Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: assigningPods,
		What:   "no node of " + w.to.name + " takes its pods: " + m.String(),
		Remedy: "Add nodes with what it asks for, or change what it asks for.",
	}
	if w.to.autoscaler != "" {
		f.Severity = Warn
		f.Remedy = "Check that " + w.to.autoscaler + " may make such a node."
	}
	return f
}

// misfits are reasons why nodes do not take a pod, with the number of nodes.
type misfits map[string]int

// String gives the reasons, that of most nodes first: "2 nodes have no
// disk=ssd, 1 node has taint a:NoSchedule".
func (m misfits) String() string {
	reasons := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), strings.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%s: %s", english.Plural(m[reason], "node", ""), reason)
	}
	return strings.Join(reasons, "; ")
}

// placement is where a workload's pods may run.
type placement struct {
	nodes   []*corev1.Node
	misfits misfits
}

// place gives the usable nodes of the target that take the workload's pods
// while nothing else runs there, and why the others do not.
func (w *world) place(wl *workload) ([]*corev1.Node, misfits) {
	if p, done := w.placed[wl]; done {
		return p.nodes, p.misfits
	}
	p, d := placement{misfits: misfits{}}, demandOf(wl)
	for _, n := range w.to.usable() {
		if why := d.misfit(n); why != "" {
			p.misfits[why]++
			continue
		}
		p.nodes = append(p.nodes, n)
	}
	if w.placed == nil {
		w.placed = map[*workload]placement{}
	}
	w.placed[wl] = p
	return p.nodes, p.misfits
}

// demand is what a pod asks of its node.
type demand struct {
	spec     *corev1.PodSpec
	affinity nodeaffinity.RequiredNodeAffinity
	requests corev1.ResourceList
	// selected labels and requested resources in order, so that of several
	// reasons always the same one is told.
	selected  []string
	requested []corev1.ResourceName
}

func demandOf(wl *workload) demand {
	requests := wl.requests()
	maps.DeleteFunc(requests, func(_ corev1.ResourceName, q resource.Quantity) bool { return q.IsZero() })
	return demand{
		spec: &wl.pod.Spec, affinity: nodeaffinity.GetRequiredNodeAffinity(&wl.pod), requests: requests,
		selected: slices.Sorted(maps.Keys(wl.pod.Spec.NodeSelector)), requested: slices.Sorted(maps.Keys(requests)),
	}
}

// misfit says why a node does not take the pod; empty if it does.
func (d demand) misfit(n *corev1.Node) string {
	for _, name := range d.selected {
		if n.Labels[name] != d.spec.NodeSelector[name] {
			return fmt.Sprintf("not labelled %s=%s", name, d.spec.NodeSelector[name])
		}
	}
	if matches, err := d.affinity.Match(n); err != nil {
		return "its node affinity cannot be read: " + err.Error()
	} else if !matches {
		return "does not match its node affinity (" + strings.Join(affinityLabels(d.spec), ", ") + ")"
	}
	taint, untolerated := corehelpers.FindMatchingUntoleratedTaint(logr.Discard(), n.Spec.Taints, d.spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, true)
	if untolerated {
		return "taint " + taint.ToString() + " is not tolerated"
	}
	for _, name := range d.requested {
		wants, has := d.requests[name], n.Status.Allocatable[name]
		if wants.Cmp(has) > 0 {
			return fmt.Sprintf("has %s of the %s %s that it requests", has.String(), wants.String(), name)
		}
	}
	return ""
}

// affinityLabels are the labels that its required node affinity looks at.
func affinityLabels(spec *corev1.PodSpec) []string {
	only := *spec
	only.NodeSelector, only.TopologySpreadConstraints = nil, nil
	return slices.Compact(slices.Sorted(slices.Values(nodeLabels(&only))))
}
