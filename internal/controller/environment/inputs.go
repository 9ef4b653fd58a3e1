package environment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/fault"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// wanted is what the environment is to run next: the inputs of a rendering, or
// a former release.
type wanted struct {
	// hash identifies it; other hashes mean another release.
	hash     string
	input    environment.Input
	needs    environment.Needs
	rollback *v1alpha1.Release
	// credentials for registries. They are no part of what is wanted: others make
	// no release.
	credentials *pullsecret.Credentials
}

// reachCluster finds the Cluster and how to talk to it. That a cluster does not
// answer is the cluster reconciler's finding, so that a hundred environments on
// a dead cluster do not each wait for it.
func (r *Reconciler) reachCluster(ctx context.Context, s *scope) error {
	cluster, p := r.findCluster(ctx, environment.Cluster(s.env))
	if p != nil {
		return p
	}
	s.cluster = cluster
	target, err := r.Targets(ctx, cluster.Name)
	if err != nil {
		return waiting(v1alpha1.ReasonClusterUnreachable, retryRare, err)
	}
	s.target = target
	s.env.Status.Namespace = s.namespace()
	return nil
}

// gatherInputs finds out what the environment is to run. What is wrong with it
// is kept as the scope's problem: what runs already is looked after all the
// same.
func (r *Reconciler) gatherInputs(ctx context.Context, s *scope) error {
	gather := r.gatherBlueprint
	if s.env.Spec.RollbackTo != "" {
		gather = r.gatherRollback
	}
	w, err := gather(ctx, s)
	if errors.As(err, &s.problem) {
		return nil
	}
	s.wanted = w
	return err
}

// gatherRollback needs nothing but the former release.
func (r *Reconciler) gatherRollback(ctx context.Context, s *scope) (*wanted, error) {
	name := s.env.Spec.RollbackTo
	rel, err := r.readRelease(ctx, s.env, name)
	if err != nil {
		return nil, err
	}
	if rel == nil {
		return nil, stalled(v1alpha1.ReasonReleaseNotFound, fmt.Errorf("release %s, to which to roll back, does not exist: `landfall history %s` shows what there is", name, s.env.Name))
	}
	sum := sha256.Sum256([]byte("rollback to " + string(rel.UID)))
	return &wanted{hash: hex.EncodeToString(sum[:]), rollback: rel}, nil
}

// gatherBlueprint reads the blueprint and all it refers to.
func (r *Reconciler) gatherBlueprint(ctx context.Context, s *scope) (*wanted, error) {
	bp := &v1alpha1.Blueprint{}
	switch err := r.Client.Get(ctx, types.NamespacedName{Namespace: s.env.Namespace, Name: s.env.Spec.Blueprint}, bp); {
	case apierrors.IsNotFound(err):
		return nil, stalled(v1alpha1.ReasonBlueprintNotFound, fmt.Errorf("blueprint %s does not exist in project %s: create it with `landfall apply -f`", s.env.Spec.Blueprint, s.env.Namespace))
	case err != nil:
		return nil, fmt.Errorf("reading blueprint %s: %w", s.env.Spec.Blueprint, err)
	}
	if err := errors.Join(environment.Validate(bp), environment.ValidateEnvironment(bp, s.env)); err != nil {
		return nil, stalled(v1alpha1.ReasonInvalid, err)
	}
	needs := environment.Needed(bp, s.env)
	r.memory.of(s.key(), func(k *recollection) { k.secrets = watchedSecrets(s.env, needs) })
	secrets, err := r.secrets.values(ctx, s.env.Namespace, needs.Secrets, needs.Optional)
	if fault.ClassOf(err) == fault.NotFound {
		return nil, stalled(v1alpha1.ReasonInvalid, err)
	}
	if err != nil {
		return nil, err
	}
	credentials, err := r.credentials(ctx, s, needs.PullSecrets)
	if err != nil {
		return nil, err
	}
	stores, err := r.ensureStores(ctx, s, needs.Stores)
	if err != nil {
		return nil, waiting(v1alpha1.ReasonStoreNotReady, retrySoon, err)
	}
	if err := r.seed(ctx, s); err != nil {
		return nil, err
	}
	in := environment.Input{Blueprint: bp, Environment: s.env, Cluster: s.cluster, Secrets: secrets, Stores: stores}
	return &wanted{hash: in.Hash(), input: in, needs: needs, credentials: credentials}, nil
}

// render turns what is wanted into what to run.
func (r *Reconciler) render(ctx context.Context, s *scope) (release.Contents, error) {
	w := s.wanted
	if w.rollback != nil {
		contents, err := r.contents.get(ctx, w.rollback)
		if err != nil {
			return release.Contents{}, stalled(v1alpha1.ReasonReleaseNotFound, err)
		}
		return *contents, nil
	}
	desired, err := r.resolveAndRender(ctx, s)
	if err != nil {
		return release.Contents{}, err
	}
	if len(desired.Objects()) == 0 {
		return release.Contents{}, stalled(v1alpha1.ReasonInvalid, errors.New("the blueprint renders to no objects at all: nothing was changed"))
	}
	return release.Contents{Desired: desired, Blueprint: w.input.Blueprint.Spec, Environment: s.env.Spec}, nil
}

// watchedSecrets are those of the project that an environment depends on.
func watchedSecrets(env *v1alpha1.Environment, needs environment.Needs) map[string]bool {
	names := slices.Concat(needs.Secrets, needs.Optional, needs.PullSecrets)
	for _, st := range needs.Stores {
		names = append(names, environment.StoreSource(st), environment.StoreSettings(env.Name, st.Name))
	}
	return maps.Collect(func(yield func(string, bool) bool) {
		for _, name := range names {
			if !yield(name, true) {
				return
			}
		}
	})
}
