package transfer

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// never are kinds that say what is so in one cluster.
var never = map[schema.GroupKind]string{
	kind("", "Node"):                                         "describes the source's machines",
	kind("", "Event"):                                        "tells what happened in the source",
	kind("events.k8s.io", "Event"):                           "tells what happened in the source",
	kind("coordination.k8s.io", "Lease"):                     "is held by a process of the source",
	kind("coordination.k8s.io", "LeaseCandidate"):            "is held by a process of the source",
	kind("storage.k8s.io", "CSINode"):                        "describes the source's machines",
	kind("storage.k8s.io", "VolumeAttachment"):               "describes the source's machines",
	kind("storage.k8s.io", "CSIStorageCapacity"):             "describes the source's storage",
	kind("certificates.k8s.io", "CertificateSigningRequest"): "was answered by the source",
	kind("apps", "ControllerRevision"):                       "is history that the target writes itself",
	kind("", "ComponentStatus"):                              "describes the source's control plane",
	kind("metrics.k8s.io", "NodeMetrics"):                    "is measured in the source",
	kind("metrics.k8s.io", "PodMetrics"):                     "is measured in the source",
	kind("networking.k8s.io", "IPAddress"):                   "is an address of the source",
	kind("networking.k8s.io", "ServiceCIDR"):                 "is a network of the source",
	kind("elbv2.k8s.aws", "TargetGroupBinding"):              "would register the target's pods with the source's load balancer",
	kind("resource.k8s.io", "ResourceSlice"):                 "describes the source's machines",
	kind("velero.io", "Backup"):                              "is a backup of the source",
	kind("velero.io", "Restore"):                             "is a restore into the source",
}

// system namespaces exist in every cluster; what is in them is the cluster's
// own.
var system = []string{"kube-system", "kube-public", "kube-node-lease"}

// stays says why an object is not copied; empty if it is.
func stays(u *unstructured.Unstructured) string {
	gk := u.GroupVersionKind().GroupKind()
	if why := never[gk]; why != "" {
		return why
	}
	for _, rule := range []func(*unstructured.Unstructured, schema.GroupKind) string{
		staysAsSystem, staysAsOwned, staysAsMade, staysAsPod,
	} {
		if why := rule(u, gk); why != "" {
			return why
		}
	}
	return ""
}

// staysAsSystem keeps what every cluster brings along.
func staysAsSystem(u *unstructured.Unstructured, gk schema.GroupKind) string {
	const own = "every cluster has its own"
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	switch {
	case slices.Contains(system, u.GetNamespace()):
		return "belongs to the source's system"
	case gk == kind("", "Namespace") && (slices.Contains(system, u.GetName()) || u.GetName() == "default"):
		return own
	case labels["kubernetes.io/bootstrapping"] == "rbac-defaults":
		return own
	case labels["kube-aggregator.kubernetes.io/automanaged"] != "":
		return own
	case annotations["apf.kubernetes.io/autoupdate-spec"] == "true":
		return own
	case gk == kind("scheduling.k8s.io", "PriorityClass") && strings.HasPrefix(u.GetName(), "system-"):
		return own
	case gk == kind("", "ServiceAccount") && u.GetName() == "default":
		return own
	case gk == kind("", "ConfigMap") && u.GetName() == "kube-root-ca.crt":
		return own
	case u.GetNamespace() == "default" && (gk == serviceKind || gk == kind("", "Endpoints") || gk == kind("discovery.k8s.io", "EndpointSlice")) && u.GetName() == "kubernetes":
		return own
	case servedBySystem(u, gk):
		return "is served by the source's system"
	}
	return ""
}

// servedBySystem tells what leads the API server to a Service of a system
// namespace, which stays, too.
func servedBySystem(u *unstructured.Unstructured, gk schema.GroupKind) bool {
	if gk != kind("apiregistration.k8s.io", "APIService") {
		return false
	}
	namespace, _, _ := unstructured.NestedString(u.Object, "spec", "service", "namespace")
	return slices.Contains(system, namespace)
}

// staysAsOwned keeps what a controller of the target makes again.
func staysAsOwned(u *unstructured.Unstructured, gk schema.GroupKind) string {
	owner := metav1.GetControllerOf(u)
	switch gk {
	case kind("", "Pod"), kind("apps", "ReplicaSet"), kind("batch", "Job"), kind("discovery.k8s.io", "EndpointSlice"), kind("", "ReplicationController"):
		if owner != nil {
			return "is made again by " + owner.Kind + " " + owner.Name
		}
	}
	return ""
}

// staysAsMade keeps what the target's control plane writes itself.
func staysAsMade(u *unstructured.Unstructured, gk schema.GroupKind) string {
	switch gk {
	case kind("", "Secret"):
		if kindOfSecret, _, _ := unstructured.NestedString(u.Object, "type"); kindOfSecret == "kubernetes.io/service-account-token" && !madeByHand(u) {
			return "is a token of the source"
		}
	case kind("discovery.k8s.io", "EndpointSlice"):
		if by := u.GetLabels()["endpointslice.kubernetes.io/managed-by"]; strings.HasSuffix(by, ".k8s.io") {
			return "is kept by " + by
		}
	case kind("", "Endpoints"):
		if u.GetLabels()["endpoints.kubernetes.io/managed-by"] != "" {
			return "is kept for a Service with a selector"
		}
	}
	return ""
}

// madeByHand tells a token that somebody asked for from one that old clusters
// made for each account (up to 1.23): those are named NAME-token-xxxxx.
func madeByHand(secret *unstructured.Unstructured) bool {
	account := secret.GetAnnotations()["kubernetes.io/service-account.name"]
	suffix, found := strings.CutPrefix(secret.GetName(), account+"-token-")
	return !(found && len(suffix) == 5)
}

// staysAsPod keeps pods that are over, or that a node runs by itself.
func staysAsPod(u *unstructured.Unstructured, gk schema.GroupKind) string {
	if gk != kind("", "Pod") {
		return ""
	}
	if _, mirror := u.GetAnnotations()["kubernetes.io/config.mirror"]; mirror {
		return "is run by a node of the source itself"
	}
	if phase, _, _ := unstructured.NestedString(u.Object, "status", "phase"); phase == "Succeeded" || phase == "Failed" {
		return "is over"
	}
	return ""
}
