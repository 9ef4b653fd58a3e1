package preflight

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

//go:embed data/node-groups.yaml
var nodeGroupsFile []byte

// nodeGroupLimit is a known limit of managed node groups. When names the
// condition under which it matters, one of nodeGroupConditions.
type nodeGroupLimit struct {
	ID       string   `json:"id"`
	When     string   `json:"when"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy"`
	Source   string   `json:"source"`
}

var nodeGroupLimits = func() []nodeGroupLimit {
	var file struct {
		Limits []nodeGroupLimit `json:"limits"`
	}
	mustRead(nodeGroupsFile, &file)
	return file.Limits
}()

// nodeGroupConditions tell whom a limit touches: the objects; met without any
// means the cluster as a whole.
var nodeGroupConditions = map[string]func(w *world, nodes []*corev1.Node) (objects []string, met bool){
	"always":                func(*world, []*corev1.Node) ([]string, bool) { return nil, true },
	"reservedLabelSelected": reservedLabels,
	"budgetAllowsNone":      strictBudgets,
	"podSecurityGroups":     podSecurityGroups,
	"taintsDiffer":          taintsDiffer,
	"volumesAcrossZones":    volumesAcrossZones,
	"clusterAutoscaler": func(w *world, _ []*corev1.Node) ([]string, bool) {
		return nil, w.to.autoscaler == "the Cluster Autoscaler"
	},
	"amazonLinux2023": amazonLinux2023,
}

const labelNodeGroup = "eks.amazonaws.com/nodegroup"

// findNodeGroups tells the known limits of managed node groups, where the
// target has some and something that comes meets the limit.
func findNodeGroups(w *world) []Finding {
	var managed []*corev1.Node
	for i := range w.to.nodes {
		if w.to.nodes[i].Labels[labelNodeGroup] != "" {
			managed = append(managed, &w.to.nodes[i])
		}
	}
	if len(managed) == 0 {
		return nil
	}
	var found []Finding
	for _, limit := range nodeGroupLimits {
		if objects, met := nodeGroupConditions[limit.When](w, managed); met {
			found = append(found, Finding{Severity: limit.Severity, Objects: objects, What: limit.What, Remedy: limit.Remedy, Source: limit.Source})
		}
	}
	return found
}

// reservedLabels: pods that select nodes by labels that no kubelet may give
// itself, and that no node has.
func reservedLabels(w *world, _ []*corev1.Node) ([]string, bool) {
	var objects []string
	for _, wl := range w.in.workloads {
		for _, name := range nodeLabels(&wl.pod.Spec) {
			has := slices.ContainsFunc(w.to.nodes, func(n corev1.Node) bool { _, ok := n.Labels[name]; return ok })
			if !has && strings.HasPrefix(name, "node-role.kubernetes.io/") {
				objects = append(objects, wl.key.String())
			}
		}
	}
	return objects, len(objects) > 0
}

func strictBudgets(w *world, _ []*corev1.Node) ([]string, bool) {
	var objects []string
	for _, f := range findDisruption(w) {
		objects = append(objects, f.Objects...)
	}
	return objects, len(objects) > 0
}

// podSecurityGroups: pods with security groups of their own, on instances that
// cannot have them.
func podSecurityGroups(w *world, nodes []*corev1.Node) ([]string, bool) {
	burstable := slices.ContainsFunc(nodes, func(n *corev1.Node) bool {
		family, _, _ := strings.Cut(n.Labels[corev1.LabelInstanceTypeStable], ".")
		return strings.HasPrefix(family, "t")
	})
	return w.in.securityGroups.named, w.in.securityGroups.count > 0 && burstable
}

// taintsDiffer: nodes of one group have not the same taints, so that somebody
// tainted them by hand.
func taintsDiffer(_ *world, nodes []*corev1.Node) ([]string, bool) {
	groups := map[string]map[string]bool{}
	for _, n := range nodes {
		var taints []string
		for _, t := range n.Spec.Taints {
			if !strings.HasPrefix(t.Key, "node.kubernetes.io/") { // conditions come and go
				taints = append(taints, t.ToString())
			}
		}
		slices.Sort(taints)
		group := n.Labels[labelNodeGroup]
		if groups[group] == nil {
			groups[group] = map[string]bool{}
		}
		groups[group][strings.Join(taints, " ")] = true
	}
	var objects []string
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		if len(groups[group]) > 1 {
			objects = append(objects, fmt.Sprintf("NodeGroup %s", group))
		}
	}
	return objects, len(objects) > 0
}

// volumesAcrossZones: claims come, and one node group is in several zones.
func volumesAcrossZones(w *world, nodes []*corev1.Node) ([]string, bool) {
	zones := map[string]map[string]bool{}
	for _, n := range nodes {
		group := n.Labels[labelNodeGroup]
		if zones[group] == nil {
			zones[group] = map[string]bool{}
		}
		zones[group][n.Labels[corev1.LabelTopologyZone]] = true
	}
	var objects []string
	for _, group := range slices.Sorted(maps.Keys(zones)) {
		if len(zones[group]) > 1 {
			objects = append(objects, "NodeGroup "+group)
		}
	}
	return objects, len(objects) > 0 && len(w.allClaims()) > 0 && w.to.autoscaler == "the Cluster Autoscaler"
}

func amazonLinux2023(w *world, nodes []*corev1.Node) ([]string, bool) {
	return nil, slices.ContainsFunc(nodes, func(n *corev1.Node) bool {
		return strings.HasPrefix(n.Status.NodeInfo.OSImage, "Amazon Linux 2023")
	})
}
