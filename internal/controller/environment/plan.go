package environment

import (
	"fmt"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// verb is what a step of a release does.
type verb string

const (
	verbClear  verb = "clear failed jobs"
	verbApply  verb = "apply"
	verbWait   verb = "wait for"
	verbSettle verb = "wait until ready"
	verbPrune  verb = "prune"
	verbVerify verb = "verify"
)

// step is one step of carrying out a release. All are idempotent.
type step struct {
	verb verb
	// stage of a step that applies or waits for one.
	stage *environment.Stage
}

// String is the step's name in the journal.
func (s step) String() string {
	if s.stage == nil {
		return string(s.verb)
	}
	return string(s.verb) + " " + s.stage.Name
}

// plan gives the steps of a release. A one-off Job that failed before gets
// another chance; one that completed is done. A deploy removes what is no longer wanted
// last, so that nothing is missing meanwhile. A rollback removes what the bad
// release added as soon as the foundation stands: it may be what keeps the good
// one from running (a quota, a policy, something that eats the CPU).
func plan(desired *environment.Desired, cause v1alpha1.Cause) []step {
	early := cause == v1alpha1.CauseRollback
	var steps []step
	if hasJobs(desired) {
		steps = append(steps, step{verb: verbClear})
	}
	for i := range desired.Stages {
		stage := &desired.Stages[i]
		steps = append(steps, step{verbApply, stage})
		if early && i == 0 {
			steps = append(steps, step{verb: verbPrune})
		}
		if stage.Wait && i < len(desired.Stages)-1 {
			steps = append(steps, step{verbWait, stage})
		}
	}
	steps = append(steps, step{verb: verbSettle})
	if !early {
		steps = append(steps, step{verb: verbPrune})
	}
	return append(steps, step{verb: verbVerify})
}

func hasJobs(desired *environment.Desired) bool {
	return slices.ContainsFunc(desired.Objects(), func(o environment.Object) bool { return isJob(o.Object) })
}

// next gives the first step that the journal does not say is done.
func next(steps []step, journal []v1alpha1.ReleaseStep) (step, bool) {
	done := make(map[string]bool, len(journal))
	for _, entry := range journal {
		done[entry.Name] = entry.FinishedAt != nil
	}
	for _, s := range steps {
		if !done[s.String()] {
			return s, true
		}
	}
	return step{}, false
}

// begin notes in the journal that a step is under way, and since when.
func begin(status *v1alpha1.ReleaseStatus, s step, now time.Time) *v1alpha1.ReleaseStep {
	for i := range status.Steps {
		if status.Steps[i].Name == s.String() {
			return &status.Steps[i]
		}
	}
	status.Steps = append(status.Steps, v1alpha1.ReleaseStep{Name: s.String(), StartedAt: metav1.NewTime(now)})
	return &status.Steps[len(status.Steps)-1]
}

func end(entry *v1alpha1.ReleaseStep, now time.Time, message string, args ...any) {
	at := metav1.NewTime(now)
	entry.FinishedAt = &at
	entry.Message = fmt.Sprintf(message, args...)
}

// How long a release is given.
const (
	// defaultDeployTimeout is used where spec.deployTimeout is not set.
	defaultDeployTimeout = 10 * time.Minute
	// rejectionGrace is how long rejected objects are tried again: a webhook
	// that has just been installed needs a moment.
	rejectionGrace = 10 * time.Second
	// pullGrace is how long an image may fail to be pulled: registries hiccup.
	pullGrace = time.Minute
	// crashRestarts is how often a container may crash before its release has
	// failed; it may wait for something in the beginning.
	crashRestarts = 3
)

func deployTimeout(env *v1alpha1.Environment) time.Duration {
	if env.Spec.DeployTimeout != nil && env.Spec.DeployTimeout.Duration > 0 {
		return env.Spec.DeployTimeout.Duration
	}
	return defaultDeployTimeout
}

// hopeless tells whether waiting longer for what keeps a release from being
// ready makes no sense, so that a deploy fails in seconds and not by time-out.
func hopeless(d kube.Diagnosis, waited time.Duration) bool {
	switch {
	case d.Terminal:
		return true
	case d.Reason == kube.ReasonCrashLoop:
		return d.Restarts >= crashRestarts
	case d.Reason == kube.ReasonImagePull:
		return waited >= pullGrace
	}
	return false
}

// verdict decides about a release that is not ready yet: to go on waiting, or
// that it has failed, and why.
func verdict(diagnoses []kube.Diagnosis, waiting []kube.ObjectStatus, waited, since, timeout time.Duration) (failed bool, failures []v1alpha1.Failure) {
	failures = kube.Failures(diagnoses)
	for _, d := range diagnoses {
		if hopeless(d, waited) {
			return true, failures
		}
	}
	if since < timeout {
		return false, failures
	}
	known := map[kube.Identity]bool{}
	for _, f := range failures {
		known[kube.IdentityOf(f.Object)] = true
	}
	for _, w := range waiting {
		if !known[kube.IdentityOf(w.Object)] {
			failures = append(failures, timedOut(w, timeout))
		}
	}
	return true, capped(failures)
}

func timedOut(w kube.ObjectStatus, timeout time.Duration) v1alpha1.Failure {
	message := fmt.Sprintf("not ready after %s", timeout)
	if w.Message != "" {
		message += ": " + w.Message
	}
	return v1alpha1.Failure{
		Object: w.Object, Component: w.Component, Reason: kube.ReasonTimeout, Message: message,
		Hint: "Give it longer with spec.deployTimeout, or read `landfall logs`.",
	}
}

// maxFailures is what a Release's status takes.
const maxFailures = 20

func capped(failures []v1alpha1.Failure) []v1alpha1.Failure {
	return failures[:min(len(failures), maxFailures)]
}
