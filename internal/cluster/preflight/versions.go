package preflight

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

//go:embed data/changes.yaml
var changesFile []byte

// change is something that a release of Kubernetes took away. Exactly one of
// NodeLabel, PodAnnotation, Volume and HostPath says who uses it.
type change struct {
	Release  string   `json:"release"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy"`
	Source   string   `json:"source"`
	// NodeLabel that pods select nodes by.
	NodeLabel string `json:"nodeLabel"`
	// PodAnnotation is the beginning of an annotation's name.
	PodAnnotation string `json:"podAnnotation"`
	// Volume is the name of a volume source.
	Volume string `json:"volume"`
	// HostPath is a path of the node, or one below it.
	HostPath string `json:"hostPath"`
}

var changes = func() []change {
	var file struct {
		Changes []change `json:"changes"`
	}
	mustRead(changesFile, &file)
	return file.Changes
}()

const skewPolicy = "https://kubernetes.io/releases/version-skew-policy/"

// findVersions compares the releases of both sides, and of the target's nodes.
func findVersions(w *world) []Finding {
	from, err1 := version.ParseGeneric(w.from.version)
	to, err2 := version.ParseGeneric(w.to.version)
	if err1 != nil || err2 != nil {
		return []Finding{{Severity: Unknown, What: fmt.Sprintf("what changed between Kubernetes %q and %q: a version cannot be read", w.from.version, w.to.version)}}
	}
	var found []Finding
	if minors(to, from) < 0 {
		found = append(found, Finding{
			Severity: Warn, Source: skewPolicy,
			What:   fmt.Sprintf("%s runs Kubernetes %s, older than %s with %s: fields that are new since are dropped or refused", w.to.name, w.to.version, w.from.name, w.from.version),
			Remedy: "Make the target at least as new as the source.",
		})
	}
	found = append(found, w.kubeletSkew(to)...)
	for _, c := range changes {
		release, err := version.ParseGeneric(c.Release)
		if err != nil || minors(from, release) >= 0 || minors(to, release) < 0 {
			continue
		}
		for _, wl := range w.in.workloads {
			if c.touches(w, wl) {
				found = append(found, Finding{Severity: c.Severity, Objects: []string{wl.key.String()}, What: fmt.Sprintf("%s, since Kubernetes %s", c.What, c.Release), Remedy: c.Remedy, Source: c.Source})
			}
		}
	}
	return found
}

// minors is how many minor releases a is newer than b.
func minors(a, b *version.Version) int {
	return int(a.Major()-b.Major())*100 + int(a.Minor()) - int(b.Minor())
}

// kubeletSkew: a kubelet may be up to three minor releases older than the API
// server, and never newer.
func (w *world) kubeletSkew(server *version.Version) []Finding {
	var found []Finding
	for i := range w.to.nodes {
		n := &w.to.nodes[i]
		kubelet, err := version.ParseGeneric(n.Status.NodeInfo.KubeletVersion)
		if err != nil {
			continue // a node that never reported is not ready, which is said elsewhere
		}
		if behind := minors(server, kubelet); behind < 0 || behind > 3 {
			found = append(found, Finding{
				Severity: Warn, Objects: []string{"Node " + n.Name}, Source: skewPolicy,
				What:   fmt.Sprintf("its kubelet is %s, the API server of %s %s: not a supported pair", n.Status.NodeInfo.KubeletVersion, w.to.name, w.to.version),
				Remedy: "Upgrade the older of both first.",
			})
		}
	}
	return found
}

// touches tells whether the workload uses what was taken away.
func (c change) touches(w *world, wl *workload) bool {
	switch {
	case c.NodeLabel != "":
		return slices.Contains(nodeLabels(&wl.pod.Spec), c.NodeLabel) && !slices.ContainsFunc(w.to.nodes, func(n corev1.Node) bool {
			_, has := n.Labels[c.NodeLabel]
			return has
		})
	case c.PodAnnotation != "":
		for name := range wl.pod.Annotations {
			if strings.HasPrefix(name, c.PodAnnotation) {
				return true
			}
		}
	case c.Volume != "" || c.HostPath != "":
		return slices.ContainsFunc(wl.pod.Spec.Volumes, c.mounts)
	}
	return false
}

func (c change) mounts(v corev1.Volume) bool {
	if c.HostPath != "" {
		return v.HostPath != nil && (v.HostPath.Path == c.HostPath || strings.HasPrefix(v.HostPath.Path, c.HostPath+"/"))
	}
	return volumeSource(v) == c.Volume
}

// volumeSource names the in-tree volumes that were taken away.
func volumeSource(v corev1.Volume) string {
	switch {
	case v.AWSElasticBlockStore != nil:
		return "awsElasticBlockStore"
	case v.GCEPersistentDisk != nil:
		return "gcePersistentDisk"
	case v.AzureDisk != nil:
		return "azureDisk"
	case v.Cinder != nil:
		return "cinder"
	case v.Glusterfs != nil:
		return "glusterfs"
	case v.RBD != nil:
		return "rbd"
	case v.CephFS != nil:
		return "cephfs"
	case v.GitRepo != nil:
		return "gitRepo"
	}
	return ""
}

// nodeLabels are the labels that a pod chooses nodes by.
func nodeLabels(spec *corev1.PodSpec) []string {
	var names []string
	for name := range spec.NodeSelector {
		names = append(names, name)
	}
	if spec.Affinity != nil && spec.Affinity.NodeAffinity != nil && spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, e := range term.MatchExpressions {
				names = append(names, e.Key)
			}
		}
	}
	for _, c := range spec.TopologySpreadConstraints {
		names = append(names, c.TopologyKey)
	}
	return names
}
