package data

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// waitFlags are about copies that the cluster does.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (f *waitFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wait, "wait", true, "wait until the cluster has done it; landfall data status shows how it goes")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long it may take, between addresses; how long to wait for the cluster; 0 for ever")
}

// within is ctx for work of this process, which ends by the timeout.
func (f *waitFlags) within(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if !f.wait {
		return nil, nil, fault.New(fault.Invalid, "Leave --wait=false out: this process does the work.",
			"reading the flags: between addresses there is no cluster that would go on")
	}
	if f.timeout <= 0 {
		return ctx, func() {}, nil
	}
	within, cancel := context.WithTimeout(ctx, f.timeout)
	return within, cancel, nil
}

// runThere lets the cluster do what is asked: it makes a DataCopy, follows it
// and prints what came of it. What only looks is removed again.
func (f *askFlags) runThere(ctx context.Context, c *command.Context, action batch.Action, choices batch.Choices) error {
	if err := f.sidesExist(ctx, c); err != nil {
		return err
	}
	object, err := f.object(c, action, choices)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	if err := cl.Create(ctx, object, client.FieldOwner("landfall-cli")); err != nil {
		return command.Explain(err)
	}
	if !f.wait {
		_, err := fmt.Fprintf(c.Out, "asked for; `landfall data status %s` shows how it goes\n", object.Name)
		return err
	}
	if action != batch.Copy {
		defer remove(ctx, cl, object)
	}
	state, err := follow(ctx, c, object, f.timeout)
	if action == batch.Check || action == batch.Suggest {
		return printSampled(c, state, action, err)
	}
	return f.finish(c, state, err)
}

// sidesExist is an error where an environment is named that does not exist.
// Whether it may be read at all is the controller's question.
func (f *sideFlags) sidesExist(ctx context.Context, c *command.Context) error {
	for _, named := range []struct{ flag, side string }{{"--from", f.from}, {"--to", f.to}} {
		environment := side(named.side, "").Environment
		if environment == "" {
			continue
		}
		if _, err := ask.Environment(ctx, c, environment); fault.ClassOf(err) == fault.NotFound {
			return fmt.Errorf("%s: %w", named.flag, err)
		}
	}
	return nil
}

// requestedNow is the value of an annotation that asks for something.
func requestedNow(c *command.Context) string {
	return c.Clock().UTC().Format("2006-01-02T15:04:05.000Z")
}

// request asks a DataCopy for something by an annotation.
func request(ctx context.Context, c *command.Context, dc *v1alpha1.DataCopy, annotation string) (*v1alpha1.DataCopy, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	changed := dc.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[annotation] = requestedNow(c)
	err = cl.Patch(ctx, changed, client.MergeFrom(dc), client.FieldOwner("landfall-cli"))
	return changed, command.Explain(err)
}

// remove takes away what was made only to look, also when ctx has ended.
func remove(ctx context.Context, cl client.Client, object *v1alpha1.DataCopy) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), command.QuickTimeout)
	defer cancel()
	_ = cl.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground))
}

// object is the DataCopy that is asked for.
func (f *askFlags) object(c *command.Context, action batch.Action, choices batch.Choices) (*v1alpha1.DataCopy, error) {
	object := &v1alpha1.DataCopy{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace(), GenerateName: generateName(f.from, f.to, action)},
		Spec: v1alpha1.DataCopySpec{
			Action: string(action), From: side(f.from, f.fromStage), Stores: f.stores,
			Unmasked: choices.Unmasked, IntoProduction: choices.IntoProduction, Mode: string(choices.Mode),
			Replace: choices.Replace, Delete: choices.Delete, Include: choices.Include, Exclude: choices.Exclude,
			Parallel: int32(choices.Parallel), MaxThreadsRunning: int32(choices.MaxThreadsRunning), Options: choices.Options, Follow: f.follow,
		},
	}
	if f.cutover {
		object.Annotations = map[string]string{v1alpha1.AnnotationCutoverRequested: requestedNow(c)}
	}
	if f.to != "" {
		to := side(f.to, f.toStage)
		object.Spec.To = &to
	}
	if choices.MaxBytesPerSecond > 0 {
		object.Spec.MaxBytesPerSecond = resource.NewQuantity(choices.MaxBytesPerSecond, resource.DecimalSI)
	}
	if f.rules != "" {
		spec, err := f.dataMask()
		if err != nil {
			return nil, err
		}
		object.Spec.Mask = spec
	}
	return object, nil
}

// dataMask puts the rules into an object. The key is the project's.
func (f *maskFlags) dataMask() (*v1alpha1.DataMask, error) {
	if f.keyFile != "" {
		return nil, fault.New(fault.Invalid, "Put the key into the Secret landfall-mask-key of the project, under the name key.",
			"reading the flags: --mask-key-file is for copies between addresses")
	}
	return ReadMask(f.rules)
}

// ReadMask reads a file of rules into the form that objects have.
func ReadMask(path string) (*v1alpha1.DataMask, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "`landfall data mask suggest` drafts rules.", "reading mask rules: %w", err)
	}
	if _, err := mask.Parse(strings.NewReader(string(text))); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &v1alpha1.DataMask{Rules: string(text)}, nil
}

