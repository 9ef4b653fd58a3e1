package environment

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
)

// seedRecheck is how often a seed that grows is looked at should an event be
// missed.
const seedRecheck = 2 * time.Second

// seedName names the DataCopy that fills an environment's stores.
func seedName(env *v1alpha1.Environment) string { return env.Name + "-seed" }

// seed fills the stores before the first release, so that nothing runs on half
// of the data. Once verified it is never done again.
func (r *Reconciler) seed(ctx context.Context, s *scope) error {
	if s.env.Spec.Seed == nil || s.env.Status.Seeded != nil || s.release != nil {
		return nil
	}
	dc, err := r.findSeed(ctx, s.env)
	if err != nil {
		return err
	}
	if dc == nil {
		if err := r.Client.Create(ctx, newSeed(s.env)); err != nil {
			return fmt.Errorf("asking for the seed: %w", err)
		}
		return waiting(v1alpha1.ReasonSeeding, seedRecheck, fmt.Errorf("copying data from %s", s.env.Spec.Seed.From))
	}
	return r.seeded(s, dc)
}

// seeded says what the copy's state means for the environment.
func (r *Reconciler) seeded(s *scope, dc *v1alpha1.DataCopy) error {
	switch {
	case !metav1.IsControlledBy(dc, s.env):
		return waiting(v1alpha1.ReasonSeeding, seedRecheck, fmt.Errorf("waiting until data copy %s, which is another environment's, is gone", dc.Name))
	case dc.Status.Phase == v1alpha1.DataCopySucceeded:
		at := metav1.NewTime(s.now)
		s.env.Status.Seeded = &at
		r.event(s, normal, v1alpha1.ReasonCopied, "Seed", "filled with data of %s, verified: data copy %s", s.env.Spec.Seed.From, dc.Name)
		return nil
	case dc.Status.Phase.Final():
		p := stalled(v1alpha1.ReasonSeedFailed, fmt.Errorf("copying data from %s: %s; `landfall data resume %s` tries again", s.env.Spec.Seed.From, dc.Status.Message, dc.Name))
		p.retry = retryRare
		return p
	}
	message := fmt.Sprintf("copying data from %s", s.env.Spec.Seed.From)
	if dc.Status.Progress != "" {
		message += ", " + dc.Status.Progress
	}
	if dc.Status.Message != "" {
		message += ": " + dc.Status.Message
	}
	return waiting(v1alpha1.ReasonSeeding, seedRecheck, fmt.Errorf("%s", message))
}

// findSeed reads the copy, nil when there is none.
func (r *Reconciler) findSeed(ctx context.Context, env *v1alpha1.Environment) (*v1alpha1.DataCopy, error) {
	dc := &v1alpha1.DataCopy{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: env.Namespace, Name: seedName(env)}, dc)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading data copy %s: %w", seedName(env), err)
	}
	return dc, nil
}

func newSeed(env *v1alpha1.Environment) *v1alpha1.DataCopy {
	seed := env.Spec.Seed
	dc := &v1alpha1.DataCopy{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: seedName(env), Labels: map[string]string{v1alpha1.LabelEnvironment: env.Name}},
		Spec: v1alpha1.DataCopySpec{
			From: v1alpha1.DataCopySide{Environment: seed.From}, To: &v1alpha1.DataCopySide{Environment: env.Name},
			Stores: seed.Stores, Mask: seed.Mask, Unmasked: seed.Unmasked,
		},
	}
	dc.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(env, v1alpha1.GroupVersion.WithKind("Environment"))}
	return dc
}

// endSeed ends a copy that is still under way; it is a blocker until nothing
// writes to the stores any more.
func (r *Reconciler) endSeed(ctx context.Context, s *scope) error {
	dc, err := r.findSeed(ctx, s.env)
	if err != nil || dc == nil || !metav1.IsControlledBy(dc, s.env) {
		return err
	}
	if dc.DeletionTimestamp.IsZero() {
		err := r.Client.Delete(ctx, dc, client.PropagationPolicy(metav1.DeletePropagationForeground))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("ending data copy %s: %w", dc.Name, err)
		}
	}
	ref := v1alpha1.ObjectRef{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DataCopy", Namespace: dc.Namespace, Name: dc.Name}
	s.blockers = append(s.blockers, kube.Blocker{Object: ref, Message: "is ending: its Job still writes"})
	return nil
}
