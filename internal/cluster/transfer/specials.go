package transfer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// special is what is done with a kind and depends on more than the kind.
type special struct {
	// says it in words, for docs/transfer-table.md.
	says string
	// do gets the copy, from which removals were already taken, and the source.
	do func(c *Copy, source *unstructured.Unstructured, o Options)
}

var specials = map[schema.GroupKind]special{
	serviceKind:                       {"`spec.clusterIP`, but not None; `nodePort` and `healthCheckNodePort`, unless somebody chose them (managed fields tell); `externalIPs` of a LoadBalancer", service},
	podKind:                           {"the volume of the token and its mounts; the tolerations of 300 s that every pod gets; ephemeral containers", pod},
	secretKind:                        {"`data` of a token that somebody asked for: the target fills in its own", secret},
	kind("", "PersistentVolumeClaim"): {"`spec.volumeName` where the volume was made for the claim", claim},
	kind("", "PersistentVolume"):      {"stays where it was made for a claim", volume},
	kind("batch", "Job"):              {"`spec.selector` and the labels of the template that come with it, unless `manualSelector`; stays once it has ended", job},
	cronJobKind:                       {"arrives suspended, so that it runs on one side only (`landfall cluster schedules` hands it over; --keep-cron-jobs leaves it)", cronJob},
	kind("rbac.authorization.k8s.io", "ClusterRole"): {"`rules` of an aggregated role: the target fills in its own", clusterRole},
}

// service keeps addresses and node ports that somebody chose.
func service(c *Copy, source *unstructured.Unstructured, _ Options) {
	spec, _, _ := unstructured.NestedMap(c.Object.Object, "spec")
	if spec == nil {
		return
	}
	if spec["clusterIP"] != corev1.ClusterIPNone {
		if set(source, "spec", "clusterIP") {
			c.note("the fixed cluster address %v was left out: it belongs to the source's network", spec["clusterIP"])
		}
		delete(spec, "clusterIP")
	}
	if spec["type"] == string(corev1.ServiceTypeLoadBalancer) {
		if spec["externalIPs"] != nil {
			delete(spec, "externalIPs")
			c.note("external addresses were left out: the target gets its own")
		}
		if spec["loadBalancerIP"] != nil {
			c.note("asks for the load balancer address %v, which the source has now", spec["loadBalancerIP"])
		}
	}
	if !set(source, "spec", "healthCheckNodePort") {
		delete(spec, "healthCheckNodePort")
	}
	ports, _ := spec["ports"].([]any)
	for _, item := range ports {
		if port, ok := item.(map[string]any); ok && !chosen(source, port) {
			delete(port, "nodePort")
		}
	}
	c.Object.Object["spec"] = spec
}

// set tells whether somebody set the field, by the managed fields.
func set(u *unstructured.Unstructured, path ...any) bool {
	wanted := fieldpath.MakePathOrDie(path...)
	for _, entry := range u.GetManagedFields() {
		if entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		fields := &fieldpath.Set{}
		if err := fields.FromJSON(entry.FieldsV1.GetRawReader()); err == nil && fields.Has(wanted) {
			return true
		}
	}
	return false
}

// chosen tells whether somebody chose the node port: by the managed fields, or
// where there are none by what was applied last.
func chosen(u *unstructured.Unstructured, port map[string]any) bool {
	if port["nodePort"] == nil {
		return false
	}
	if len(u.GetManagedFields()) > 0 {
		key := fieldpath.KeyByFields("port", port["port"], "protocol", port["protocol"])
		return set(u, "spec", "ports", key, "nodePort")
	}
	var applied struct {
		Spec struct {
			Ports []map[string]any `json:"ports"`
		} `json:"spec"`
	}
	if json.Unmarshal([]byte(u.GetAnnotations()[corev1.LastAppliedConfigAnnotation]), &applied) != nil {
		return false
	}
	return slices.ContainsFunc(applied.Spec.Ports, func(p map[string]any) bool {
		return fmt.Sprint(p["nodePort"]) == fmt.Sprint(port["nodePort"])
	})
}

