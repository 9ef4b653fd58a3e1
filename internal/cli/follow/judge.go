package follow

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
)

// judge says whether the environment has taken in what was asked and come to
// rest, and, if badly, why.
func judge(asked *v1alpha1.Environment, now Result) (settled bool, err error) {
	env := now.Environment
	if !takenIn(asked, env) {
		return false, nil
	}
	if stalled := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionStalled); holds(stalled) {
		return true, stuck(env, stalled)
	}
	if r := now.Release; r != nil && r.Name == env.Status.Release && !environment.Arriving(env) && r.Status.Phase == v1alpha1.ReleaseFailed {
		return true, failed(env, r)
	}
	if meta.IsStatusConditionTrue(env.Status.Conditions, v1alpha1.ConditionReconciling) {
		return false, nil
	}
	ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady)
	if env.Status.Phase == v1alpha1.PhaseAsleep {
		return env.Spec.Asleep, nil
	}
	return holds(ready), nil
}

// takenIn says that the controller has seen everything that was asked.
func takenIn(asked, env *v1alpha1.Environment) bool {
	return env.Status.ObservedGeneration >= asked.Generation &&
		answered(asked, v1alpha1.AnnotationRedeployRequested, env.Status.RedeployedRequest) &&
		answered(asked, v1alpha1.AnnotationHealRequested, env.Status.HealedRequest)
}

func answered(asked *v1alpha1.Environment, annotation, done string) bool {
	wanted := asked.Annotations[annotation]
	return wanted == "" || wanted == done
}

func holds(c *metav1.Condition) bool { return c != nil && c.Status == metav1.ConditionTrue }

func stuck(env *v1alpha1.Environment, c *metav1.Condition) error {
	class := fault.Failed
	switch c.Reason {
	case v1alpha1.ReasonNotOwned, v1alpha1.ReasonPruneRefused, v1alpha1.ReasonMoveRefused:
		class = fault.Refused
	case v1alpha1.ReasonInvalid, v1alpha1.ReasonBlueprintNotFound, v1alpha1.ReasonReleaseNotFound, v1alpha1.ReasonClusterNotFound:
		class = fault.Invalid
	}
	return fault.New(class, hints[c.Reason], "%s is stuck: %s: %s", env.Name, c.Reason, c.Message)
}

// hints are the next steps where the controller's message does not say them.
var hints = map[string]string{
	v1alpha1.ReasonNotOwned:          "Choose another name or namespace, or take over what is there with --adopt.",
	v1alpha1.ReasonPruneRefused:      "If these objects are really to go, repeat the deploy with --approve-prune.",
	v1alpha1.ReasonBlueprintNotFound: "Apply the blueprint: `landfall apply -f blueprint.yaml`.",
	v1alpha1.ReasonClusterNotFound:   "`landfall cluster list` shows the clusters.",
	v1alpha1.ReasonReleaseNotFound:   "`landfall history` shows the releases that are kept.",
}

func failed(env *v1alpha1.Environment, r *v1alpha1.Release) error {
	causes := make([]string, 0, len(r.Status.Failures))
	for _, f := range r.Status.Failures {
		who := f.Component
		if who == "" {
			who = f.Object.Kind + " " + f.Object.Name
		}
		causes = append(causes, who+": "+f.Reason)
	}
	cause := "see above"
	if len(causes) > 0 {
		cause = strings.Join(causes, ", ")
	}
	hint := "`landfall logs " + env.Name + "` shows the output."
	if env.Status.LastSuccessful != "" && r.Spec.Cause != v1alpha1.CauseCreate {
		hint = "`landfall rollback " + env.Name + "` goes back; " + hint
	}
	return fault.New(fault.Failed, hint, "%s: release %d failed%s: %s", env.Name, r.Spec.Number, took(r), cause)
}

func took(r *v1alpha1.Release) string {
	if r.Status.StartedAt == nil || r.Status.FinishedAt == nil {
		return ""
	}
	return " after " + r.Status.FinishedAt.Sub(r.Status.StartedAt.Time).Round(time.Second).String()
}

// describe sums an environment up in a few words: phase, and what the most
// telling condition says.
func describe(env *v1alpha1.Environment) string {
	phase := string(env.Status.Phase)
	if phase == "" {
		phase = string(v1alpha1.PhasePending)
	}
	for _, name := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling, v1alpha1.ConditionReady} {
		c := meta.FindStatusCondition(env.Status.Conditions, name)
		if c == nil || c.Message == "" || (name != v1alpha1.ConditionReady && !holds(c)) {
			continue
		}
		return fmt.Sprintf("%s: %s", phase, c.Message)
	}
	return phase
}
