package transfer

import "k8s.io/apimachinery/pkg/runtime/schema"

// order of kinds: each finds what it needs. Admission webhooks come last, since
// they refuse everything while the Service behind them is not there.
var order = [][]schema.GroupKind{
	{kind("apiextensions.k8s.io", "CustomResourceDefinition")},
	{kind("", "Namespace")},
	{kind("storage.k8s.io", "StorageClass"), kind("storage.k8s.io", "CSIDriver"), kind("scheduling.k8s.io", "PriorityClass"), kind("networking.k8s.io", "IngressClass"), kind("node.k8s.io", "RuntimeClass"), kind("gateway.networking.k8s.io", "GatewayClass"), kind("storage.k8s.io", "VolumeAttributesClass"), kind("resource.k8s.io", "DeviceClass"), kind("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration")},
	{kind("rbac.authorization.k8s.io", "ClusterRole"), kind("rbac.authorization.k8s.io", "Role")},
	{kind("", "ServiceAccount")},
	{kind("rbac.authorization.k8s.io", "ClusterRoleBinding"), kind("rbac.authorization.k8s.io", "RoleBinding")},
	{kind("", "Secret"), kind("", "ConfigMap")},
	{kind("", "LimitRange"), kind("", "ResourceQuota"), kind("networking.k8s.io", "NetworkPolicy")},
	{kind("", "PersistentVolume")},
	{kind("", "PersistentVolumeClaim"), kind("resource.k8s.io", "ResourceClaim"), kind("resource.k8s.io", "ResourceClaimTemplate")},
	{kind("", "Service")},
	{kind("", "Endpoints"), kind("discovery.k8s.io", "EndpointSlice")},
	{kind("apps", "Deployment"), kind("apps", "StatefulSet"), kind("apps", "DaemonSet"), kind("", "ReplicationController"), kind("apps", "ReplicaSet"), kind("", "Pod"), kind("batch", "Job"), kind("batch", "CronJob")},
	{kind("autoscaling", "HorizontalPodAutoscaler"), kind("policy", "PodDisruptionBudget")},
	nil, // the rest: custom resources, ingresses, routes
	{kind("apiregistration.k8s.io", "APIService")},
	{kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")},
	{kind("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"), kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration"), kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding")},
}

var stages, others = func() (stages map[schema.GroupKind]int, others int) {
	stages = map[schema.GroupKind]int{}
	for i, kinds := range order {
		if kinds == nil {
			others = i
		}
		for _, k := range kinds {
			stages[k] = i
		}
	}
	return stages, others
}()

// Stages is how many stages there are.
func Stages() int { return len(order) }

// Stage says when a kind is created: all of one stage may be created at once,
// after all of the stages before.
func Stage(k schema.GroupKind) int {
	if stage, ok := stages[k]; ok {
		return stage
	}
	return others
}
