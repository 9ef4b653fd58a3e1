package migration

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/objective"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/guard"
)

// objective looks at the error budget of an environment's baseline: what is left
// of it, and what was spent since the migration began.
func (b Binder) objective(m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard) (traffic.Guard, func(), error) {
	o := &budget{reader: b.Reader, namespace: m.Namespace, spec: *spec.Objective, began: b.Clock(), most: unbounded}
	if p, err := Progress(m); err == nil && !p.Started.IsZero() {
		o.began = p.Started
	}
	o.burn = objective.NewBurn(o.began)
	for _, bound := range []struct {
		field, text string
		to          *float64
	}{{"minBudgetLeft", spec.Objective.MinBudgetLeft, &o.least}, {"maxBudgetSpent", spec.Objective.MaxBudgetSpent, &o.most}} {
		if bound.text == "" {
			continue
		}
		var err error
		if *bound.to, err = strconv.ParseFloat(bound.text, 64); err != nil {
			return nil, nil, fault.New(fault.Invalid, "", "%s %q is no number", bound.field, bound.text)
		}
	}
	return guard.Results(rule(*spec), func(ctx context.Context, at time.Time) []result.Result {
		return []result.Result{o.look(ctx, at)}
	}), nil, nil
}

// budget is the error budget of an objective of an environment's baseline.
type budget struct {
	reader    client.Reader
	namespace string
	spec      v1alpha1.ObjectiveGuard
	began     time.Time
	burn      *objective.Burn
	// least that must be left, and most that may be spent since began, in
	// percent.
	least, most float64
}

// unbounded says that all of the budget may be spent.
const unbounded = -1

func (g *budget) look(ctx context.Context, at time.Time) result.Result {
	r := result.Result{Group: g.spec.Environment, Name: g.spec.Objective, Expected: fmt.Sprintf("more than %g %% of the error budget left", g.least)}
	if g.most != unbounded {
		r.Expected += fmt.Sprintf(", at most %g %% spent by this migration", g.most)
	}
	status, err := g.read(ctx, at)
	if err != nil {
		r.Reason = err.Error()
		return r
	}
	left, err := strconv.ParseFloat(status.BudgetLeft, 64)
	if err != nil {
		r.Reason = fmt.Sprintf("nothing was counted for objective %s of environment %s yet", status.Name, g.spec.Environment)
		return r
	}
	spent := g.burn.Spent(spans(status), left)
	r.Actual = fmt.Sprintf("%.1f %% left, %.1f %% spent since %s", left, spent, g.began.UTC().Format("15:04 UTC"))
	r.Answer = result.Fails
	if left > g.least && (g.most == unbounded || spent <= g.most) {
		r.Answer = result.Holds
	}
	return r
}

func spans(status *v1alpha1.ObjectiveStatus) []objective.Span {
	var all []objective.Span
	for _, s := range status.Spans {
		all = append(all, objective.Span{Start: s.Start.UTC(), Good: s.Good, Total: s.Total})
	}
	return all
}

// budgetStale is how old an environment's objectives may be, in intervals of
// their checks at the longest.
const budgetStale = 10 * time.Minute

func (g *budget) read(ctx context.Context, at time.Time) (*v1alpha1.ObjectiveStatus, error) {
	env := &v1alpha1.Environment{}
	if err := g.reader.Get(ctx, client.ObjectKey{Namespace: g.namespace, Name: g.spec.Environment}, env); err != nil {
		return nil, fmt.Errorf("reading environment %s: %w", g.spec.Environment, err)
	}
	normal := env.Status.Baseline
	switch {
	case normal == nil:
		return nil, fmt.Errorf("environment %s has no baseline", env.Name)
	case normal.CheckedAt == nil || at.Sub(normal.CheckedAt.Time) > budgetStale:
		return nil, fmt.Errorf("the baseline of environment %s was not checked lately: %s", env.Name, normal.Reason)
	}
	for i := range normal.Objectives {
		if normal.Objectives[i].Name == g.spec.Objective {
			return &normal.Objectives[i], nil
		}
	}
	return nil, fmt.Errorf("environment %s has no objective %s", env.Name, g.spec.Objective)
}
