package environment

import (
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cap on what one deploy may delete: of an inventory of more than
// pruneCapFrom objects, at most half.
const pruneCapFrom = 10

// checkPrune refuses a release that would delete too much, before anything is
// stored or applied: more likely its inputs are broken than meant. A rollback
// was asked for by name and comes from the store, so it is not asked.
func (r *Reconciler) checkPrune(ctx context.Context, s *scope, desired *environment.Desired) error {
	if s.wanted.rollback != nil {
		return nil
	}
	releases, err := r.releasesOf(ctx, s.env)
	if err != nil {
		return err
	}
	kept, err := r.kept(ctx, s, releases)
	if err != nil {
		return err
	}
	counted := minus(s.env.Status.Inventory, kept)
	doomed := minus(counted, refsOf(desired.Objects()))
	return pruneVerdict(s.env, len(counted), doomed, s.wanted.hash)
}

func pruneVerdict(env *v1alpha1.Environment, inventory int, doomed []v1alpha1.ObjectRef, hash string) error {
	if inventory <= pruneCapFrom || 2*len(doomed) <= inventory || env.Annotations[v1alpha1.AnnotationPruneApproved] == hash {
		return nil
	}
	return stalled(v1alpha1.ReasonPruneRefused, fmt.Errorf(
		"deploying would delete %d of %d objects (%s); if that is meant: `landfall deploy %s --approve-prune`",
		len(doomed), inventory, listed(doomed), env.Name))
}

// prune forgets old releases, then deletes what neither the newest release nor
// one that is kept needs. It waits for nothing: what still terminates stays in
// the inventory.
func (r *Reconciler) prune(ctx context.Context, s *scope) (string, bool, error) {
	releases, err := r.trimHistory(ctx, s)
	if err != nil {
		return "", false, err
	}
	kept, err := r.kept(ctx, s, releases)
	if err != nil {
		return "", false, err
	}
	doomed := minus(s.env.Status.Inventory, kept, refsOf(s.contents.Desired.Objects()))
	if len(doomed) == 0 {
		return "nothing to delete", true, nil
	}
	changes, err := s.target.Prune(ctx, doomed, s.owner())
	if s.release.Status.Changes != nil && !final(s.release) {
		count(s.release.Status.Changes, changes)
	}
	if err != nil {
		return "", false, err
	}
	s.env.Status.Inventory = minus(s.env.Status.Inventory, refsOfChanges(changes.Of(kube.Deleted, kube.Skipped)))
	return fmt.Sprintf("%d deleted: %s", len(doomed), listed(doomed)), true, nil
}

// kept gives the objects that retained releases refer to and that stay for
// them: configuration that never changes, which pods of a former generation
// still read, and completed one-off Jobs, which a rollback must not run again.
func (r *Reconciler) kept(ctx context.Context, s *scope, releases []v1alpha1.Release) ([]v1alpha1.ObjectRef, error) {
	var kept, jobs []v1alpha1.ObjectRef
	for i := range releases {
		k, err := r.contents.keep(ctx, &releases[i])
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err != nil {
			continue // nothing stored, nothing to go back to
		}
		kept, jobs = append(kept, k.config...), append(jobs, k.jobs...)
	}
	completed, err := r.completed(ctx, s, jobs)
	return append(kept, completed...), err
}

// completed gives those of the Jobs that former releases have left on the
// cluster and that have completed.
func (r *Reconciler) completed(ctx context.Context, s *scope, jobs []v1alpha1.ObjectRef) ([]v1alpha1.ObjectRef, error) {
	left := minus(s.env.Status.Inventory, s.newestRefs())
	past := minus(left, minus(left, jobs)) // those that are among both
	if len(past) == 0 {
		return nil, nil
	}
	objs := make([]*unstructured.Unstructured, len(past))
	for i, ref := range past {
		objs[i] = &unstructured.Unstructured{}
		objs[i].SetAPIVersion(ref.APIVersion)
		objs[i].SetKind(ref.Kind)
		objs[i].SetNamespace(ref.Namespace)
		objs[i].SetName(ref.Name)
	}
	readiness, err := s.target.Ready(ctx, objs)
	if err != nil {
		return nil, err
	}
	var refs []v1alpha1.ObjectRef
	for _, o := range readiness.Objects {
		if o.State == kube.Ready {
			refs = append(refs, o.Object)
		}
	}
	return refs, nil
}

func (s *scope) newestRefs() []v1alpha1.ObjectRef {
	if s.contents == nil {
		return nil
	}
	return refsOf(s.contents.Desired.Objects())
}

func isImmutableConfig(o *unstructured.Unstructured) bool {
	if kind := o.GetKind(); kind != "ConfigMap" && kind != "Secret" {
		return false
	}
	immutable, _, _ := unstructured.NestedBool(o.Object, "immutable")
	return immutable
}

func refsOfChanges(changes kube.ChangeSet) []v1alpha1.ObjectRef {
	refs := make([]v1alpha1.ObjectRef, len(changes))
	for i, c := range changes {
		refs[i] = c.Object
	}
	return refs
}

// defaultHistoryLimit is used where spec.historyLimit is not set.
const defaultHistoryLimit = 10

// trimHistory deletes the oldest finished releases beyond the limit and gives
// those that are left. The newest, the last successful one, the one rolled back
// to and the one on the cluster that was left stay.
func (r *Reconciler) trimHistory(ctx context.Context, s *scope) ([]v1alpha1.Release, error) {
	releases, err := r.releasesOf(ctx, s.env)
	if err != nil {
		return nil, err
	}
	var left []v1alpha1.Release
	old := surplus(releases, s.env)
	for i := range releases {
		rel := &releases[i]
		if !old[rel.Name] {
			left = append(left, *rel)
			continue
		}
		if err := r.Client.Delete(ctx, rel); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("deleting release %s: %w", rel.Name, err)
		}
	}
	return left, nil
}

// surplus names the releases that are no longer kept; releases come oldest
// first.
func surplus(releases []v1alpha1.Release, env *v1alpha1.Environment) map[string]bool {
	limit := int(env.Spec.HistoryLimit)
	if limit == 0 {
		limit = defaultHistoryLimit
	}
	var finished []string
	for i := range releases {
		if final(&releases[i]) && releases[i].Name != env.Status.Release {
			finished = append(finished, releases[i].Name)
		}
	}
	old := map[string]bool{}
	for _, name := range finished[:max(len(finished)-limit, 0)] {
		if name != env.Status.LastSuccessful && name != env.Spec.RollbackTo && name != leftRelease(env) {
			old[name] = true
		}
	}
	return old
}

// leftRelease names the release that runs on the cluster that was left.
func leftRelease(env *v1alpha1.Environment) string {
	if env.Status.Left == nil {
		return ""
	}
	return env.Status.Left.Release
}
