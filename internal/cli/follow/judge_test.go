package follow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

func condition(name, status, reason, message string) metav1.Condition {
	return metav1.Condition{Type: name, Status: metav1.ConditionStatus(status), Reason: reason, Message: message}
}

// seen is an environment whose controller has seen generation 2.
func seen(phase v1alpha1.Phase, conditions ...metav1.Condition) *v1alpha1.Environment {
	return &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "staging", Generation: 2},
		Status:     v1alpha1.EnvironmentStatus{ObservedGeneration: 2, Phase: phase, Conditions: conditions, Release: "staging-3", LastSuccessful: "staging-2"},
	}
}

func failedRelease() *v1alpha1.Release {
	began := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	done := metav1.NewTime(began.Add(61 * time.Second))
	return &v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Name: "staging-3"},
		Spec:       v1alpha1.ReleaseSpec{Number: 3, Cause: v1alpha1.CauseDeploy},
		Status: v1alpha1.ReleaseStatus{
			Phase: v1alpha1.ReleaseFailed, StartedAt: &began, FinishedAt: &done,
			Failures: []v1alpha1.Failure{{Component: "web", Reason: "CrashLoop", Message: "exit code 2"}},
		},
	}
}

func TestJudge(t *testing.T) {
	ready := condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReleased, "")
	working := condition(v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonDeploying, "applying")
	old := seen(v1alpha1.PhaseReady, ready)
	old.Status.ObservedGeneration = 1
	asleep := seen(v1alpha1.PhaseAsleep)
	asleep.Spec.Asleep = true
	waking := seen(v1alpha1.PhaseAsleep)

	tests := map[string]struct {
		env     *v1alpha1.Environment
		release *v1alpha1.Release
		settled bool
		class   fault.Class
		says    string
		hint    string
	}{
		"the controller has not seen it": {env: old},
		"under way":                      {env: seen(v1alpha1.PhaseDeploying, working)},
		"ready but still at work":        {env: seen(v1alpha1.PhaseReady, ready, working)},
		"nothing said yet":               {env: seen("")},
		"ready":                          {env: seen(v1alpha1.PhaseReady, ready), settled: true},
		"asleep as asked":                {env: asleep, settled: true},
		"asleep but to wake":             {env: waking},
		"failed": {
			env: seen(v1alpha1.PhaseFailed), release: failedRelease(), settled: true, class: fault.Failed,
			says: "release 3 failed after 1m1s: web: CrashLoop", hint: "landfall rollback staging",
		},
		"an older release failed": {
			env: func() *v1alpha1.Environment {
				e := seen(v1alpha1.PhaseDeploying)
				e.Status.Release = "staging-4"
				return e
			}(), release: failedRelease(),
		},
		"stuck on what is not ours": {
			env:     seen(v1alpha1.PhaseFailed, condition(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonNotOwned, "namespace staging exists")),
			settled: true, class: fault.Refused, says: "namespace staging exists", hint: "--adopt",
		},
		"stuck on what is invalid": {
			env:     seen(v1alpha1.PhaseFailed, condition(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonInvalid, "spec.components[0]")),
			settled: true, class: fault.Invalid, says: "spec.components[0]",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "staging", Generation: 2}}
			settled, err := judge(asked, Result{Environment: tt.env, Release: tt.release})
			if settled != tt.settled || (err != nil) != (tt.says != "") {
				t.Fatalf("settled %v, error %v", settled, err)
			}
			if err == nil {
				return
			}
			if fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.says) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("%v: %v (hint %q)", fault.ClassOf(err), err, fault.HintOf(err))
			}
		})
	}
}

func TestRequestsAreWaitedFor(t *testing.T) {
	asked := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationRedeployRequested: "now"}}}
	env := seen(v1alpha1.PhaseReady, condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReleased, ""))
	if settled, _ := judge(asked, Result{Environment: env}); settled {
		t.Error("settled before the redeploy was carried out")
	}
	env.Status.RedeployedRequest = "now"
	if settled, _ := judge(asked, Result{Environment: env}); !settled {
		t.Error("not settled although the redeploy was carried out")
	}
}

func TestEndedSaysWhatIsLeft(t *testing.T) {
	last := Result{Environment: seen(v1alpha1.PhaseDeploying, condition(v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonDeploying, "waiting for schema"))}
	ctx, cancel := context.WithCancel(context.Background())
	err := ended(ctx, "staging", time.Minute, last)
	if fault.ExitCode(err) != fault.ExitFailed || !strings.Contains(err.Error(), "Deploying: waiting for schema") {
		t.Errorf("after a timeout: %v", err)
	}
	cancel()
	err = ended(ctx, "staging", time.Minute, last)
	if !errors.Is(err, context.Canceled) || fault.ExitCode(err) != fault.ExitInterrupted || !strings.Contains(err.Error(), "goes on in the cluster") {
		t.Errorf("after an interruption: %v", err)
	}
}
