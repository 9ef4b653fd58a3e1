package environment

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// instances is how many run at least; one unless the component says otherwise.
func instances(p *part) int32 {
	if p.Scale == nil {
		return 1
	}
	return p.Scale.Min
}

func mostInstances(p *part) int32 {
	if scalesByLoad(p) {
		return *p.Scale.Max
	}
	return instances(p)
}

func scalesByLoad(p *part) bool { return p.Scale != nil && p.Scale.Max != nil }

// scaling is the component's autoscaler and its disruption budget.
func (r *renderer) scaling(p *part) []Object {
	var objects []Object
	if scalesByLoad(p) {
		objects = append(objects, r.autoscaler(p))
	}
	if mostInstances(p) >= 2 {
		objects = append(objects, r.disruptionBudget(p))
	}
	return objects
}

func (r *renderer) autoscaler(p *part) Object {
	var metrics []autoscalingv2.MetricSpec
	if p.Scale.CPU != nil {
		metrics = append(metrics, utilization(corev1.ResourceCPU, *p.Scale.CPU))
	}
	if p.Scale.Memory != nil {
		metrics = append(metrics, utilization(corev1.ResourceMemory, *p.Scale.Memory))
	}
	for _, m := range p.Scale.Metrics {
		metrics = append(metrics, customMetric(m))
	}
	return object(p.Name, "autoscaling/v2", "HorizontalPodAutoscaler", &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: r.meta(p.Name, p.Name),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: p.Name},
			MinReplicas:    new(p.Scale.Min),
			MaxReplicas:    *p.Scale.Max,
			Metrics:        metrics,
		},
	})
}

func utilization(name corev1.ResourceName, percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
		Name:   name,
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(percent)},
	}}
}

func customMetric(m v1alpha1.ScaleMetric) autoscalingv2.MetricSpec {
	id := autoscalingv2.MetricIdentifier{Name: m.Name}
	if len(m.Selector) > 0 {
		id.Selector = &metav1.LabelSelector{MatchLabels: m.Selector}
	}
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(m.Average.DeepCopy())}
	if m.Type == string(autoscalingv2.ExternalMetricSourceType) {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: target}}
	}
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: target}}
}

// disruptionBudget lets nodes be drained one instance at a time. Counted as
// unavailable rather than available, it never holds a drain up for good: not
// when just one instance is left, nor when instances are broken anyway.
func (r *renderer) disruptionBudget(p *part) Object {
	return object(p.Name, "policy/v1", "PodDisruptionBudget", &policyv1.PodDisruptionBudget{
		ObjectMeta: r.meta(p.Name, p.Name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             new(intstr.FromInt32(1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: r.selector(p.Name)},
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	})
}
