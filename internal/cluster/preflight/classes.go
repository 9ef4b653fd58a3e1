package preflight

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// findClasses looks for the classes that are asked for by name, and for the
// defaults that are asked for by silence.
func findClasses(w *world) []Finding {
	var found []Finding
	for _, find := range []func(*world) []Finding{findStorageClasses, findIngressClasses, findGatewayClasses, findPodClasses} {
		found = append(found, find(w)...)
	}
	return found
}

// comesAlong tells whether a transfer brings the object.
func (w *world) comesAlong(group, kind, name string) bool {
	return w.in.comes[schema.GroupKind{Group: group, Kind: kind}][name]
}

// claim is somebody who asks for a volume.
type claim struct {
	object string
	spec   corev1.PersistentVolumeClaimSpec
}

// allClaims are all that ask for volumes: claims, templates of StatefulSets, and
// ephemeral volumes of pods.
func (w *world) allClaims() []claim {
	var all []claim
	for i := range w.in.claims {
		c := &w.in.claims[i]
		all = append(all, claim{"PersistentVolumeClaim " + c.Namespace + "/" + c.Name, c.Spec})
	}
	for _, wl := range w.in.workloads {
		for i := range wl.claims {
			all = append(all, claim{wl.key.String(), wl.claims[i].Spec})
		}
		for _, v := range wl.pod.Spec.Volumes {
			if v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
				all = append(all, claim{wl.key.String(), v.Ephemeral.VolumeClaimTemplate.Spec})
			}
		}
	}
	return all
}

const defaultStorageClass = "https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass"

func findStorageClasses(w *world) []Finding {
	var found []Finding
	source, target := defaultOf(w.from.storageClasses), defaultOf(w.to.storageClasses)
	for _, c := range w.allClaims() {
		name := c.spec.StorageClassName
		switch {
		case name != nil && *name == "":
			continue // asks for a volume made by hand: see volumes
		case name != nil:
			found = append(found, w.storageClass(*name, c.object)...)
		case target == nil && !w.defaultComes():
			found = append(found, Finding{
				Severity: Block, Objects: []string{c.object}, Source: defaultStorageClass,
				What:   fmt.Sprintf("it asks for the default storage class, and %s has none", w.to.name),
				Remedy: "Mark a StorageClass there as default, or name one.",
			})
		case target != nil && source != nil && target.Provisioner != source.Provisioner:
			found = append(found, Finding{
				Severity: Warn, Objects: []string{c.object}, Source: defaultStorageClass,
				What:   fmt.Sprintf("it asks for the default storage class, which is %s (%s) on %s and %s (%s) on %s", source.Name, source.Provisioner, w.from.name, target.Name, target.Provisioner, w.to.name),
				Remedy: "Name the class that is meant.",
			})
		}
	}
	return found
}

// storageClass looks at one that is asked for by name.
func (w *world) storageClass(name, object string) []Finding {
	is := func(c storagev1.StorageClass) bool { return c.Name == name }
	here, there := slices.IndexFunc(w.from.storageClasses, is), slices.IndexFunc(w.to.storageClasses, is)
	f := Finding{Severity: Block, Objects: []string{object}, Source: "https://kubernetes.io/docs/concepts/storage/storage-classes/"}
	switch {
	case there >= 0:
		if here < 0 || w.from.storageClasses[here].Provisioner == w.to.storageClasses[there].Provisioner {
			return nil
		}
		f.Severity = Warn
		f.What = fmt.Sprintf("storage class %s makes volumes by %s on %s, by %s on %s", name, w.from.storageClasses[here].Provisioner, w.from.name, w.to.storageClasses[there].Provisioner, w.to.name)
		f.Remedy = "Check that both mean the same, or give one another name."
	case !w.comesAlong("storage.k8s.io", "StorageClass", name):
		f.What = fmt.Sprintf("there is no storage class %s on %s", name, w.to.name)
		f.Remedy = "Make it there before the move."
	case here >= 0:
		return w.provisioner(w.from.storageClasses[here], f)
	default:
		return nil
	}
	return []Finding{f}
}

// provisioner of a class that comes along must run on the target, too. CSI
// drivers are seen on nodes; of others nothing is known.
func (w *world) provisioner(class storagev1.StorageClass, f Finding) []Finding {
	driver := class.Provisioner
	switch {
	case driver == "kubernetes.io/no-provisioner" || w.to.drivers[driver]:
		return nil
	case w.from.drivers[driver]:
		f.What = fmt.Sprintf("storage class %s comes along, but no node of %s runs its driver %s", class.Name, w.to.name, driver)
	default:
		f.Severity = Warn
		f.What = fmt.Sprintf("storage class %s comes along; whether %s runs its provisioner %s cannot be seen", class.Name, w.to.name, driver)
	}
	f.Remedy = "Install it there before the move."
	return []Finding{f}
}

func defaultOf(classes []storagev1.StorageClass) *storagev1.StorageClass {
	for i := range classes {
		if classes[i].Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return &classes[i]
		}
	}
	return nil
}

// defaultComes: the source's default class is copied.
func (w *world) defaultComes() bool {
	class := defaultOf(w.from.storageClasses)
	return class != nil && w.comesAlong("storage.k8s.io", "StorageClass", class.Name)
}

