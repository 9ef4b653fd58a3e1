package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/landfall-dev/landfall/internal/cluster/capacity"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func node(pods string, labels map[string]string) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse(pods)}
	return n
}

func owned(kind string, o metav1.ObjectMeta) metav1.ObjectMeta {
	o.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Controller: ptr.To(true)}}
	return o
}

func TestQuestion(t *testing.T) {
	large := func(group string) map[string]string {
		return map[string]string{corev1.LabelInstanceTypeStable: "m5.large", groupLabels[0]: group}
	}
	percent := intstr.FromString("25%")
	o := Objects{
		Nodes: []corev1.Node{
			node("29", large("main")), node("27", large("main")), node("58", map[string]string{corev1.LabelInstanceTypeStable: "m5.xlarge", groupLabels[0]: "main"}),
			node("110", map[string]string{corev1.LabelInstanceTypeStable: "t3.small"}), node("110", nil),
		},
		Deployments: []appsv1.Deployment{
			{ObjectMeta: meta("shop", "web"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(4)), Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &percent}}}},
			{ObjectMeta: meta("shop", "once"), Spec: appsv1.DeploymentSpec{Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}}},
			{ObjectMeta: meta("shop", "off"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(0))}},
		},
		StatefulSets: []appsv1.StatefulSet{{ObjectMeta: meta("shop", "db"), Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(int32(3))}}},
		DaemonSets: []appsv1.DaemonSet{
			{
				ObjectMeta: meta("kube-system", "aws-node"), Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 5},
				Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Env: []corev1.EnvVar{{Name: "ENABLE_PREFIX_DELEGATION", Value: "true"}}}}}}},
			},
			{ObjectMeta: meta("gpu", "driver")}, // on no node
		},
		ReplicaSets: []appsv1.ReplicaSet{
			{ObjectMeta: owned("Deployment", meta("shop", "web-1")), Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(int32(4))}},
			{ObjectMeta: owned("Rollout", meta("shop", "api-1")), Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(int32(2))}},
		},
		Autoscalers: []autoscalingv2.HorizontalPodAutoscaler{{ObjectMeta: meta("shop", "web"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}, MaxReplicas: 10}}},
		Pods: []corev1.Pod{
			{ObjectMeta: owned("ReplicaSet", meta("shop", "web-1-a"))}, {ObjectMeta: owned("Job", meta("shop", "job-a"))}, {ObjectMeta: meta("shop", "alone")},
			{ObjectMeta: owned("Node", meta("kube-system", "kube-proxy")), Spec: corev1.PodSpec{HostNetwork: true}},
		},
	}
	want := capacity.Question{
		Groups: []capacity.NodeGroup{
			{Name: "main", InstanceType: "m5.large", Nodes: 2, MaxPods: 27, PrefixDelegation: true},
			{Name: "main/m5.xlarge", InstanceType: "m5.xlarge", Nodes: 1, MaxPods: 58, PrefixDelegation: true},
			{Name: "nodes", Nodes: 1, MaxPods: 110, PrefixDelegation: true},
			{Name: "t3.small", InstanceType: "t3.small", Nodes: 1, MaxPods: 110, PrefixDelegation: true},
		},
		Workloads: []capacity.Workload{
			{Name: "kube-system/(other pods)", Replicas: 1, HostNetwork: true},
			{Name: "kube-system/aws-node", PerNode: true, HostNetwork: true},
			{Name: "shop/(other pods)", Replicas: 2},
			{Name: "shop/api-1", Replicas: 2},
			{Name: "shop/db", Replicas: 3},
			{Name: "shop/once", Replicas: 1},
			{Name: "shop/web", Replicas: 4, MaxReplicas: 10, Surge: 3},
		},
	}
	if diff := cmp.Diff(want, o.Question()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRead a real cluster: it has nodes, and the API server's own pods or
// workloads.
func TestRead(t *testing.T) {
	q, err := Read(t.Context(), kubetest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Groups) == 0 || q.Groups[0].Nodes == 0 || q.Groups[0].MaxPods == 0 {
		t.Errorf("no nodes: %+v", q)
	}
}
