package follow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/progress"
)

// display turns what is seen of an environment into progress: a step for each
// entry of the release's journal, one for the components.
type display struct {
	reporter progress.Reporter
	name     string
	// before is the release that ran when waiting began: its journal is old.
	before  string
	steps   map[string]progress.Step
	settle  progress.Step
	last    *v1alpha1.Environment
	release string
}

func newDisplay(reporter progress.Reporter, name, before string) *display {
	return &display{reporter: reporter, name: name, before: before, steps: map[string]progress.Step{}}
}

func (d *display) update(now Result) {
	d.last = now.Environment
	if r := now.Release; r != nil && r.Name != d.before {
		d.begin(r)
		d.journal(r)
	}
	if d.settle == nil {
		d.settle = d.reporter.Step(d.name)
	}
	d.settle.Update("%s", summary(now.Environment))
}

func (d *display) begin(r *v1alpha1.Release) {
	if d.release == r.Name {
		return
	}
	d.release = r.Name
	d.reporter.Note("%s: release %d (%s)", d.name, r.Spec.Number, strings.ToLower(string(r.Spec.Cause)))
}

func (d *display) journal(r *v1alpha1.Release) {
	for _, s := range r.Status.Steps {
		key := r.Name + "/" + s.Name
		step, known := d.steps[key]
		if !known {
			step = d.reporter.Step(s.Name)
			d.steps[key] = step
		}
		if s.FinishedAt != nil {
			step.Done("%s", s.Message)
		} else if s.Message != "" {
			step.Update("%s", s.Message)
		}
	}
	if r.Status.Phase == v1alpha1.ReleaseFailed {
		d.failures(r.Status.Failures)
	}
}

// failures ends every open step, so that nothing redraws over the report.
func (d *display) failures(failures []v1alpha1.Failure) {
	for _, step := range d.steps {
		step.Fail(errors.New("failed"))
	}
	if d.settle == nil {
		d.settle = d.reporter.Step(d.name)
	}
	d.settle.Fail(errors.New("failed"))
	for _, f := range failures {
		for _, line := range Lines(f) {
			d.reporter.Note("%s", line)
		}
	}
}

func (d *display) trouble(err error) {
	if d.settle == nil {
		d.settle = d.reporter.Step(d.name)
	}
	d.settle.Update("trying again: %v", err)
}

// close ends what is still shown; err is how waiting ended.
func (d *display) close(err error) {
	for _, step := range d.steps {
		end(step, err, "")
	}
	if d.settle == nil {
		return
	}
	text := ""
	if d.last != nil {
		text = summary(d.last)
	}
	end(d.settle, err, text)
}

func end(step progress.Step, err error, text string) {
	switch {
	case err == nil:
		step.Done("%s", text)
	case errors.Is(err, context.Canceled):
		step.Fail(errors.New("interrupted"))
	default:
		step.Fail(errors.New("not done"))
	}
}

// summary is an environment in one line: phase, and instances by component.
func summary(env *v1alpha1.Environment) string {
	parts := []string{}
	for _, c := range env.Status.Components {
		if c.Desired > 0 || c.Ready > 0 {
			parts = append(parts, fmt.Sprintf("%s %d/%d", c.Name, c.Ready, c.Desired))
		}
	}
	phase := phaseWords(env.Status.Phase)
	if ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonSeeding {
		return phase + "  " + ready.Message
	}
	if len(parts) == 0 {
		return phase
	}
	return phase + "  " + strings.Join(parts, "  ")
}

// phaseWords is a phase as people write it: "rolling back".
func phaseWords(phase v1alpha1.Phase) string {
	switch phase {
	case "":
		return "pending"
	case v1alpha1.PhaseRollingBack:
		return "rolling back"
	}
	return strings.ToLower(string(phase))
}

// Lines is a failure as a person reads it: object, reason, message, the last
// lines of output, the next step.
func Lines(f v1alpha1.Failure) []string {
	who := f.Object.Kind + " " + f.Object.Name
	if f.Component != "" {
		who = f.Component + " (" + who + ")"
	}
	lines := []string{fmt.Sprintf("%s: %s: %s", who, f.Reason, f.Message)}
	for _, l := range f.Log {
		lines = append(lines, "    | "+l)
	}
	if f.Hint != "" {
		lines = append(lines, "    next: "+f.Hint)
	}
	return lines
}
