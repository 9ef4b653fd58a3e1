package environment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// indexEnvironment finds Releases by the environment they are of.
const indexEnvironment = "spec.environment"

// findRelease finds the newest release: the one the status names, or one made
// after it by a run that crashed before writing that down.
func (r *Reconciler) findRelease(ctx context.Context, s *scope) error {
	releases, err := r.releasesOf(ctx, s.env)
	if err != nil {
		return err
	}
	newest := ""
	if len(releases) > 0 {
		newest = releases[len(releases)-1].Name
	}
	// Our own newest release may not have reached the cache yet.
	if s.env.Status.Release != "" && numberOf(s.env, s.env.Status.Release) > numberOf(s.env, newest) {
		newest = s.env.Status.Release
	}
	if newest == "" {
		return nil
	}
	rel, err := r.readRelease(ctx, s.env, newest)
	if err != nil || rel == nil {
		return err
	}
	err = r.take(ctx, s, rel)
	if apierrors.IsNotFound(err) {
		// Somebody deleted what it held: the inputs make another one.
		log.FromContext(ctx).Error(err, "the newest release cannot be read")
		return nil
	}
	return err
}

// take lets rel be the newest release.
func (r *Reconciler) take(ctx context.Context, s *scope, rel *v1alpha1.Release) error {
	contents, err := r.contents.get(ctx, rel)
	if err != nil {
		return err
	}
	s.release, s.storedRelease, s.contents = rel, rel.DeepCopy(), contents
	status := &s.env.Status
	if status.Release != rel.Name {
		status.Release, status.InputsHash = rel.Name, rel.Spec.InputsHash
		status.RedeployedRequest = rel.Annotations[v1alpha1.AnnotationRedeployRequested]
	}
	status.URLs = contents.Desired.URLs
	return nil
}

// releasesOf gives an environment's releases as the cache knows them, oldest
// first; those of a deleted namesake are left out.
func (r *Reconciler) releasesOf(ctx context.Context, env *v1alpha1.Environment) ([]v1alpha1.Release, error) {
	var list v1alpha1.ReleaseList
	err := r.Client.List(ctx, &list, client.InNamespace(env.Namespace), client.MatchingFields{indexEnvironment: env.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing releases of %s: %w", env.Name, err)
	}
	var own []v1alpha1.Release
	for _, rel := range list.Items {
		if metav1.IsControlledBy(&rel, env) {
			own = append(own, rel)
		}
	}
	slices.SortFunc(own, func(a, b v1alpha1.Release) int { return cmp.Compare(a.Spec.Number, b.Spec.Number) })
	return own, nil
}

// readRelease gives a release of the environment, nil when there is none of
// that name. One that is not final is read from the API server, since its
// journal decides what happens next.
func (r *Reconciler) readRelease(ctx context.Context, env *v1alpha1.Environment, name string) (*v1alpha1.Release, error) {
	rel := &v1alpha1.Release{}
	key := types.NamespacedName{Namespace: env.Namespace, Name: name}
	if err := r.Client.Get(ctx, key, rel); err != nil || !final(rel) {
		if err := r.Live.Get(ctx, key, rel); apierrors.IsNotFound(err) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading release %s: %w", name, err)
		}
	}
	if !metav1.IsControlledBy(rel, env) {
		return nil, nil
	}
	return rel, nil
}

// ensureRelease makes a release when the environment is to run something else
// than the newest one.
func (r *Reconciler) ensureRelease(ctx context.Context, s *scope) error {
	if s.wanted == nil {
		return nil
	}
	s.env.Status.RefusedInputs = ""
	if r.upToDate(s) {
		return nil
	}
	if p := r.failedBefore(s); p != nil {
		s.hinder(p)
		return nil
	}
	contents, err := r.render(ctx, s)
	if err == nil {
		err = r.checkPrune(ctx, s, contents.Desired)
	}
	var p *problem
	if errors.As(err, &p) {
		s.hinder(p)
		r.rememberFailure(s)
		return nil
	}
	if err != nil {
		return err
	}
	return r.createRelease(ctx, s, contents)
}

