package environment

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/landfall-dev/landfall/internal/fault"
)

// podSecurity is the strictest level of the Pod Security Standards that all
// pods of the environment meet; the namespace enforces it. Where a component
// brings objects of custom kinds, a controller may make pods of them that we
// cannot see, so nothing is enforced.
func (r *renderer) podSecurity(all []built) (string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return "", fmt.Errorf("reading the pod security standards: %w", err)
	}
	level := api.LevelRestricted
	for _, b := range all {
		for _, o := range b.all() {
			if _, builtIn := builtInScope(o.Object.GroupVersionKind()); b.packaged && !builtIn {
				return string(api.LevelPrivileged), nil
			}
			pod, err := podOf(o.Object)
			if err != nil {
				return "", fault.New(fault.Invalid, "", "component %s: %s %s: %w", o.Component, o.Object.GetKind(), o.Object.GetName(), err)
			}
			for pod != nil && level != api.LevelPrivileged && !meets(evaluator, level, pod) {
				level = lower(level)
			}
		}
	}
	return string(level), nil
}

func lower(level api.Level) api.Level {
	if level == api.LevelRestricted {
		return api.LevelBaseline
	}
	return api.LevelPrivileged
}

func meets(evaluator policy.Evaluator, level api.Level, pod *corev1.PodTemplateSpec) bool {
	version := api.LevelVersion{Level: level, Version: api.LatestVersion()}
	results := evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec)
	return policy.AggregateCheckResults(results).Allowed
}

// podOf is the pod that a built-in workload makes, a Pod itself included, or
// nil. It fails where the template is not one.
func podOf(u *unstructured.Unstructured) (*corev1.PodTemplateSpec, error) {
	template := podTemplate(u)
	if template == nil && u.GetAPIVersion() == "v1" && u.GetKind() == "Pod" {
		template = u.Object
	}
	if template == nil {
		return nil, nil
	}
	var pod corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		return nil, fmt.Errorf("reading the pod template: %w", err)
	}
	return &pod, nil
}
