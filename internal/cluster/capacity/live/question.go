package live

import (
	"cmp"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/landfall-dev/landfall/internal/cluster/capacity"
)

// groupLabels name the group that a node is of, by who makes nodes; nodes of
// others are grouped by instance type.
var groupLabels = []string{"eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool", "alpha.eksctl.io/nodegroup-name"}

// Question is what the objects say of node groups and workloads.
func (o Objects) Question() capacity.Question {
	return capacity.Question{Groups: o.groups(), Workloads: o.workloads()}
}

func (o Objects) groups() []capacity.NodeGroup {
	prefixes := o.prefixDelegation()
	groups := map[string]*capacity.NodeGroup{}
	for _, node := range o.Nodes {
		instanceType := cmp.Or(node.Labels[corev1.LabelInstanceTypeStable], node.Labels[corev1.LabelInstanceType])
		name := cmp.Or(instanceType, "nodes")
		for _, label := range groupLabels {
			if group := node.Labels[label]; group != "" {
				name = group
				break
			}
		}
		// A group of several types counts as several.
		if g := groups[name]; g != nil && g.InstanceType != instanceType {
			name += "/" + instanceType
		}
		if groups[name] == nil {
			groups[name] = &capacity.NodeGroup{Name: name, InstanceType: instanceType, PrefixDelegation: prefixes}
		}
		groups[name].Nodes++
		pods := int(node.Status.Allocatable.Pods().Value())
		if g := groups[name]; g.MaxPods == 0 || pods < g.MaxPods {
			g.MaxPods = pods
		}
	}
	var all []capacity.NodeGroup
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, *groups[name])
	}
	return all
}

// prefixDelegation is a setting of the VPC CNI
// (https://docs.aws.amazon.com/eks/latest/userguide/cni-increase-ip-addresses.html).
func (o Objects) prefixDelegation() bool {
	for _, d := range o.DaemonSets {
		if d.Namespace != metav1.NamespaceSystem || d.Name != "aws-node" {
			continue
		}
		for _, container := range d.Spec.Template.Spec.Containers {
			for _, env := range container.Env {
				if env.Name == "ENABLE_PREFIX_DELEGATION" && env.Value == "true" {
					return true
				}
			}
		}
	}
	return false
}

func (o Objects) workloads() []capacity.Workload {
	most := map[string]int{}
	for _, a := range o.Autoscalers {
		target := a.Spec.ScaleTargetRef
		most[target.Kind+" "+a.Namespace+"/"+target.Name] = int(a.Spec.MaxReplicas)
	}
	var all []capacity.Workload
	add := func(kind string, meta metav1.ObjectMeta, replicas *int32, surge int, template corev1.PodSpec) {
		name := meta.Namespace + "/" + meta.Name
		w := capacity.Workload{Name: name, Replicas: 1, MaxReplicas: most[kind+" "+name], Surge: surge, HostNetwork: template.HostNetwork}
		if replicas != nil {
			w.Replicas = int(*replicas)
		}
		if w.Replicas > 0 || w.MaxReplicas > 0 {
			all = append(all, w)
		}
	}
	for _, d := range o.Deployments {
		name := d.Namespace + "/" + d.Name
		add("Deployment", d.ObjectMeta, d.Spec.Replicas, surgeOf(d, most["Deployment "+name]), d.Spec.Template.Spec)
	}
	for _, s := range o.StatefulSets {
		add("StatefulSet", s.ObjectMeta, s.Spec.Replicas, 0, s.Spec.Template.Spec)
	}
	for _, r := range o.ReplicaSets {
		if owner := metav1.GetControllerOf(&r); owner == nil || owner.Kind != "Deployment" {
			add("ReplicaSet", r.ObjectMeta, r.Spec.Replicas, 0, r.Spec.Template.Spec)
		}
	}
	for _, d := range o.DaemonSets {
		if d.Status.DesiredNumberScheduled > 0 {
			all = append(all, capacity.Workload{Name: d.Namespace + "/" + d.Name, PerNode: true, HostNetwork: d.Spec.Template.Spec.HostNetwork})
		}
	}
	all = append(all, o.others()...)
	slices.SortFunc(all, func(a, b capacity.Workload) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// surgeOf is how many pods more a rolling update of a Deployment makes, when it
// is as large as an autoscaler lets it become.
func surgeOf(d appsv1.Deployment, most int) int {
	rolling := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || rolling == nil || rolling.MaxSurge == nil {
		return 0
	}
	replicas := 1
	if d.Spec.Replicas != nil {
		replicas = int(*d.Spec.Replicas)
	}
	surge, err := intstr.GetScaledValueFromIntOrPercent(rolling.MaxSurge, max(replicas, most), true)
	if err != nil {
		return 0 // the API server accepts no such value
	}
	return surge
}

// others are the pods of Jobs, of controllers that are not built in, and those
// of nobody, by namespace.
func (o Objects) others() []capacity.Workload {
	counts := map[capacity.Workload]int{}
	for i := range o.Pods {
		pod := &o.Pods[i]
		owner := metav1.GetControllerOf(pod)
		if owner != nil {
			switch owner.Kind {
			case "ReplicaSet", "StatefulSet", "DaemonSet":
				continue
			}
		}
		counts[capacity.Workload{Name: pod.Namespace + "/(other pods)", HostNetwork: pod.Spec.HostNetwork}]++
	}
	var all []capacity.Workload
	for w, n := range counts {
		w.Replicas = n
		all = append(all, w)
	}
	return all
}