func side(text, stage string) v1alpha1.DataCopySide {
	if secret, ok := strings.CutPrefix(text, "secret/"); ok {
		return v1alpha1.DataCopySide{Secret: secret, Stage: v1alpha1.Stage(stage)}
	}
	return v1alpha1.DataCopySide{Environment: text}
}

func generateName(from, to string, action batch.Action) string {
	name := from
	if to != "" {
		name += "-to-" + to
	}
	if action != batch.Copy {
		name += "-" + string(action)
	}
	name = strings.Trim(notPlain.ReplaceAllString(strings.ToLower(name), "-"), "-")
	const most = 50 // what the API server adds, and names of Jobs
	if len(name) > most {
		name = name[:most]
	}
	return name + "-"
}

// followEvery is how often a copy in the cluster is looked at.
const followEvery = 500 * time.Millisecond

// follow shows how a copy goes until it has ended, and gives its state.
func follow(ctx context.Context, c *command.Context, asked *v1alpha1.DataCopy, timeout time.Duration) (batch.State, error) {
	cl, err := c.Client()
	if err != nil {
		return batch.State{}, err
	}
	waiting := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	show := &display{to: c.Progress(), steps: map[string]progress.Step{}}
	now := &v1alpha1.DataCopy{}
	for waiting.Err() == nil {
		err := cl.Get(waiting, client.ObjectKeyFromObject(asked), now)
		switch {
		case client.IgnoreNotFound(err) == nil && err != nil:
			return batch.State{}, fault.New(fault.Failed, "", "waiting for the copy %s: it was deleted meanwhile", asked.Name)
		case err == nil:
			show.update(now)
			if now.Status.Phase.Final() && now.Status.ResumedRequest == now.Annotations[v1alpha1.AnnotationResumeRequested] {
				return concluded(ctx, cl, now)
			}
		}
		select {
		case <-waiting.Done():
		case <-time.After(followEvery):
		}
	}
	if ctx.Err() != nil {
		return batch.State{}, fmt.Errorf("interrupted: the copy %s goes on in the cluster, `landfall data status %s` shows it, deleting it ends it: %w", asked.Name, asked.Name, context.Canceled)
	}
	hint := "The work goes on in the cluster: `landfall data status " + asked.Name + "` shows it."
	if action := batch.Action(asked.Spec.Action); action != batch.Copy && action != "" {
		hint = "Ask again with a longer --timeout."
	}
	return batch.State{}, fault.New(fault.Failed, hint,
		"waiting for the copy %s: not done after %s: %s", asked.Name, timeout, now.Status.Message)
}

// concluded reads what the Job left.
func concluded(ctx context.Context, cl client.Client, dc *v1alpha1.DataCopy) (batch.State, error) {
	state := batch.State{Name: dc.Name, From: dc.Status.From, To: dc.Status.To, Message: dc.Status.Message}
	var kept corev1.ConfigMap
	err := cl.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: dc.Status.Evidence}, &kept)
	if dc.Status.Evidence == "" || err != nil || kept.Data[batch.StateFile] == "" {
		return state, failure(dc)
	}
	if err := json.Unmarshal([]byte(kept.Data[batch.StateFile]), &state); err != nil {
		return state, fmt.Errorf("reading the outcome of %s: %w", dc.Name, err)
	}
	if dc.Status.Phase == v1alpha1.DataCopyFailed && state.Err() == nil {
		return state, failure(dc) // the Job could not say so itself
	}
	return state, state.Err()
}

func failure(dc *v1alpha1.DataCopy) error {
	class := fault.Failed
	if ready := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		switch ready.Reason {
		case v1alpha1.ReasonRefused:
			class = fault.Refused
		case v1alpha1.ReasonInvalid:
			class = fault.Invalid
		}
	}
	if dc.Status.Phase == v1alpha1.DataCopySucceeded {
		return nil
	}
	return fault.New(class, "`landfall data status "+dc.Name+"` shows it.", "copy %s: %s", dc.Name, dc.Status.Message)
}

// display turns a status that changes into progress.
type display struct {
	to    progress.Reporter
	steps map[string]progress.Step
}

func (d *display) update(dc *v1alpha1.DataCopy) {
	if len(dc.Status.Stores) == 0 && !dc.Status.Phase.Final() {
		d.step("copy "+dc.Name).Update("%s", dc.Status.Message)
		return
	}
	if begun, ok := d.steps["copy "+dc.Name]; ok {
		begun.Done("")
		delete(d.steps, "copy "+dc.Name)
	}
	for _, store := range dc.Status.Stores {
		step := d.step(store.Name)
		switch store.State {
		case batch.StateDone:
			step.Done("%s", store.Answer)
		case batch.StateFailed:
			step.Fail(fmt.Errorf("%s", store.Message))
		case batch.StateCopying:
			showUnits(step, store)
		default:
			step.Update("%s", store.State)
		}
	}
}

// showUnits counts all units of a store together.
func showUnits(step progress.Step, store v1alpha1.DataCopyStore) {
	var done, total int64
	noun := ""
	for _, unit := range store.Units {
		done, total, noun = done+unit.Done, total+unit.Total, unit.Noun
	}
	step.Count(done, total, noun)
}

func (d *display) step(name string) progress.Step {
	if d.steps[name] == nil {
		d.steps[name] = d.to.Step(name)
	}
	return d.steps[name]
}
