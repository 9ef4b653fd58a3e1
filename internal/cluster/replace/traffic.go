package replace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// traffic moves by Migrations, held by parity; hostnames that none moves wait
// for a person.
func (x *run) traffic(ctx context.Context, shown progress.Step) (string, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return "", err
	}
	if err := x.start(ctx, envs); err != nil {
		return "", err
	}
	all, err := x.migrations(ctx)
	if err != nil {
		return "", err
	}
	if err := x.unclaimed(ctx, envs, all); err != nil {
		return "", err
	}
	if err := x.follow(ctx, shown, all); err != nil {
		return "", err
	}
	if err := x.byHand(ctx, envs, all); err != nil {
		return "", err
	}
	message := english.Plural(len(all), "migration", "") + " completed"
	if len(all) == 0 {
		message = "moved by hand"
	}
	return message, nil
}

// start creates the Migrations that were given, with a guard for parity, and
// starts those again that have reverted.
func (x *run) start(ctx context.Context, envs []v1alpha1.Environment) error {
	for _, given := range x.wishes.Migrations {
		if err := x.startOne(ctx, given, envs); err != nil {
			return fmt.Errorf("starting migration %s/%s: %w", given.Namespace, given.Name, err)
		}
	}
	all, err := x.migrations(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		m := &all[i]
		if m.Status.Phase != v1alpha1.MigrationReverted {
			continue
		}
		if err := x.edit(ctx, m, func() { m.Spec.Attempt = attempt(m) + 1 }); err != nil {
			return fmt.Errorf("starting migration %s/%s again: %w", m.Namespace, m.Name, err)
		}
	}
	return nil
}

func (x *run) startOne(ctx context.Context, given *v1alpha1.Migration, envs []v1alpha1.Environment) error {
	wanted := given.DeepCopy()
	wanted.Spec.Words = nil
	if !slices.ContainsFunc(wanted.Spec.Guards, func(g v1alpha1.MigrationGuard) bool { return g.Parity != nil }) {
		guard, err := x.guard(envs)
		if err != nil {
			return err
		}
		wanted.Spec.Guards = append(wanted.Spec.Guards, guard)
	}
	there := &v1alpha1.Migration{}
	err := x.Client.Get(ctx, client.ObjectKeyFromObject(wanted), there)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return err
	case err != nil:
		wanted.Spec.Attempt = 1
		return x.Client.Create(ctx, wanted)
	case there.Status.Phase == v1alpha1.MigrationReverted, there.Status.Phase == v1alpha1.MigrationFinished && !x.isOurs(there):
		return x.edit(ctx, there, func() {
			words, last := there.Spec.Words, attempt(there)
			there.Spec = *wanted.Spec.DeepCopy()
			there.Spec.Words, there.Spec.Attempt = words, last+1
		})
	case !x.isOurs(there):
		return fault.New(fault.Refused, fmt.Sprintf("End it first: `landfall migrate finish %s` or `landfall migrate abort %s`.", there.Name, there.Name),
			"another move under that name is %s", there.Status.Phase)
	}
	return nil // under way, or done
}

func attempt(m *v1alpha1.Migration) int64 { return max(m.Spec.Attempt, 1) }

// migrations gives those that move traffic between the two clusters: their guard
// says so.
func (x *run) migrations(ctx context.Context) ([]v1alpha1.Migration, error) {
	var list v1alpha1.MigrationList
	if err := x.Client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	ours := slices.DeleteFunc(list.Items, func(m v1alpha1.Migration) bool { return !x.isOurs(&m) || !m.DeletionTimestamp.IsZero() })
	slices.SortFunc(ours, func(a, b v1alpha1.Migration) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return ours, nil
}

func (x *run) isOurs(m *v1alpha1.Migration) bool {
	return slices.ContainsFunc(m.Spec.Guards, func(g v1alpha1.MigrationGuard) bool {
		return g.Parity != nil && g.Parity.From == x.from && g.Parity.To == x.to
	})
}

// unclaimed refuses where another migration has a hostname of the environments:
// what it moves, and where to, nobody knows here.
func (x *run) unclaimed(ctx context.Context, envs []v1alpha1.Environment, ours []v1alpha1.Migration) error {
	var list v1alpha1.MigrationList
	if err := x.Client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing migrations: %w", err)
	}
	for i := range list.Items {
		m := &list.Items[i]
		ended := m.Status.Phase == v1alpha1.MigrationFinished || m.Status.Phase == v1alpha1.MigrationReverted
		if ended || x.isOurs(m) {
			continue
		}
		for j := range envs {
			if slices.Contains(hostnamesOf(&envs[j]), m.Spec.Hostname) {
				return fault.New(fault.Refused, fmt.Sprintf("End it first, or give it a parity guard from %s to %s.", x.from, x.to),
					"migration %s/%s is %s for %s, and says nothing of these clusters", m.Namespace, m.Name, m.Status.Phase, m.Spec.Hostname)
			}
		}
	}
	return nil
}

