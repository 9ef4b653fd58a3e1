package environment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Cluster names the cluster that the environment runs on: the one of its newest
// release, or the one it is to have its first on.
func Cluster(env *v1alpha1.Environment) string {
	return cmp.Or(env.Status.Cluster, env.Spec.Cluster)
}

// Arriving tells whether the environment has changed its cluster and has no
// release there yet: its newest one runs where it was.
func Arriving(env *v1alpha1.Environment) bool {
	left := env.Status.Left
	return left != nil && left.Release == env.Status.Release
}

// Clusters names all clusters that the environment has to do with: where it runs,
// where it is to run and where it still runs after a move.
func Clusters(env *v1alpha1.Environment) []string {
	names := []string{Cluster(env), env.Spec.Cluster}
	if left := env.Status.Left; left != nil {
		names = append(names, left.Cluster)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Move asks for the environment to run on another cluster, or to go back to the
// one that it has left. Refused while an earlier move elsewhere is not finished:
// asked for all the same, it would begin as soon as that one is.
func Move(env *v1alpha1.Environment, to string) error {
	if left := env.Status.Left; left != nil && to != left.Cluster && to != Cluster(env) {
		return fault.New(fault.Refused, fmt.Sprintf("`landfall env finish %s` finishes it, `landfall env move %s --to %s` goes back.", env.Name, env.Name, left.Cluster),
			"moving %s to %s: it moved from %s to %s, and that is not finished", env.Name, to, left.Cluster, Cluster(env))
	}
	env.Spec.Cluster = to
	return nil
}

// Finish asks for what the environment has left behind to be removed; forced, also
// where its cluster cannot be reached.
func Finish(env *v1alpha1.Environment, forced bool) error {
	switch {
	case env.Status.Left == nil:
		return nil
	case Arriving(env):
		return fault.New(fault.Refused, "Wait for it, or go back: `landfall env move "+env.Name+" --to "+env.Status.Left.Cluster+"`.",
			"finishing the move of %s: it does not run on %s yet", env.Name, Cluster(env))
	}
	if env.Annotations == nil {
		env.Annotations = map[string]string{}
	}
	env.Annotations[v1alpha1.AnnotationFinishRequested] = movedAt(env)
	if forced {
		env.Annotations[v1alpha1.AnnotationFinishForced] = movedAt(env)
	}
	return nil
}

// FinishAsked tells whether somebody asked for this very move to be finished, and
// whether forced.
func FinishAsked(env *v1alpha1.Environment) (asked, forced bool) {
	if env.Status.Left == nil {
		return false, false
	}
	at := movedAt(env)
	return env.Annotations[v1alpha1.AnnotationFinishRequested] == at, env.Annotations[v1alpha1.AnnotationFinishForced] == at
}

func movedAt(env *v1alpha1.Environment) string {
	return env.Status.Left.MovedAt.UTC().Format(time.RFC3339)
}
