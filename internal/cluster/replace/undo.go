package replace

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Undo goes back: all traffic to the old side, then all environments. What was
// copied stays on the new side. It can be repeated, and the replacement begun
// again. Refused once the old side was let go.
func (r *Replacer) Undo(ctx context.Context, from, to string, w Wishes, reporter progress.Reporter) error {
	x, err := r.begin(ctx, from, to, w, reporter)
	if err != nil {
		return err
	}
	if x.journal.begun(StepFinish) {
		return fault.New(fault.Refused, fmt.Sprintf("What runs on %s can move back as it came: `landfall cluster migrate %s %s`.", to, to, from),
			"returning to cluster %s: it was let go", from)
	}
	for _, s := range []step{{"return the traffic", x.abort}, {"return the environments", x.goBack}} {
		shown := reporter.Step(s.name)
		message, err := s.do(ctx, shown)
		if err != nil {
			shown.Fail(err)
			return fault.Wrap(fault.ClassOf(err), fmt.Errorf("returning to cluster %s: %w", from, err), fault.HintOf(err))
		}
		shown.Done("%s", message)
	}
	return x.journal.restart(ctx)
}

// abort returns all traffic, and waits until it is back.
func (x *run) abort(ctx context.Context, shown progress.Step) (string, error) {
	all, err := x.migrations(ctx)
	if err != nil {
		return "", err
	}
	for i := range all {
		m := &all[i]
		err := x.poll(ctx, func() (bool, error) {
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(m), m); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			shown.Update("%s: %s, %s", m.Spec.Hostname, m.Status.Phase, m.Status.Weight)
			if m.Status.Phase == v1alpha1.MigrationReverted || m.Status.Phase == v1alpha1.MigrationFinished {
				return true, nil
			}
			if said(m, "abort") {
				return false, nil
			}
			return false, x.edit(ctx, m, func() { x.Say(m, "abort", 0) })
		})
		if err != nil {
			return "", fmt.Errorf("aborting migration %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	if len(all) == 0 {
		return "no migration moved any", nil
	}
	return english.Plural(len(all), "migration", "") + " reverted", nil
}

// goBack lets all environments run on the old cluster again.
func (x *run) goBack(ctx context.Context, shown progress.Step) (string, error) {
	return x.settle(ctx, shown, x.from)
}
