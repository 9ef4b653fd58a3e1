package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// pull is an image as a workload's pods pull it.
type pull struct {
	image string
	// secrets it is pulled with, as NAMESPACE/NAME joined by commas.
	secrets string
}

// pulled is what became of asking for an image.
type pulled struct {
	state pullState
	// reason that it is not there, or not known.
	reason string
	// platforms it runs on, as OS/ARCHITECTURE; empty if not known.
	platforms []string
}

type pullState int

const (
	notAsked pullState = iota
	isThere
	isMissing
	isDenied
	isUnknown
)

const pullingImages = "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/"

// pullsOf are the images of a workload.
func (w *world) pullsOf(wl *workload) []pull {
	secrets := strings.Join(w.pullSecretsOf(wl), ",")
	var all []pull
	for _, c := range wl.containers() {
		if p := (pull{c.Image, secrets}); c.Image != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// pullSecretsOf are the Secrets that its pods pull with: their own, or else
// those of their service account.
func (w *world) pullSecretsOf(wl *workload) []string {
	refs := wl.pod.Spec.ImagePullSecrets
	if len(refs) == 0 {
		if wl.ownAccount() {
			refs = w.in.accounts[wl.key.Namespace+"/"+wl.pod.Spec.ServiceAccountName].ImagePullSecrets
		} else {
			refs = w.in.defaults[wl.key.Namespace].ImagePullSecrets
		}
	}
	var names []string
	for _, ref := range refs {
		names = append(names, wl.key.Namespace+"/"+ref.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ownAccount: it has another account than its namespace's default one.
func (wl *workload) ownAccount() bool {
	return wl.pod.Spec.ServiceAccountName != "" && wl.pod.Spec.ServiceAccountName != "default"
}

// findImages tells which images the target cannot pull, as far as that can be
// seen from here.
func findImages(w *world) []Finding {
	var found []Finding
	for _, wl := range w.in.workloads {
		if len(wl.pod.Spec.ImagePullSecrets) == 0 && !wl.ownAccount() && len(w.pullSecretsOf(wl)) > 0 {
			found = append(found, Finding{
				Severity: Warn, Objects: []string{wl.key.String()}, Source: pullingImages,
				What:   fmt.Sprintf("it pulls with Secrets of its namespace's account default, which on %s is another one", w.to.name),
				Remedy: "Name the pull secrets in the pods, or give them to the account default on the target.",
			})
		}
		for _, name := range w.pullSecretsOf(wl) {
			if _, comes := w.in.pullSecrets[name]; !comes {
				found = append(found, Finding{
					Severity: Warn, Objects: []string{wl.key.String()}, Source: pullingImages,
					What:   fmt.Sprintf("pull secret %s does not come along", name),
					Remedy: "Make it on the target, or take it into the selection.",
				})
			}
		}
		for _, p := range w.pullsOf(wl) {
			if f := w.images[p].finding(wl, p); f != nil {
				found = append(found, *f)
			}
		}
	}
	return found
}

func (p pulled) finding(wl *workload, of pull) *Finding {
	f := &Finding{Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: pullingImages}
	switch p.state {
	case isMissing:
		f.What = fmt.Sprintf("image %s is not there: %s", of.image, p.reason)
		f.Remedy = "Push it, or name one that is there. Nodes of the source may still have it cached."
	case isDenied:
		f.What = fmt.Sprintf("image %s is refused: %s", of.image, p.reason)
		f.Remedy = "Renew the pull secret."
	case isUnknown:
		f.Severity = Unknown
		f.What = fmt.Sprintf("whether image %s can be pulled: %s", of.image, p.reason)
		f.Remedy = "Try it on a node of the target: crictl pull " + of.image + "."
	default:
		return nil
	}
	return f
}

// cached are the images that some node of the target has already, by name.
func (w *world) cached() map[string]bool {
	names := map[string]bool{}
	for i := range w.to.nodes {
		for _, image := range w.to.nodes[i].Status.Images {
			for _, name := range image.Names {
				names[normal(name)] = true
			}
		}
	}
	return names
}

// findArchitecture compares what images run on with the nodes that pods may
// land on.
func findArchitecture(w *world) []Finding {
	var found []Finding
	for _, wl := range w.in.workloads {
		nodes, _ := w.place(wl)
		if len(nodes) == 0 {
			continue
		}
		for _, p := range w.pullsOf(wl) {
			found = append(found, w.runsOn(wl, p, nodes)...)
		}
	}
	return found
}

func (w *world) runsOn(wl *workload, p pull, nodes []*corev1.Node) []Finding {
	platforms := w.images[p].platforms
	if len(platforms) == 0 {
		return w.guessPlatform(wl, nodes)
	}
	lacking := map[string]bool{}
	fit := 0
	for _, n := range nodes {
		if platform := platformOf(n); platform == "" || slices.Contains(platforms, platform) {
			fit++
		} else {
			lacking[platform] = true
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	f := Finding{
		Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: "https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-arch",
		What:   fmt.Sprintf("image %s is for %s; nodes of %s that take its pods are %s", p.image, strings.Join(platforms, ", "), w.to.name, strings.Join(slices.Sorted(maps.Keys(lacking)), ", ")),
		Remedy: "Build it for these, too, or add nodes of its kind.",
	}
	if fit > 0 {
		f.Severity = Warn
		f.What = strings.Replace(f.What, "; nodes of", "; some nodes of", 1)
		f.Remedy = "Build it for these, too, or select nodes by kubernetes.io/arch."
	}
	return []Finding{f}
}

// guessPlatform: where an image could not be asked for, it runs on what the
// source's nodes are; others are named.
func (w *world) guessPlatform(wl *workload, nodes []*corev1.Node) []Finding {
	source := map[string]bool{}
	for i := range w.from.nodes {
		source[platformOf(&w.from.nodes[i])] = true
	}
	other := map[string]bool{}
	for _, n := range nodes {
		if platform := platformOf(n); !source[platform] {
			other[platform] = true
		}
	}
	if len(source) == 0 || len(other) == 0 {
		return nil
	}
	return []Finding{{
		Severity: Unknown, Objects: []string{wl.key.String()}, Source: "https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-arch",
		What:   fmt.Sprintf("whether its images run on %s, which %s has no nodes of", strings.Join(slices.Sorted(maps.Keys(other)), ", "), w.from.name),
		Remedy: "Look at the images' platforms, or select nodes by kubernetes.io/arch.",
	}}
}

// platformOf a node, as OS/ARCHITECTURE; empty if it does not say.
func platformOf(n *corev1.Node) string {
	info := n.Status.NodeInfo
	if info.OperatingSystem == "" || info.Architecture == "" {
		return ""
	}
	return info.OperatingSystem + "/" + info.Architecture
}
