package change

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// RollbackTarget picks the release to go back to: number to, or, where that is
// 0, the last successful one before what runs now. Going back twice goes back
// further: a rollback counts as the release it returned to.
func RollbackTarget(env *v1alpha1.Environment, releases []v1alpha1.Release, to int32) (*v1alpha1.Release, error) {
	history := slices.Clone(releases)
	slices.SortFunc(history, func(a, b v1alpha1.Release) int { return cmp.Compare(b.Spec.Number, a.Spec.Number) })
	if to > 0 {
		return numbered(env, history, to)
	}
	current := effective(history, env.Status.Release)
	if current == nil {
		return nil, fault.New(fault.Invalid, "Deploy something first: `landfall deploy "+env.Name+"`.",
			"rolling back %s: it has no release yet", env.Name)
	}
	for i := range history {
		r := &history[i]
		if r.Spec.Number < current.Spec.Number && r.Status.Phase == v1alpha1.ReleaseSucceeded && r.Spec.ObjectsHash != current.Spec.ObjectsHash {
			return r, nil
		}
	}
	return nil, fault.New(fault.Invalid, "`landfall history "+env.Name+"` shows what is kept; choose one with --to N.",
		"rolling back %s: no release before %d succeeded and ran anything else", env.Name, current.Spec.Number)
}

// effective follows rollbacks to the release whose objects the named one runs.
func effective(history []v1alpha1.Release, name string) *v1alpha1.Release {
	for range history {
		i := slices.IndexFunc(history, func(r v1alpha1.Release) bool { return r.Name == name })
		if i < 0 {
			return nil
		}
		r := &history[i]
		if r.Spec.RollbackTo == "" || !slices.ContainsFunc(history, func(o v1alpha1.Release) bool { return o.Name == r.Spec.RollbackTo }) {
			return r
		}
		name = r.Spec.RollbackTo
	}
	return nil
}

func numbered(env *v1alpha1.Environment, history []v1alpha1.Release, number int32) (*v1alpha1.Release, error) {
	for i := range history {
		if history[i].Spec.Number == number {
			return &history[i], nil
		}
	}
	hint := "It has no release yet."
	if n := len(history); n > 0 {
		hint = fmt.Sprintf("Releases %d to %d are kept: `landfall history %s`.", history[n-1].Spec.Number, history[0].Spec.Number, env.Name)
	}
	return nil, fault.New(fault.NotFound, hint, "rolling back %s: release %d is not kept", env.Name, number)
}
