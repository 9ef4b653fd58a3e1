package replace

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func shopMigration() *v1alpha1.Migration {
	return &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop"}, Spec: v1alpha1.MigrationSpec{
		Hostname: "shop.example", From: v1alpha1.MigrationSide{Name: "blue"}, To: v1alpha1.MigrationSide{Name: "green"},
		Steps: []v1alpha1.MigrationStep{{Weight: 100}},
	}}
}

func all() Wishes {
	return Wishes{Migrations: []*v1alpha1.Migration{shopMigration()}, Yes: true, Destroy: true}
}

// A replacement from beginning to end: what was planned, what happened, what was
// written down.
func TestStoryOfAReplacement(t *testing.T) {
	w := newWorld(t)
	var story strings.Builder
	world, err := w.replacer().Look(t.Context(), "blue", "green", all(), progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&story, "== planned")
	for _, p := range Plan(world) {
		fmt.Fprintf(&story, "%s (%s): %s\n", p.Name, p.State, p.What)
	}
	if len(w.log) > 0 {
		t.Errorf("looking changed something: %v", w.log)
	}
	report, err := w.run(all())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&story, "== happened\n%s\n== written down\n", strings.Join(w.log, "\n"))
	for _, s := range report.Steps {
		fmt.Fprintf(&story, "%s (%s): %s\n", s.Name, s.State, s.Message)
	}
	fmt.Fprintf(&story, "== in the end\n%s\n", w.state())
	golden.Assert(t, story.String(), "story.golden")

	recorded, err := w.replacer().Recorded(t.Context(), "green")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Steps, recorded.Steps); diff != "" || len(recorded.Migrations) != 1 || recorded.Ended.IsZero() {
		t.Errorf("recorded is something else, ended %s, with %d migrations: %s", recorded.Ended, len(recorded.Migrations), diff)
	}
	if _, err := w.replacer().Recorded(t.Context(), "hub"); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("the record of no replacement: %v", err)
	}
}

// Killed in any step and started again, it ends where it would have ended.
func TestKilledInAnyStepEndsTheSame(t *testing.T) {
	undisturbed := newWorld(t)
	if _, err := undisturbed.run(all()); err != nil {
		t.Fatal(err)
	}
	if len(undisturbed.passed) != len(Steps) {
		t.Fatalf("steps %v", undisturbed.passed)
	}
	for _, step := range undisturbed.passed {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.crashAt = step
			if _, err := w.run(all()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(undisturbed.state(), w.state()); diff != "" {
				t.Errorf("other end (-undisturbed +killed):\n%s", diff)
			}
		})
	}
}

// Gates stop it before anything is lost, say what to do, and it goes on from
// there once that was done.
func TestGates(t *testing.T) {
	for _, tt := range []struct {
		name string
		// stop is what is in the way; mend takes it away.
		stop, mend func(*world, *Wishes)
		class      fault.Class
		at, state  string
	}{
		{"preflight", func(w *world, _ *Wishes) { w.blocker = "images" }, func(_ *world, o *Wishes) { o.Accept = []string{"images"} }, fault.NotHolding, StepPreflight, Failed},
		{"parity is unknown", func(w *world, _ *Wishes) { w.differs = "no answer" }, func(w *world, _ *Wishes) { w.differs = "" }, fault.Failed, StepParity, Failed},
		{"a migration reverts", func(w *world, _ *Wishes) { w.reverts = true }, func(w *world, _ *Wishes) { w.reverts = false }, fault.NotHolding, StepTraffic, Failed},
		{"no migration", func(_ *world, o *Wishes) { o.Migrations = nil }, func(_ *world, o *Wishes) { o.TrafficSwitched = true }, fault.Refused, StepTraffic, Waiting},
		{"nobody agreed", func(_ *world, o *Wishes) { o.Yes = false }, func(w *world, _ *Wishes) { w.answers = true }, fault.Refused, StepConfirm, Waiting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, wishes := newWorld(t), all()
			tt.stop(w, &wishes)
			report, err := w.run(wishes)
			if err == nil || fault.ClassOf(err) != tt.class || fault.HintOf(err) == "" {
				t.Fatalf("error %v of class %s, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
			}
			for _, s := range report.Steps {
				if s.Name == tt.at && s.State != tt.state {
					t.Errorf("step %s is %s: %s", s.Name, s.State, s.Message)
				}
			}
			if w.schedules != "blue" || len(w.objects["blue"]) == 0 || strings.Contains(strings.Join(w.log, "\n"), "gone from") {
				t.Errorf("the old side did not stay whole:\n%s", w.state())
			}
			tt.mend(w, &wishes)
			if _, err := w.run(wishes); err != nil {
				t.Fatal(err)
			}
			if w.schedules != "green" || strings.Contains(w.state(), "cluster blue") {
				t.Errorf("did not come to its end:\n%s", w.state())
			}
		})
	}
}