// pod leaves out what the source's admission put in: the token's volume, with
// its mounts, and the tolerations that every pod gets.
func pod(c *Copy, _ *unstructured.Unstructured, _ Options) {
	spec, _, _ := unstructured.NestedMap(c.Object.Object, "spec")
	if spec == nil {
		return
	}
	const token = "kube-api-access-"
	without := func(list any, field, start string) any {
		items, _ := list.([]any)
		return slices.DeleteFunc(slices.Clone(items), func(item any) bool {
			m, _ := item.(map[string]any)
			name, _ := m[field].(string)
			return strings.HasPrefix(name, start)
		})
	}
	if spec["volumes"] != nil {
		spec["volumes"] = without(spec["volumes"], "name", token)
	}
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		containers, _ := spec[field].([]any)
		for _, item := range containers {
			if container, ok := item.(map[string]any); ok && container["volumeMounts"] != nil {
				container["volumeMounts"] = without(container["volumeMounts"], "name", token)
			}
		}
	}
	delete(spec, "ephemeralContainers")
	if tolerations, ok := spec["tolerations"].([]any); ok {
		spec["tolerations"] = slices.DeleteFunc(tolerations, injected)
	}
	c.Object.Object["spec"] = spec
	c.note("a pod without a controller: nobody starts it again when its node is gone")
}

// injected tells a toleration that the admission plugin DefaultTolerationSeconds
// gives every pod.
func injected(item any) bool {
	m, _ := item.(map[string]any)
	key, _ := m["key"].(string)
	return (key == corev1.TaintNodeNotReady || key == corev1.TaintNodeUnreachable) &&
		m["effect"] == string(corev1.TaintEffectNoExecute) && m["operator"] == "Exists" && fmt.Sprint(m["tolerationSeconds"]) == "300"
}

// secret with a token that somebody asked for: the target fills in its own.
func secret(c *Copy, _ *unstructured.Unstructured, _ Options) {
	if c.Object.Object["type"] != string(corev1.SecretTypeServiceAccountToken) {
		return
	}
	delete(c.Object.Object, "data")
	remove(c.Object.Object, "metadata", "annotations", corev1.ServiceAccountUIDKey)
	c.note("the target makes a new token: who uses the old one elsewhere needs the new one")
}

// claim is bound anew, but where it asked for one volume by name.
func claim(c *Copy, source *unstructured.Unstructured, _ Options) {
	_, provisioned := source.GetAnnotations()["volume.kubernetes.io/storage-provisioner"]
	_, before := source.GetAnnotations()["volume.beta.kubernetes.io/storage-provisioner"]
	if provisioned || before {
		remove(c.Object.Object, "spec", "volumeName")
		c.note("the claim is copied, not its data: that is for data copies or Velero")
	}
}

// volume that was made for a claim is made again in the target; one that
// somebody wrote may name what only the source reaches.
func volume(c *Copy, source *unstructured.Unstructured, _ Options) {
	if by := source.GetAnnotations()["pv.kubernetes.io/provisioned-by"]; by != "" {
		*c = Copy{Stays: "was made by " + by + ": the target makes its own"}
		return
	}
	if affinity, ok, _ := unstructured.NestedMap(source.Object, "spec", "nodeAffinity"); ok && len(affinity) > 0 {
		c.note("is bound to nodes of the source (nodeAffinity)")
	}
	if handle, ok, _ := unstructured.NestedString(source.Object, "spec", "csi", "volumeHandle"); ok {
		c.note("names the volume %s, which both clusters must not use at once", handle)
	}
}

// jobLabels are what a Job's selector and template get from its own name and UID.
var jobLabels = []string{"controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"}

// job gets a new selector from the target, but where somebody chose one.
func job(c *Copy, source *unstructured.Unstructured, _ Options) {
	if manual, _, _ := unstructured.NestedBool(source.Object, "spec", "manualSelector"); !manual {
		remove(c.Object.Object, "spec", "selector")
		for _, label := range jobLabels {
			remove(c.Object.Object, "spec", "template", "metadata", "labels", label)
		}
	}
	if conditions, _, _ := unstructured.NestedSlice(source.Object, "status", "conditions"); slices.ContainsFunc(conditions, ended) {
		*c = Copy{Stays: "has ended: in the target it would run again"}
	}
}

func ended(condition any) bool {
	m, _ := condition.(map[string]any)
	return (m["type"] == "Complete" || m["type"] == "Failed") && m["status"] == "True"
}

// clusterRole that is aggregated gets its rules from the target's roles.
func clusterRole(c *Copy, source *unstructured.Unstructured, _ Options) {
	if rule, ok, _ := unstructured.NestedMap(source.Object, "aggregationRule"); ok && len(rule) > 0 {
		remove(c.Object.Object, "rules")
	}
}
