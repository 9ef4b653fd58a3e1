package environment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

var shopStages = &environment.Desired{Stages: []environment.Stage{
	{Name: "foundation"}, {Name: "run schema", Wait: true}, {Name: "workloads", Wait: true},
}}

func TestPlanOfEachCause(t *testing.T) {
	var story strings.Builder
	for _, cause := range []v1alpha1.Cause{v1alpha1.CauseDeploy, v1alpha1.CauseRollback} {
		fmt.Fprintf(&story, "%s:\n", cause)
		for _, s := range plan(shopStages, cause) {
			fmt.Fprintf(&story, "  %s\n", s)
		}
	}
	golden.Assert(t, story.String(), "plan.golden")
}

// A crash loses at most the note of one step: whatever prefix of the journal
// survives, the rest of the plan follows, in order.
func TestNextGoesOnFromAnyJournal(t *testing.T) {
	steps := plan(shopStages, v1alpha1.CauseDeploy)
	for done := range len(steps) + 1 {
		var journal []v1alpha1.ReleaseStep
		for _, s := range steps[:done] {
			journal = append(journal, v1alpha1.ReleaseStep{Name: s.String(), FinishedAt: &metav1.Time{Time: noon}})
		}
		if done < len(steps) { // begun, not ended
			journal = append(journal, v1alpha1.ReleaseStep{Name: steps[done].String()})
		}
		got, left := next(steps, journal)
		if left != (done < len(steps)) {
			t.Fatalf("after %d of %d steps: left = %v", done, len(steps), left)
		}
		if left && got.String() != steps[done].String() {
			t.Errorf("after %d steps: next is %q, want %q", done, got, steps[done])
		}
	}
}

func TestBeginNotesAStepOnce(t *testing.T) {
	var status v1alpha1.ReleaseStatus
	s := step{verb: verbPrune}
	begin(&status, s, noon)
	again := begin(&status, s, noon.Add(time.Hour))
	if len(status.Steps) != 1 || !again.StartedAt.Time.Equal(noon) {
		t.Errorf("journal is %+v, want one entry that began at noon", status.Steps)
	}
}

func TestVerdict(t *testing.T) {
	web := v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "staging", Name: "web"}
	diagnosis := func(reason string, restarts int32, terminal bool) []kube.Diagnosis {
		return []kube.Diagnosis{{Failure: v1alpha1.Failure{Object: web, Reason: reason}, Restarts: restarts, Terminal: terminal}}
	}
	waiting := []kube.ObjectStatus{{Object: web, State: kube.InProgress, Message: "1 of 2 ready"}}
	for _, tt := range []struct {
		name      string
		diagnoses []kube.Diagnosis
		waited    time.Duration
		failed    bool
		reasons   []string
	}{
		{"nothing wrong, time left", nil, time.Second, false, nil},
		{"a failed job", diagnosis(kube.ReasonJobFailed, 0, true), time.Second, true, []string{kube.ReasonJobFailed}},
		{"a first crash may be bad luck", diagnosis(kube.ReasonCrashLoop, 1, false), time.Second, false, []string{kube.ReasonCrashLoop}},
		{"three crashes are not", diagnosis(kube.ReasonCrashLoop, 3, false), time.Second, true, []string{kube.ReasonCrashLoop}},
		{"a pull may fail for a while", diagnosis(kube.ReasonImagePull, 0, false), 30 * time.Second, false, []string{kube.ReasonImagePull}},
		{"but not for ever", diagnosis(kube.ReasonImagePull, 0, false), time.Minute, true, []string{kube.ReasonImagePull}},
		{"no room may come", diagnosis(kube.ReasonUnschedulable, 0, false), 9 * time.Minute, false, []string{kube.ReasonUnschedulable}},
		{"time is up, cause known", diagnosis(kube.ReasonUnschedulable, 0, false), 10 * time.Minute, true, []string{kube.ReasonUnschedulable}},
		{"time is up, cause unknown", nil, 10 * time.Minute, true, []string{kube.ReasonTimeout}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed, failures := verdict(tt.diagnoses, waiting, tt.waited, tt.waited, 10*time.Minute)
			var reasons []string
			for _, f := range failures {
				reasons = append(reasons, f.Reason)
			}
			if failed != tt.failed || !cmp.Equal(reasons, tt.reasons) {
				t.Errorf("failed %v for %v, want %v for %v", failed, reasons, tt.failed, tt.reasons)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	for _, tt := range []struct {
		ttl, warns time.Duration
	}{
		{ttl: 8 * time.Hour, warns: 8*time.Hour - 48*time.Minute},
		{ttl: time.Hour, warns: 45 * time.Minute},
		{ttl: 10 * time.Minute, warns: -5 * time.Minute},
	} {
		env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(noon)}}
		env.Spec.TTL = &metav1.Duration{Duration: tt.ttl}
		expires, warns := expiry(env)
		if !expires.Time.Equal(noon.Add(tt.ttl)) || !warns.Equal(noon.Add(tt.warns)) {
			t.Errorf("ttl %s: expires %s, warns %s", tt.ttl, expires, warns)
		}
	}
	if expires, _ := expiry(&v1alpha1.Environment{}); expires != nil {
		t.Errorf("without ttl it expires at %s", expires)
	}
}