// hinder notes what keeps the release that is wanted from being made.
func (s *scope) hinder(p *problem) {
	s.problem = p
	if p.reason == v1alpha1.ReasonPruneRefused {
		s.env.Status.RefusedInputs = s.wanted.hash
	}
}

// upToDate tells whether the newest release is what is wanted.
func (r *Reconciler) upToDate(s *scope) bool {
	return s.release != nil && s.env.Status.InputsHash == s.wanted.hash && redeployRequest(s.env) == ""
}

// redeployRequest is the request for the same again that is still to be met.
func redeployRequest(env *v1alpha1.Environment) string {
	if request := env.Annotations[v1alpha1.AnnotationRedeployRequested]; request != env.Status.RedeployedRequest {
		return request
	}
	return ""
}

// resolveAndRender finds versions and renders.
func (r *Reconciler) resolveAndRender(ctx context.Context, s *scope) (*environment.Desired, error) {
	in := s.wanted.input
	resolver := r.resolver(s)
	images, charts, err := version.Resolve(ctx, resolver, s.wanted.needs)
	if err != nil {
		return nil, unresolved(err)
	}
	in.Images, in.Charts = images, charts
	if r.APIs != nil {
		in.APIs = r.APIs(ctx, s.cluster.Name)
	}
	desired, err := environment.Render(ctx, in)
	if err != nil {
		return nil, stalled(v1alpha1.ReasonInvalid, err)
	}
	if err := version.Pin(ctx, resolver, desired); err != nil {
		return nil, unresolved(err)
	}
	return desired, nil
}

// unresolved is shown and tried again: a registry comes back, an image gets
// pushed.
func unresolved(err error) *problem {
	p := waiting(v1alpha1.ReasonVersionNotResolved, retrySoon, withHint(err))
	if class := fault.ClassOf(err); class == fault.NotFound || class == fault.Invalid {
		p.stalled, p.retry = true, retryRare
	}
	return p
}

