package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

const (
	resourceQuotas = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
	limitRanges    = "https://kubernetes.io/docs/concepts/policy/limit-range/"
)

// findQuotas compares what comes with the quotas and limits that its
// namespaces have on the target already. Those that come along were kept on
// the source.
func findQuotas(w *world) []Finding {
	var found []Finding
	for i := range w.to.quotas {
		q := &w.to.quotas[i]
		if q.Annotations[transfer.From] != "" {
			continue
		}
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			if w.in.comesInto(q.Namespace) {
				found = append(found, Finding{
					Severity: Note, Objects: []string{"ResourceQuota " + q.Namespace + "/" + q.Name}, Source: resourceQuotas,
					What: "it is for some pods only, and was not added up", Remedy: "Compare it by hand: kubectl describe quota.",
				})
			}
			continue
		}
		found = append(found, w.quota(q)...)
	}
	for i := range w.to.limits {
		if l := &w.to.limits[i]; l.Annotations[transfer.From] == "" {
			found = append(found, w.limitRange(l)...)
		}
	}
	return found
}

// quota compares one with what comes into its namespace.
func (w *world) quota(q *corev1.ResourceQuota) []Finding {
	comes := w.usage(q.Namespace)
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(q.Spec.Hard)) {
		hard, used, more := q.Spec.Hard[name], q.Status.Used[name], comes[name]
		total := used.DeepCopy()
		total.Add(more)
		if !more.IsZero() && total.Cmp(hard) > 0 {
			found = append(found, Finding{
				Severity: Block, Objects: []string{"ResourceQuota " + q.Namespace + "/" + q.Name}, Source: resourceQuotas,
				What:   fmt.Sprintf("it allows %s %s on %s; %s are used, and %s more come", hard.String(), name, w.to.name, used.String(), more.String()),
				Remedy: "Raise the quota there, or move less.",
			})
		}
		found = append(found, w.mustRequest(q, name)...)
	}
	return found
}

// mustRequest: where a quota is on a resource of containers, each has to say
// how much of it, unless a LimitRange says so for it.
func (w *world) mustRequest(q *corev1.ResourceQuota, name corev1.ResourceName) []Finding {
	limits := strings.HasPrefix(string(name), "limits.")
	of := corev1.ResourceName(strings.TrimPrefix(strings.TrimPrefix(string(name), "limits."), "requests."))
	if of != corev1.ResourceCPU && of != corev1.ResourceMemory || w.hasDefault(q.Namespace, of, limits) {
		return nil
	}
	var found []Finding
	for _, wl := range w.in.workloads {
		if wl.key.Namespace != q.Namespace {
			continue
		}
		for _, c := range wl.pod.Spec.Containers {
			_, requested := c.Resources.Requests[of]
			_, limited := c.Resources.Limits[of]
			if limited || requested && !limits {
				continue
			}
			found = append(found, Finding{
				Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: resourceQuotas,
				What:   fmt.Sprintf("container %s says no %s, which ResourceQuota %s/%s of %s asks for: its pods are refused", c.Name, name, q.Namespace, q.Name, w.to.name),
				Remedy: "Set it, or give the namespace a LimitRange with defaults.",
			})
		}
	}
	return found
}

// hasDefault: a LimitRange, of the target or coming along, fills the resource
// in.
func (w *world) hasDefault(namespace string, of corev1.ResourceName, limits bool) bool {
	for i := range w.to.limits {
		if w.to.limits[i].Namespace != namespace {
			continue
		}
		for _, item := range w.to.limits[i].Spec.Limits {
			filled := item.DefaultRequest
			if limits {
				filled = item.Default
			}
			if _, ok := filled[of]; ok && item.Type == corev1.LimitTypeContainer {
				return true
			}
		}
	}
	return false
}

