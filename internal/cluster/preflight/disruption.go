package preflight

import (
	"fmt"

	"github.com/dustin/go-humanize/english"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// findDisruption looks for budgets that let no pod go: a node with such a pod
// cannot be drained, on the source when it is removed, and on the target when
// it is upgraded.
func findDisruption(w *world) []Finding {
	var found []Finding
	for i := range w.in.budgets {
		b := &w.in.budgets[i]
		for _, wl := range w.in.workloads {
			if wl.key.Namespace != b.Namespace || wl.perNode || wl.passing || wl.replicas == 0 || !selects(b.Spec.Selector, wl.pod.Labels) {
				continue
			}
			if why := allowsNone(b, wl); why != "" {
				found = append(found, Finding{
					Severity: Warn, Objects: []string{"PodDisruptionBudget " + b.Namespace + "/" + b.Name},
					What:   fmt.Sprintf("it lets no pod of %s go (%s): nodes cannot be drained, neither there nor of %s", wl.key, why, w.from.name),
					Remedy: "Let it allow one, or run one replica more.",
					Source: "https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
				})
			}
		}
	}
	return found
}

// allowsNone says why a budget allows no disruption of the workload; empty if
// it allows some.
func allowsNone(b *policyv1.PodDisruptionBudget, wl *workload) string {
	switch {
	case b.Spec.MaxUnavailable != nil:
		// Percentages are rounded up.
		n, err := intstr.GetScaledValueFromIntOrPercent(b.Spec.MaxUnavailable, wl.replicas, true)
		if err == nil && n <= 0 {
			return "maxUnavailable " + b.Spec.MaxUnavailable.String()
		}
	case b.Spec.MinAvailable != nil:
		n, err := intstr.GetScaledValueFromIntOrPercent(b.Spec.MinAvailable, wl.replicas, true)
		if err == nil && n >= wl.replicas {
			return fmt.Sprintf("minAvailable %s of %s", b.Spec.MinAvailable.String(), english.Plural(wl.replicas, "replica", ""))
		}
	}
	return ""
}
