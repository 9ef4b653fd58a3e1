package datacopy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Outcome is all that is known of one copy, for status and evidence.
type Outcome struct {
	Plan   *Plan   `json:"plan"`
	Result *Result `json:"result,omitempty"`
	Report *Report `json:"report,omitempty"`
}

// Run copies and verifies: the plan of the journal when it has one, else a new
// one. A difference is an error of class fault.NotHolding, an unknown answer
// one of fault.Failed. The outcome is given with an error too.
func Run(ctx context.Context, engine Engine, req Request, journal Journal, reporter progress.Reporter) (*Outcome, error) {
	plan, err := planned(ctx, engine, req, journal)
	if err != nil {
		return &Outcome{Plan: plan}, err
	}
	outcome := &Outcome{Plan: plan}
	outcome.Result, outcome.Report, err = Prove(ctx, engine, req, plan, journal, reporter, func() {})
	if err != nil {
		return outcome, err
	}
	return outcome, outcome.Report.Err()
}

// Prove copies as planned, calls copied, and verifies; in one where the engine
// is a Prover.
func Prove(ctx context.Context, engine Engine, req Request, plan *Plan, journal Journal, reporter progress.Reporter, copied func()) (*Result, *Report, error) {
	if prover, can := engine.(Prover); can {
		return prover.Prove(ctx, req, plan, journal, reporter, copied)
	}
	result, err := engine.Copy(ctx, req, plan, journal, reporter)
	if err != nil {
		return result, nil, err
	}
	copied()
	report, err := engine.Verify(ctx, req, plan, journal, reporter)
	return result, report, err
}

// planned gives the plan to carry out, and puts a new one into the journal.
func planned(ctx context.Context, engine Engine, req Request, journal Journal) (*Plan, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	plan := journal.Plan()
	if plan == nil {
		var err error
		if plan, err = engine.Plan(ctx, req); err != nil {
			return nil, err
		}
	}
	if err := plan.Check(req); err != nil {
		return plan, err
	}
	return plan, journal.Begin(plan)
}

// Check says whether the request can be meant.
func (r Request) Check() error {
	switch {
	case r.From.Kind() == "" || r.To.Kind() == "":
		return fault.New(fault.Invalid, "Name where to copy from and where to.", "copying data: an address is missing")
	case r.From.Kind() != r.To.Kind():
		return fault.New(fault.Invalid, "Copy between stores of one kind.", "copying data: the source is %s, the target is %s", r.From.Kind(), r.To.Kind())
	case r.From.Same(r.To):
		return fault.New(fault.Refused, "Name another target.", "copying data: source and target are the same, %s", r.From)
	case r.Mode != "" && r.Mode != Full && r.Mode != Incremental:
		return fault.New(fault.Invalid, "Use full or incremental.", "copying data: mode %q is unknown", r.Mode)
	case r.Delete && r.Mode != Incremental:
		return fault.New(fault.Invalid, "Add the incremental mode, or take replace.", "copying data: deletions belong to an incremental copy")
	case r.Parallel < 0 || r.ChunkBytes < 0 || r.MaxBytesPerSecond < 0 || r.MaxThreadsRunning < 0 || r.MaxReplicaLag < 0:
		return fault.New(fault.Invalid, "", "copying data: a limit is negative")
	}
	_, err := r.Names()
	return err
}

// MaskDigest is that of the mask, "" without one.
func (r Request) MaskDigest() string {
	if r.Mask == nil {
		return ""
	}
	return r.Mask.Digest()
}

// Check says whether a copy may be done as planned. Engines call it first in
// Copy.
func (p *Plan) Check(req Request) error {
	switch {
	case p.Kind != req.From.Kind() || p.From != req.From.String() || p.To != req.To.String():
		return fault.New(fault.Refused, "Plan anew.", "copying data: the plan is for %s to %s", p.From, p.To)
	case !p.asked(req):
		return fault.New(fault.Refused, "Ask for the same again, or begin anew (--anew).",
			"copying data from %s to %s: what was begun was asked for otherwise: another mode, other names or options", p.From, p.To)
	case p.MaskDigest != req.MaskDigest():
		return fault.New(fault.Refused, "Use the rules and the secret the copy began with, or begin anew.", "copying data: the mask is not the plan's")
	case len(p.Blockers) > 0:
		return fault.New(fault.Refused, "", "copying data from %s to %s: %s", p.From, p.To, strings.Join(p.Blockers, "; "))
	case len(p.Overwrites) > 0 && !p.Replace && p.Mode != Incremental:
		return fault.New(fault.Refused, "Ask to replace it (--replace) if it may be lost, or for an incremental copy (--incremental).",
			"copying data: %s is not empty: %s", p.To, first(p.Overwrites))
	}
	return nil
}

// named is how many things of a list an error names.
const named = 3

// first names the first things of a list, and counts the others.
func first(things []string) string {
	if len(things) <= named+1 {
		return strings.Join(things, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(things[:named], "; "), len(things)-named)
}

// Err is nil when everything is equal.
func (r *Report) Err() error {
	switch r.Answer() {
	case Equal:
		return nil
	case Different:
		var names []string
		hint := "Look at the differences; copy again in the incremental mode."
		for _, unit := range r.Units {
			if unit.Answer == Different {
				names = append(names, unit.Name)
			}
			if slices.ContainsFunc(unit.Differences, func(d Difference) bool { return d.What == Extra }) {
				hint = "Look at the differences; copy again in the incremental mode, with --delete for what only the target has."
			}
		}
		return fault.New(fault.NotHolding, hint, "verifying the copy: %d of %d parts differ: %s", len(names), len(r.Units), first(names))
	}
	var causes []error
	for _, unit := range r.Units {
		if unit.Answer != Equal {
			causes = append(causes, fmt.Errorf("%s: %s", unit.Name, unit.Cause))
		}
	}
	if len(causes) == 0 {
		causes = append(causes, errors.New("nothing was compared"))
	}
	return fault.Wrap(fault.Failed, fmt.Errorf("verifying the copy: %w", errors.Join(causes...)), "Verify again.")
}