// usage is what comes into a namespace, by the names that quotas use
// (https://kubernetes.io/docs/concepts/policy/resource-quotas/).
func (w *world) usage(namespace string) corev1.ResourceList {
	usage := corev1.ResourceList{}
	for key, objects := range w.in.kinds {
		if key.namespace == namespace {
			w.count(usage, key, objects.count)
		}
	}
	for i := range w.in.services {
		if s := &w.in.services[i]; s.Namespace == namespace {
			switch s.Spec.Type {
			case corev1.ServiceTypeLoadBalancer:
				addOne(usage, corev1.ResourceServicesLoadBalancers)
				addOne(usage, corev1.ResourceServicesNodePorts)
			case corev1.ServiceTypeNodePort:
				addOne(usage, corev1.ResourceServicesNodePorts)
			}
		}
	}
	for i := range w.in.claims {
		if c := &w.in.claims[i]; c.Namespace == namespace {
			addTimes(usage, corev1.ResourceList{corev1.ResourceRequestsStorage: c.Spec.Resources.Requests[corev1.ResourceStorage]}, 1)
		}
	}
	for _, wl := range w.in.workloads {
		if wl.key.Namespace == namespace && !wl.passing && !wl.perNode {
			addPods(usage, wl)
		}
	}
	return usage
}

// count adds objects under the names that quotas have for them.
func (w *world) count(usage corev1.ResourceList, key kindIn, n int) {
	resourceName := w.from.serves[key.kind].Resource
	name := "count/" + resourceName
	if key.kind.Group != "" {
		name += "." + key.kind.Group
	}
	usage[corev1.ResourceName(name)] = *resource.NewQuantity(int64(n), resource.DecimalSI)
	switch key.kind.Kind {
	case "Service", "Secret", "ConfigMap", "PersistentVolumeClaim", "ReplicationController", "ResourceQuota":
		if key.kind.Group == "" {
			usage[corev1.ResourceName(resourceName)] = *resource.NewQuantity(int64(n), resource.DecimalSI)
		}
	}
}

// addPods adds the pods of a workload and what they request and may use.
func addPods(usage corev1.ResourceList, wl *workload) {
	one := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)}
	for name, q := range wl.requests() {
		one[name], one["requests."+name] = q, q
	}
	for name, q := range resourcehelper.PodLimits(&wl.pod, resourcehelper.PodResourcesOptions{}) {
		one["limits."+name] = q
	}
	addTimes(usage, one, wl.replicas)
}

func addOne(usage corev1.ResourceList, name corev1.ResourceName) {
	addTimes(usage, corev1.ResourceList{name: *resource.NewQuantity(1, resource.DecimalSI)}, 1)
}

// limitRange compares containers and claims with a LimitRange's bounds.
func (w *world) limitRange(l *corev1.LimitRange) []Finding {
	var found []Finding
	for _, item := range l.Spec.Limits {
		for _, wl := range w.in.workloads {
			if wl.key.Namespace != l.Namespace || item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, c := range wl.containers() {
				for _, why := range beyond(item, c.Resources) {
					found = append(found, Finding{
						Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: limitRanges,
						What:   fmt.Sprintf("container %s %s, by LimitRange %s/%s of %s: its pods are refused", c.Name, why, l.Namespace, l.Name, w.to.name),
						Remedy: "Change the container's resources or the LimitRange.",
					})
				}
			}
		}
		if item.Type != corev1.LimitTypePersistentVolumeClaim {
			continue
		}
		for i := range w.in.claims {
			c := &w.in.claims[i]
			if c.Namespace != l.Namespace {
				continue
			}
			for _, why := range beyond(item, corev1.ResourceRequirements{Requests: c.Spec.Resources.Requests, Limits: c.Spec.Resources.Requests}) {
				found = append(found, Finding{
					Severity: Block, Objects: []string{"PersistentVolumeClaim " + c.Namespace + "/" + c.Name}, Source: limitRanges,
					What:   fmt.Sprintf("it %s, by LimitRange %s/%s of %s", why, l.Namespace, l.Name, w.to.name),
					Remedy: "Change the claim or the LimitRange.",
				})
			}
		}
	}
	return found
}

// beyond says how resources leave the bounds of a LimitRange: what is requested
// must not be below its min, nor a limit above its max.
func beyond(item corev1.LimitRangeItem, r corev1.ResourceRequirements) []string {
	var why []string
	for _, name := range slices.Sorted(maps.Keys(item.Max)) {
		most := item.Max[name]
		if limit, ok := r.Limits[name]; ok && limit.Cmp(most) > 0 {
			why = append(why, fmt.Sprintf("may use %s %s, at most %s", limit.String(), name, most.String()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(item.Min)) {
		least := item.Min[name]
		if request, ok := r.Requests[name]; ok && request.Cmp(least) < 0 {
			why = append(why, fmt.Sprintf("requests %s %s, at least %s", request.String(), name, least.String()))
		}
	}
	return why
}
