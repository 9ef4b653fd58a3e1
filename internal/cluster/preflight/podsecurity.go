package preflight

import (
	"fmt"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

const podSecurityStandards = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"

// findPodSecurity judges pods by the level that their namespace will enforce
// on the target. What an API server enforces by its configuration where a
// namespace says nothing cannot be read.
func findPodSecurity(w *world) []Finding {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []Finding{{Severity: Unknown, What: "what the Pod Security Standards say: " + err.Error()}}
	}
	privileged := api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	var found []Finding
	for _, wl := range w.in.workloads {
		p, errs := api.PolicyToEvaluate(w.labelsOf(wl.key.Namespace), api.Policy{Enforce: privileged, Audit: privileged, Warn: privileged})
		if len(errs) > 0 {
			found = append(found, Finding{
				Severity: Unknown, Objects: []string{"Namespace " + wl.key.Namespace}, Source: podSecurityStandards,
				What:   "what it enforces: " + errs.ToAggregate().Error(),
				Remedy: "Correct its labels pod-security.kubernetes.io/*.",
			})
			continue
		}
		results := policy.AggregateCheckResults(evaluator.EvaluatePod(p.Enforce, &wl.pod.ObjectMeta, &wl.pod.Spec))
		if results.Allowed {
			continue
		}
		found = append(found, Finding{
			Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: podSecurityStandards,
			What:   fmt.Sprintf("namespace %s enforces %s on %s, which refuses its pods: %s", wl.key.Namespace, p.Enforce.Level, w.to.name, results.ForbiddenDetail()),
			Remedy: fmt.Sprintf("Give its pods the securityContext that %s asks for, or lower the namespace's level.", p.Enforce.Level),
		})
	}
	return found
}