// withHint lets an error's text end with what to do about it.
func withHint(err error) error {
	if hint := fault.HintOf(err); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// failedBefore gives the problem that the same attempt met a moment ago.
func (r *Reconciler) failedBefore(s *scope) *problem {
	var known *problem
	r.memory.of(s.key(), func(k *recollection) {
		if a := k.attempt; a != nil && a.same(s) && s.now.Before(a.until) {
			known = a.problem
			s.lookAgain(a.until.Sub(s.now))
		}
	})
	return known
}

func (r *Reconciler) rememberFailure(s *scope) {
	s.lookAgain(s.problem.retry)
	r.memory.of(s.key(), func(k *recollection) {
		k.attempt = &attempt{
			hash: s.wanted.hash, credentials: s.wanted.credentials.Fingerprint(), approved: s.env.Annotations[v1alpha1.AnnotationPruneApproved], redeploy: redeployRequest(s.env),
			problem: s.problem, until: s.now.Add(s.problem.retry),
		}
	})
}

func (a *attempt) same(s *scope) bool {
	return a.hash == s.wanted.hash && a.credentials == s.wanted.credentials.Fingerprint() && a.redeploy == redeployRequest(s.env) && a.approved == s.env.Annotations[v1alpha1.AnnotationPruneApproved]
}

// createRelease stores the contents, then the Release, and only then lets it
// be the newest. Nothing is applied before all of it is stored.
func (r *Reconciler) createRelease(ctx context.Context, s *scope, contents release.Contents) error {
	rel := newRelease(s, contents)
	chunks, err := release.Encode(contents)
	if err != nil {
		return stalled(v1alpha1.ReasonInvalid, err)
	}
	if rel.Spec.Contents, err = r.storeContents(ctx, s.env, rel.Name, chunks); err != nil {
		return err
	}
	r.Reached(pointContents)
	if err := controllerutil.SetControllerReference(s.env, rel, r.Client.Scheme()); err != nil {
		return err
	}
	if err := r.Client.Create(ctx, rel); err != nil {
		return fmt.Errorf("creating release %s: %w", rel.Name, err)
	}
	r.Reached(pointRelease)
	if err := r.supersede(ctx, s, rel); err != nil {
		return err
	}
	r.event(s, normal, "ReleaseCreated", "Release", "release %s (%s)", rel.Name, rel.Spec.Cause)
	return r.take(ctx, s, rel)
}

// supersede ends the release that was under way until now.
func (r *Reconciler) supersede(ctx context.Context, s *scope, by *v1alpha1.Release) error {
	if !s.underWay() {
		return nil
	}
	at := metav1.NewTime(s.now)
	s.release.Status.Phase, s.release.Status.FinishedAt = v1alpha1.ReleaseSuperseded, &at
	r.Metrics.finished(s.release)
	r.event(s, normal, "ReleaseSuperseded", "Release", "release %s superseded by %s", s.release.Name, by.Name)
	return r.persistRelease(ctx, s)
}

func newRelease(s *scope, contents release.Contents) *v1alpha1.Release {
	number := numberOf(s.env, s.env.Status.Release) + 1
	cause := causeOf(s, contents)
	rel := &v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.env.Namespace, Name: fmt.Sprintf("%s-%d", s.env.Name, number),
			Labels: map[string]string{v1alpha1.LabelEnvironment: s.env.Name},
		},
		Spec: v1alpha1.ReleaseSpec{
			Environment: s.env.Name, Number: number, Cause: cause, Cluster: s.cluster.Name,
			Author: s.env.Annotations[v1alpha1.AnnotationAuthor], Message: s.env.Annotations[v1alpha1.AnnotationMessage],
			InputsHash: s.wanted.hash, ObjectsHash: contents.Desired.Hash(), Components: contents.Desired.Components,
		},
	}
	switch cause {
	case v1alpha1.CauseRollback:
		rel.Spec.RollbackTo = s.wanted.rollback.Name
	case v1alpha1.CauseBlueprint:
		bp := s.wanted.input.Blueprint
		rel.Spec.Author, rel.Spec.Message = bp.Annotations[v1alpha1.AnnotationAuthor], bp.Annotations[v1alpha1.AnnotationMessage]
	}
	if request := s.env.Annotations[v1alpha1.AnnotationRedeployRequested]; request != "" {
		rel.Annotations = map[string]string{v1alpha1.AnnotationRedeployRequested: request}
	}
	return rel
}

// causeOf tells what made the release.
func causeOf(s *scope, contents release.Contents) v1alpha1.Cause {
	switch {
	case s.wanted.rollback != nil:
		return v1alpha1.CauseRollback
	case s.release == nil:
		return v1alpha1.CauseCreate
	case s.arriving():
		return v1alpha1.CauseMove
	case s.env.Status.InputsHash == s.wanted.hash:
		return v1alpha1.CauseRedeploy
	case s.release.Spec.Cause != v1alpha1.CauseRollback && sameWish(s.contents.Environment, contents.Environment):
		return v1alpha1.CauseBlueprint
	}
	return v1alpha1.CauseDeploy
}

// sameWish tells whether two specs ask for the same to run; how long, asleep
// or how carefully is another matter.
func sameWish(a, b v1alpha1.EnvironmentSpec) bool {
	for _, spec := range []*v1alpha1.EnvironmentSpec{&a, &b} {
		spec.TTL, spec.DeployTimeout, spec.HistoryLimit = nil, nil, 0
		spec.Seed, spec.Stage = nil, ""
		spec.Asleep, spec.Adopt, spec.Drift, spec.RollbackTo = false, false, "", ""
	}
	return equality.Semantic.DeepEqual(a, b)
}

// numberOf gives the number in a release's name, 0 for none.
func numberOf(env *v1alpha1.Environment, name string) int32 {
	var number int32
	if _, err := fmt.Sscanf(name, env.Name+"-%d", &number); err != nil {
		return 0
	}
	return number
}