// ingressClassAnnotation is how Ingresses named their class before 1.18.
const ingressClassAnnotation = "kubernetes.io/ingress.class"

func findIngressClasses(w *world) []Finding {
	var found []Finding
	for i := range w.in.ingresses {
		in := &w.in.ingresses[i]
		f := Finding{Severity: Block, Objects: []string{"Ingress " + in.Namespace + "/" + in.Name}, Source: "https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class"}
		name := in.Annotations[ingressClassAnnotation]
		if in.Spec.IngressClassName != nil {
			name = *in.Spec.IngressClassName
		}
		switch {
		case name == "" && slices.ContainsFunc(w.to.ingressClasses, isDefaultIngressClass):
			continue
		case name == "":
			f.Severity = Warn
			f.What = fmt.Sprintf("it names no class, and %s has no default one: perhaps nothing serves it", w.to.name)
			f.Remedy = "Name the class, or mark one there as default."
		case slices.ContainsFunc(w.to.ingressClasses, func(c networkingv1.IngressClass) bool { return c.Name == name }):
			continue
		case in.Spec.IngressClassName == nil:
			f.Severity = Warn
			f.What = fmt.Sprintf("its annotation names class %s; whether something on %s serves it cannot be seen", name, w.to.name)
			f.Remedy = "Set spec.ingressClassName to a class of the target."
		case w.comesAlong("networking.k8s.io", "IngressClass", name):
			if w.hasController(name) {
				continue
			}
			f.Severity = Warn
			f.What = fmt.Sprintf("ingress class %s comes along; %s has no class with its controller, so that perhaps nothing serves it", name, w.to.name)
			f.Remedy = "Install the ingress controller there first; an add-on does."
		default:
			f.What = fmt.Sprintf("there is no ingress class %s on %s", name, w.to.name)
			f.Remedy = "Install the ingress controller there first; an add-on does."
		}
		found = append(found, f)
	}
	return found
}

func isDefaultIngressClass(c networkingv1.IngressClass) bool {
	return c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true"
}

// hasController: the target has a class with the same controller.
func (w *world) hasController(class string) bool {
	for i := range w.from.ingressClasses {
		if c := &w.from.ingressClasses[i]; c.Name == class {
			return slices.ContainsFunc(w.to.ingressClasses, func(there networkingv1.IngressClass) bool {
				return there.Spec.Controller == c.Spec.Controller
			})
		}
	}
	return false
}

func findGatewayClasses(w *world) []Finding {
	var found []Finding
	for name, gateways := range w.in.gateways {
		i := slices.IndexFunc(w.to.gatewayClasses, func(c gatewayClass) bool { return c.name == name })
		if i >= 0 && w.to.gatewayClasses[i].accepted {
			continue
		}
		f := Finding{
			Severity: Block, Objects: gateways.named, Count: gateways.count, Source: "https://gateway-api.sigs.k8s.io/api-types/gatewayclass/",
			What:   fmt.Sprintf("there is no gateway class %s on %s", name, w.to.name),
			Remedy: "Install the gateway's controller there first; an add-on does.",
		}
		switch {
		case i >= 0:
			f.What = fmt.Sprintf("no controller accepts gateway class %s on %s", name, w.to.name)
		case w.comesAlong("gateway.networking.k8s.io", "GatewayClass", name):
			f.Severity, f.What = Warn, fmt.Sprintf("gateway class %s comes along; whether a controller on %s accepts it cannot be seen", name, w.to.name)
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.What, b.What) })
	return found
}

// findPodClasses: pods with a priority or runtime class that is not there are
// refused.
func findPodClasses(w *world) []Finding {
	var found []Finding
	for _, wl := range w.in.workloads {
		name := wl.pod.Spec.PriorityClassName
		if name != "" && !strings.HasPrefix(name, "system-") && !w.comesAlong("scheduling.k8s.io", "PriorityClass", name) &&
			!slices.ContainsFunc(w.to.priorityClasses, func(c schedulingv1.PriorityClass) bool { return c.Name == name }) {
			found = append(found, wl.lacks("priority class", name, w.to.name, "https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#priorityclass"))
		}
		if wl.pod.Spec.RuntimeClassName != nil {
			found = append(found, w.runtimeClass(wl, *wl.pod.Spec.RuntimeClassName)...)
		}
	}
	return found
}

func (wl *workload) lacks(what, name, cluster, source string) Finding {
	return Finding{
		Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: source,
		What:   fmt.Sprintf("there is no %s %s on %s: its pods are refused", what, name, cluster),
		Remedy: "Make it there before the move.",
	}
}

func (w *world) runtimeClass(wl *workload, name string) []Finding {
	const source = "https://kubernetes.io/docs/concepts/containers/runtime-class/"
	if slices.ContainsFunc(w.to.runtimeClasses, func(c nodev1.RuntimeClass) bool { return c.Name == name }) {
		return nil
	}
	if !w.comesAlong("node.k8s.io", "RuntimeClass", name) {
		return []Finding{wl.lacks("runtime class", name, w.to.name, source)}
	}
	return []Finding{{
		Severity: Warn, Objects: []string{wl.key.String()}, Source: source,
		What:   fmt.Sprintf("runtime class %s comes along; whether nodes of %s have its handler cannot be seen", name, w.to.name),
		Remedy: "Set up the handler in the nodes' container runtime.",
	}}
}
