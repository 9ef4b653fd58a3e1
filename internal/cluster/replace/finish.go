package replace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// confirm lets a person look before the way back is given up.
func (x *run) confirm(ctx context.Context, _ progress.Step) (string, error) {
	question := fmt.Sprintf("All of %s runs on %s. Let go of %s? There is no way back then.", x.from, x.to, x.from)
	if x.wishes.Yes || x.Confirm(ctx, question) {
		return "the way back is given up", nil
	}
	return "", fault.New(fault.Refused, fmt.Sprintf("Repeat the command with --yes to go on, or with --undo to return to %s.", x.from), "waits for somebody to let go of %s", x.from)
}

// finish hands schedules over and lets migrations and environments end.
func (x *run) finish(ctx context.Context, shown progress.Step) (string, error) {
	schedules, err := x.sides.HandOver(ctx, within{shown})
	if err != nil {
		return "", err
	}
	if err := x.finishMigrations(ctx, shown); err != nil {
		return "", err
	}
	moved, err := x.finishMoves(ctx, shown)
	if err != nil {
		return "", err
	}
	return finished(moved, len(x.report.Migrations), schedules), nil
}

// finished says what came of it. What a run before this one has finished can no
// longer be counted.
func finished(moved, migrations, schedules int) string {
	var parts []string
	for _, part := range []struct {
		n     int
		thing string
	}{{moved, "environment"}, {migrations, "migration"}, {schedules, "schedule"}} {
		if part.n > 0 {
			parts = append(parts, english.Plural(part.n, part.thing, ""))
		}
	}
	if len(parts) == 0 {
		return "all was finished already"
	}
	return strings.Join(parts, ", ") + " finished"
}

func (x *run) finishMigrations(ctx context.Context, shown progress.Step) error {
	all, err := x.migrations(ctx)
	if err != nil {
		return err
	}
	defer func() { x.report.Migrations = all }()
	for i := range all {
		m := &all[i]
		err := x.poll(ctx, func() (bool, error) {
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(m), m); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			shown.Update("finishing migration %s/%s", m.Namespace, m.Name)
			if m.Status.Phase != v1alpha1.MigrationCompleted || said(m, "finish") {
				return m.Status.Phase == v1alpha1.MigrationFinished, nil
			}
			return false, x.edit(ctx, m, func() { x.Say(m, "finish", 0) })
		})
		if err != nil {
			return fmt.Errorf("finishing migration %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	return nil
}

// said tells whether the word was said in this attempt.
func said(m *v1alpha1.Migration, verb string) bool {
	return slices.ContainsFunc(m.Spec.Words, func(w v1alpha1.MigrationWord) bool { return w.Verb == verb && w.Attempt == attempt(m) })
}

// finishMoves removes what environments have left on the old cluster.
func (x *run) finishMoves(ctx context.Context, shown progress.Step) (int, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return 0, err
	}
	for i := range envs {
		env := &envs[i]
		if env.Status.Left == nil {
			continue
		}
		before := env.DeepCopy()
		if err := x.FinishMove(env); err != nil {
			return 0, err
		}
		if err := x.Client.Patch(ctx, env, client.MergeFrom(before)); err != nil {
			return 0, fmt.Errorf("finishing the move of environment %s: %w", key(env), err)
		}
	}
	return len(envs), x.poll(ctx, func() (bool, error) {
		gone := 0
		for i := range envs {
			env := &envs[i]
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(env), env); client.IgnoreNotFound(err) != nil {
				return false, fmt.Errorf("waiting for environment %s: %w", key(env), err)
			}
			if env.Status.Left == nil {
				gone++
			} else if moving := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionMoving); moving != nil {
				shown.Update("%d of %d environments; %s: %s", gone, len(envs), key(env), moving.Message)
			}
		}
		return gone == len(envs), nil
	})
}

// remove destroys the old cluster, where that is wanted and Terraform made it.
func (x *run) remove(ctx context.Context, shown progress.Step) (string, error) {
	var err error
	if x.old, err = x.cluster(ctx, x.from); err != nil {
		return "", err
	}
	switch {
	case x.old == nil:
		return "cluster " + x.from + " is gone", nil
	case x.old.Spec.KubeconfigSecret == nil && x.old.Spec.Terraform == nil:
		return fmt.Sprintf("%s stays: Landfall runs on it", x.from), nil
	case x.old.Spec.Terraform == nil:
		return fmt.Sprintf("%s runs on, unused; `landfall cluster remove %s` forgets it", x.from, x.from), nil
	case !x.wishes.Destroy:
		return fmt.Sprintf("%s runs on, unused; `landfall cluster destroy %s` destroys it", x.from, x.from), nil
	}
	if err := x.Destroy(ctx, x.from, within{shown}); err != nil {
		return "", err
	}
	return "cluster " + x.from + " is destroyed", nil
}
