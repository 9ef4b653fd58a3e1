package replace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

const (
	// parityPatience is how long differences may take to go: controllers of the
	// new side are still at work.
	parityPatience = time.Minute
	parityEvery    = 3 * time.Second
	// most differences that are named.
	most = 5
)

// parity is a gate: no traffic before both sides have the same.
func (x *run) parity(ctx context.Context, shown progress.Step) (string, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return "", err
	}
	o := parity.Options{Namespaces: slices.Clone(x.namespaces), Ignore: slices.Concat(x.wishes.Ignore, meant(envs))}
	o.Namespaces = append(o.Namespaces, homesOf(envs)...)
	slices.Sort(o.Namespaces)
	if o.Namespaces = slices.Compact(o.Namespaces); len(o.Namespaces) == 0 {
		return "nothing to compare", nil
	}
	until := x.Clock().Add(parityPatience)
	for {
		report, err := x.sides.Compare(ctx, o, within{shown})
		if err != nil {
			return "", err
		}
		x.report.Parity = report
		switch {
		case report.Answer == result.Holds:
			return report.Summary(), nil
		case x.Clock().After(until):
			return "", x.differ(report)
		}
		shown.Update("%s", report.Summary())
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(parityEvery):
		}
	}
}

func (x *run) differ(report *parity.Report) error {
	class := fault.NotHolding
	if report.Answer == result.Unknown {
		class = fault.Failed
	}
	return fault.New(class, fmt.Sprintf("`landfall parity %s %s` shows all; what is meant goes into a file for --ignore.", x.from, x.to),
		"%s: %s", report.Summary(), strings.Join(report.First(most), "; "))
}

// meant are the differences that a move makes on purpose, for as long as it goes
// on.
func meant(envs []v1alpha1.Environment) []v1alpha1.ParityIgnore {
	var rules []v1alpha1.ParityIgnore
	for i := range envs {
		env := &envs[i]
		home := namespaceOf(env)
		rules = append(rules,
			v1alpha1.ParityIgnore{Kind: "Job.batch", Namespace: home, Reason: "one-off jobs are not run again by a move"},
			v1alpha1.ParityIgnore{Kind: "CronJob.batch", Namespace: home, Path: "spec.suspend", Reason: "schedules run on one side until the move is finished"},
		)
		if left := env.Status.Left; left != nil {
			rules = append(rules, onlyThere(left.Inventory, env.Status.Inventory)...)
		}
	}
	return rules
}

// onlyThere names what an environment had and no longer wants: configuration of
// former releases, kept for a way back.
func onlyThere(before, now []v1alpha1.ObjectRef) []v1alpha1.ParityIgnore {
	wanted := map[v1alpha1.ObjectRef]bool{}
	for _, ref := range now {
		wanted[ref] = true
	}
	var rules []v1alpha1.ParityIgnore
	for _, ref := range before {
		if !wanted[ref] && ref.Kind != "Job" {
			rules = append(rules, v1alpha1.ParityIgnore{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, Reason: "is kept for a release before the move"})
		}
	}
	return rules
}

// Limits of a guard.
const (
	maxGuardNamespaces = 64
	maxGuardRules      = 128
)

// guard watches, while traffic moves, that the environments stay the same on both
// sides.
func (x *run) guard(envs []v1alpha1.Environment) (v1alpha1.MigrationGuard, error) {
	g := &v1alpha1.ParityGuard{From: x.from, To: x.to, Namespaces: homesOf(envs), Ignore: slices.Concat(x.wishes.Ignore, meant(envs))}
	if len(g.Namespaces) > maxGuardNamespaces || len(g.Ignore) > maxGuardRules {
		return v1alpha1.MigrationGuard{}, fault.New(fault.Refused, "Give the migrations parity guards of their own, each for the namespaces it is about.",
			"one guard cannot watch %d namespaces with %d rules", len(g.Namespaces), len(g.Ignore))
	}
	return v1alpha1.MigrationGuard{Name: "parity", Parity: g}, nil
}