// follow waits until all are completed. Steps that wait for approval are approved
// by a person, here or elsewhere.
func (x *run) follow(ctx context.Context, shown progress.Step, all []v1alpha1.Migration) error {
	asked := map[string]bool{}
	err := x.poll(ctx, func() (bool, error) {
		completed := 0
		for i := range all {
			m := &all[i]
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(m), m); err != nil {
				return false, fmt.Errorf("following migration %s/%s: %w", m.Namespace, m.Name, err)
			}
			shown.Update("%s: %s, %s, step %s: %s", m.Spec.Hostname, m.Status.Phase, m.Status.Weight, m.Status.Progress, m.Status.Reason)
			over, err := x.look(ctx, m, asked)
			if err != nil {
				return false, err
			}
			if over {
				completed++
			}
		}
		return completed == len(all), nil
	})
	x.report.Migrations = all
	return err
}

// look tells whether a migration has brought all traffic over.
func (x *run) look(ctx context.Context, m *v1alpha1.Migration, asked map[string]bool) (over bool, err error) {
	if m.Status.ObservedGeneration < m.Generation {
		return false, nil
	}
	switch m.Status.Phase {
	case v1alpha1.MigrationCompleted, v1alpha1.MigrationFinished:
		return true, nil
	case v1alpha1.MigrationReverted:
		return false, fault.New(fault.NotHolding, fmt.Sprintf("`landfall migrate history %s -n %s` tells why; the same command begins again.", m.Name, m.Namespace),
			"migration %s/%s has reverted: all traffic is on %s", m.Namespace, m.Name, m.Spec.From.Name)
	case v1alpha1.MigrationAwaitingApproval:
		question := fmt.Sprintf("%s has %s on %s. Approve step %s?", m.Spec.Hostname, m.Status.Weight, m.Spec.To.Name, m.Status.Progress)
		at := m.Namespace + "/" + m.Name + " " + m.Status.Progress
		if asked[at] {
			return false, nil
		}
		asked[at] = true
		if x.wishes.Yes || x.Confirm(ctx, question) {
			return false, x.edit(ctx, m, func() { x.Say(m, "approve", stepOf(m)) })
		}
		return false, fault.New(fault.Refused, fmt.Sprintf("`landfall migrate approve %s -n %s` lets it go on; then repeat the command. --yes approves all.", m.Name, m.Namespace),
			"migration %s/%s waits for approval of step %s", m.Namespace, m.Name, m.Status.Progress)
	}
	return false, nil
}

// stepOf is the step that a migration is at, counted from 1: "2 of 5".
func stepOf(m *v1alpha1.Migration) int32 {
	var step int32
	if _, err := fmt.Sscanf(m.Status.Progress, "%d of", &step); err != nil {
		return 1
	}
	return step
}

// byHand asks a person about hostnames that no migration moves.
func (x *run) byHand(ctx context.Context, envs []v1alpha1.Environment, all []v1alpha1.Migration) error {
	var names []string
	for i := range envs {
		for _, name := range hostnamesOf(&envs[i]) {
			if !slices.ContainsFunc(all, func(m v1alpha1.Migration) bool { return moves(m.Spec.Hostname, name) }) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || x.wishes.TrafficSwitched || x.before == Done {
		return nil
	}
	if x.Confirm(ctx, fmt.Sprintf("Does %s lead to %s already?", listed(names), x.to)) {
		return nil
	}
	return fault.New(fault.Refused, "Give migrations with -f, or lead them there yourself and say --traffic-switched.",
		"no migration moves %s", listed(names))
}

// moves tells whether a migration of hostname moves name: names below it go the
// same way.
func moves(hostname, name string) bool {
	return name == hostname || strings.HasSuffix(name, "."+hostname)
}

// editing is how often a change is tried again: other people may say something
// at the same moment.
var editing = wait.Backoff{Steps: 8, Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.2}

// edit changes what people wrote into a Migration. Its controller writes the
// status several times a second, so that a lock on the whole object would rarely
// be had: that no word of somebody else is lost the API server sees to, which
// refuses it.
func (x *run) edit(ctx context.Context, m *v1alpha1.Migration, change func()) error {
	again := func(err error) bool { return apierrors.IsInvalid(err) || apierrors.IsConflict(err) }
	return retry.OnError(editing, again, func() error {
		if err := x.Client.Get(ctx, client.ObjectKeyFromObject(m), m); err != nil {
			return err
		}
		before := m.DeepCopy()
		change()
		return x.Client.Patch(ctx, m, client.MergeFrom(before))
	})
}
