package environment

import (
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// summary is an environment in one word and one sentence.
type summary struct {
	phase   v1alpha1.Phase
	ready   metav1.ConditionStatus
	reason  string
	message string
	// working: something is under way. stalled: nothing happens until somebody
	// edits something.
	working, stalled bool
}

// summarize writes what the scope knows into the status: phase and conditions.
func summarize(s *scope) {
	sum := summarized(s)
	status := &s.env.Status
	status.ObservedGeneration = s.env.Generation
	status.Phase = sum.phase
	s.condition(v1alpha1.ConditionReady, sum.ready, sum.reason, sum.message)
	s.condition(v1alpha1.ConditionReconciling, truth(sum.working), sum.reason, sum.message)
	s.condition(v1alpha1.ConditionStalled, truth(sum.stalled), sum.reason, sum.message)
	s.noteMove()
	if d := status.Drift; d != nil {
		state, reason := driftCondition(d.State)
		message := proofMessage(d)
		if d.State == v1alpha1.DriftUnknown {
			message = d.Reason
		}
		s.condition(v1alpha1.ConditionDrifted, state, reason, message)
	}
}

// summarized decides. What comes first is what a person needs to know first.
func summarized(s *scope) summary {
	if !s.env.DeletionTimestamp.IsZero() {
		reason, message := s.deletion()
		return summary{phase: v1alpha1.PhaseDeleting, ready: metav1.ConditionFalse, reason: reason, message: message,
			working: reason == v1alpha1.ReasonDeleting, stalled: reason == v1alpha1.ReasonDeletionBlocked}
	}
	switch {
	case s.problem != nil:
		return s.hindered()
	case s.arriving():
		return summary{v1alpha1.PhaseDeploying, metav1.ConditionFalse, v1alpha1.ReasonMoving, "moving to cluster " + s.env.Status.Cluster, true, false}
	case s.release == nil:
		return summary{v1alpha1.PhasePending, metav1.ConditionFalse, v1alpha1.ReasonDeploying, "preparing the first release", true, false}
	case s.underWay():
		return s.deploying()
	case s.release.Status.Phase == v1alpha1.ReleaseFailed:
		message := fmt.Sprintf("release %s failed: %s", s.release.Name, firstFailure(s.release.Status.Failures))
		return summary{v1alpha1.PhaseFailed, metav1.ConditionFalse, v1alpha1.ReasonDeployFailed, message, false, true}
	case s.env.Spec.Asleep:
		return s.sleeping()
	}
	return s.running()
}

// hindered sums up a problem that keeps the environment from going on.
func (s *scope) hindered() summary {
	p := s.problem
	sum := summary{phase: v1alpha1.PhaseFailed, ready: metav1.ConditionFalse, reason: p.reason, message: p.Error(), working: !p.stalled, stalled: p.stalled}
	switch {
	case p.reason == v1alpha1.ReasonClusterUnreachable, p.reason == v1alpha1.ReasonClusterNotFound:
		sum.phase, sum.ready = v1alpha1.PhaseUnknown, metav1.ConditionUnknown
	case !p.stalled && s.release == nil:
		sum.phase = v1alpha1.PhasePending
	case !p.stalled && s.underWay():
		sum.phase = s.deploying().phase
	}
	return sum
}

func (s *scope) deploying() summary {
	sum := summary{v1alpha1.PhaseDeploying, metav1.ConditionFalse, v1alpha1.ReasonDeploying, "", true, false}
	if s.release.Spec.Cause == v1alpha1.CauseRollback {
		sum.phase, sum.reason = v1alpha1.PhaseRollingBack, v1alpha1.ReasonRollingBack
	}
	sum.message = "release " + s.release.Name
	if steps := s.release.Status.Steps; len(steps) > 0 {
		current := steps[len(steps)-1]
		sum.message += ": " + current.Name
		if current.Message != "" && current.FinishedAt == nil {
			sum.message += ": " + current.Message
		}
	}
	return sum
}

func (s *scope) sleeping() summary {
	left := s.instances()
	if left > 0 {
		return summary{v1alpha1.PhaseReady, metav1.ConditionFalse, v1alpha1.ReasonFallingAsleep, fmt.Sprintf("%d instances still run", left), true, false}
	}
	return summary{v1alpha1.PhaseAsleep, metav1.ConditionFalse, v1alpha1.ReasonAsleep, fmt.Sprintf("asleep; `landfall env wake %s` wakes it", s.env.Name), false, false}
}

// running sums up an environment whose release has succeeded.
func (s *scope) running() summary {
	switch {
	case s.readiness == nil || s.readiness.AllReady():
		return summary{v1alpha1.PhaseReady, metav1.ConditionTrue, v1alpha1.ReasonReleased, "release " + s.release.Name + " runs", false, false}
	case s.waking():
		return summary{v1alpha1.PhaseDeploying, metav1.ConditionFalse, v1alpha1.ReasonWaking, "waking up: waiting for " + awaited(s.readiness.Waiting()), true, false}
	}
	message := "waiting for " + awaited(s.readiness.Waiting())
	if s.adjusting() {
		s.lookAgain(adjustTime)
		return summary{v1alpha1.PhaseReady, metav1.ConditionTrue, v1alpha1.ReasonReleased, "release " + s.release.Name + " runs; " + message, true, false}
	}
	if len(s.failures) > 0 {
		message = firstFailure(s.failures)
	} else if texts := s.componentMessages(); texts != "" {
		message = texts
	}
	return summary{v1alpha1.PhaseDegraded, metav1.ConditionFalse, v1alpha1.ReasonDegraded, message, false, false}
}

// waking tells whether the environment was asleep and has not been up since,
// for as long as a deploy may take.
func (s *scope) waking() bool {
	ready := meta.FindStatusCondition(s.stored.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return false
	}
	switch ready.Reason {
	case v1alpha1.ReasonAsleep, v1alpha1.ReasonFallingAsleep:
		return true
	case v1alpha1.ReasonWaking:
		reconciling := meta.FindStatusCondition(s.stored.Status.Conditions, v1alpha1.ConditionReconciling)
		return reconciling == nil || s.now.Sub(reconciling.LastTransitionTime.Time) < deployTimeout(s.env)
	}
	return false
}

// adjustTime is how long a running environment may be on its way to another
// size, or replace a pod, before it is called degraded.
const adjustTime = time.Minute

// adjusting tells whether what is not ready is the cluster's everyday work: an
// autoscaler adds instances, a node is drained. Nothing looks wrong, nothing is
// down altogether, and it does not take long.
func (s *scope) adjusting() bool {
	if s.readiness.Troubled || !meta.IsStatusConditionTrue(s.stored.Status.Conditions, v1alpha1.ConditionReady) {
		return false
	}
	for _, o := range s.readiness.Waiting() {
		if o.State != kube.InProgress || (o.Desired > 0 && o.Ready == 0) {
			return false
		}
	}
	reconciling := meta.FindStatusCondition(s.stored.Status.Conditions, v1alpha1.ConditionReconciling)
	return reconciling == nil || reconciling.Status != metav1.ConditionTrue || s.now.Sub(reconciling.LastTransitionTime.Time) < adjustTime
}

func (s *scope) instances() int32 {
	var n int32
	for _, c := range s.env.Status.Components {
		n += max(c.Ready, c.Desired)
	}
	return n
}

func (s *scope) componentMessages() string {
	var texts []string
	for _, c := range s.env.Status.Components {
		if c.Message != "" {
			texts = append(texts, c.Name+": "+c.Message)
		}
	}
	return strings.Join(texts, "; ")
}

// isAsleep tells whether an environment has been put to sleep completely.
func isAsleep(env *v1alpha1.Environment) bool {
	ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == v1alpha1.ReasonAsleep
}

// condition sets a condition and tells whether that changed its status.
func (s *scope) condition(kind string, status metav1.ConditionStatus, reason, message string) bool {
	before := meta.FindStatusCondition(s.env.Status.Conditions, kind)
	changed := before == nil || before.Status != status
	meta.SetStatusCondition(&s.env.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: shortened(message),
		ObservedGeneration: s.env.Generation, LastTransitionTime: metav1.NewTime(s.now),
	})
	return changed
}

func (s *scope) dropCondition(kind string) {
	meta.RemoveStatusCondition(&s.env.Status.Conditions, kind)
}

// maxMessage is well below what a condition takes (32 KiB).
const maxMessage = 4000

func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

func truth(b bool) metav1.ConditionStatus {
	if b {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

func driftCondition(state v1alpha1.DriftState) (metav1.ConditionStatus, string) {
	switch state {
	case v1alpha1.DriftClean:
		return metav1.ConditionFalse, v1alpha1.ReasonClean
	case v1alpha1.DriftDrifted:
		return metav1.ConditionTrue, v1alpha1.ReasonDrifted
	}
	return metav1.ConditionUnknown, v1alpha1.ReasonDriftUnknown
}