// Before somebody lets go of the old side everything goes back; after it, not.
func TestUndo(t *testing.T) {
	w, wishes := newWorld(t), all()
	wishes.Yes = false
	if _, err := w.run(wishes); fault.ClassOf(err) != fault.Refused {
		t.Fatalf("error %v", err)
	}
	if err := w.replacer().Undo(t.Context(), "blue", "green", wishes, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if state := w.state(); !strings.Contains(state, "environment shop on blue") || !strings.Contains(state, "migration shop: Reverted") || w.schedules != "blue" {
		t.Errorf("did not go back:\n%s", state)
	}
	if _, err := w.run(all()); err != nil {
		t.Fatalf("beginning again: %v", err)
	}
	err := w.replacer().Undo(t.Context(), "blue", "green", wishes, progress.Discard)
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("undoing what is over: %v", err)
	}
}

// Traffic that went back while nobody looked does not move again before both
// sides are the same.
func TestTrafficThatReturnedIsComparedAnew(t *testing.T) {
	w, wishes := newWorld(t), all()
	wishes.Yes = false
	if _, err := w.run(wishes); fault.ClassOf(err) != fault.Refused {
		t.Fatalf("error %v", err)
	}
	m := shopMigration()
	if err := w.api.Get(t.Context(), client.ObjectKeyFromObject(m), m); err != nil {
		t.Fatal(err)
	}
	m.Status.Phase = v1alpha1.MigrationReverted
	if err := w.api.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.differs = "somebody was there"
	report, err := w.run(all())
	if err == nil || !strings.Contains(err.Error(), "parity: somebody was there") {
		t.Fatalf("error %v", err)
	}
	for _, s := range report.Steps {
		if happened, next := NextStep(s); s.Name == StepParity && (happened != "somebody was there" || next == "") {
			t.Errorf("written down: %q, next %q", happened, next)
		}
	}
	w.differs = ""
	if _, err := w.run(all()); err != nil {
		t.Fatal(err)
	}
}

// Who stops it is told what state is left.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	r := w.replacer()
	r.Confirm = func(context.Context, string) bool {
		stop()
		return false
	}
	wishes := all()
	wishes.Yes = false
	report, err := r.Run(ctx, "blue", "green", wishes, progress.Discard)
	if fault.ExitCode(err) != fault.ExitInterrupted || !strings.Contains(err.Error(), "in step confirm; the same command goes on, with --undo everything returns to blue") {
		t.Errorf("exit code %d: %v", fault.ExitCode(err), err)
	}
	for _, s := range report.Steps {
		if happened, next := NextStep(s); s.Name == StepConfirm && (s.State != Running || happened != "interrupted" || next == "") {
			t.Errorf("written down: %s, %q, next %q", s.State, happened, next)
		}
	}
	if _, err := w.run(all()); err != nil {
		t.Fatal(err)
	}
}

// Traffic that somebody else moves is not mistaken for ours.
func TestForeignMigrationIsRefused(t *testing.T) {
	w, wishes := newWorld(t), all()
	wishes.Migrations = nil
	foreign := shopMigration()
	foreign.Name, foreign.Spec.Attempt = "from-ec2", 1
	if err := w.api.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	_, err := w.run(wishes)
	if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "from-ec2") {
		t.Errorf("error %v", err)
	}
}
