package environment

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// compareEvery is how often the cluster is compared with the release
	// although no event came.
	compareEvery = 3 * time.Minute
	// compareSoonest is the least time between two comparisons for events.
	compareSoonest = 5 * time.Second
	// healSoonest is the least time between two automatic repairs, so that two
	// controllers that want different things do not fight at full speed.
	healSoonest = 30 * time.Second
	// maxDifferences is what the status takes.
	maxDifferences = 100
)

// checkDrift compares the cluster with a release that has succeeded, and puts
// back what differs where that is wanted.
func (r *Reconciler) checkDrift(ctx context.Context, s *scope) error {
	if s.release == nil || !final(s.release) {
		return nil
	}
	if s.release.Status.Phase != v1alpha1.ReleaseSucceeded {
		r.refuseHeal(s)
		return nil
	}
	healed, err := r.heal(ctx, s)
	if err != nil {
		return err
	}
	if !healed && !r.compareDue(s) {
		return nil
	}
	drift, err := r.compare(ctx, s, healed)
	if err != nil {
		log.FromContext(ctx).Info("drift is unknown", "reason", err.Error())
		drift = &v1alpha1.Drift{State: v1alpha1.DriftUnknown, Reason: err.Error(), CheckedAt: nowTime(s)}
	}
	r.noteDrift(s, drift)
	if err == nil {
		return r.sweep(ctx, s)
	}
	return nil
}

// compareDue tells whether it is time to compare: now and then, and soon after
// something changed.
func (r *Reconciler) compareDue(s *scope) bool {
	due := false
	r.memory.of(s.key(), func(k *recollection) {
		age := s.now.Sub(k.compared)
		switch {
		case age >= compareEvery, k.changed && age >= compareSoonest:
			due, k.changed, k.compared = true, false, s.now
			s.lookAgain(compareEvery)
		case k.changed:
			s.lookAgain(compareSoonest - age)
		default:
			s.lookAgain(compareEvery - age)
		}
	})
	return due
}

// compare asks what differs between the cluster and the newest release; proof
// asks about every object anew.
func (r *Reconciler) compare(ctx context.Context, s *scope, proof bool) (*v1alpha1.Drift, error) {
	r.memory.of(s.key(), func(k *recollection) { k.changed, k.compared = false, s.now })
	differences, err := s.target.Diff(ctx, s.objects(), kube.DiffOptions{Owner: s.owner(), Namespace: s.namespace(), Proof: proof})
	if err != nil {
		return nil, fmt.Errorf("comparing with release %s: %w", s.release.Name, err)
	}
	drift := &v1alpha1.Drift{State: v1alpha1.DriftClean, CheckedAt: nowTime(s), Total: int32(len(differences))}
	if len(differences) > 0 {
		drift.State = v1alpha1.DriftDrifted
		drift.Differences = differences[:min(len(differences), maxDifferences)]
	}
	return drift, nil
}

// noteDrift keeps the result; that the same was found again is written only
// now and then.
func (r *Reconciler) noteDrift(s *scope, drift *v1alpha1.Drift) {
	before := s.env.Status.Drift
	if before != nil && before.CheckedAt != nil && sameDrift(before, drift) && s.now.Sub(before.CheckedAt.Time) < compareEvery/2 {
		return
	}
	s.env.Status.Drift = drift
	if drift.State == v1alpha1.DriftDrifted && (before == nil || !sameDrift(before, drift)) {
		r.event(s, warning, v1alpha1.ReasonDrifted, "Compare", "%s", driftMessage(drift))
	}
}

// heal puts the cluster back where somebody asked for it, or where the spec
// says so and something differs.
func (r *Reconciler) heal(ctx context.Context, s *scope) (bool, error) {
	request := s.env.Annotations[v1alpha1.AnnotationHealRequested]
	asked := request != s.env.Status.HealedRequest && request != ""
	if !asked && !r.healsItself(s) {
		return false, nil
	}
	changes, err := s.target.Heal(ctx, s.objects(), s.owner())
	if err != nil {
		return false, targetError(err)
	}
	r.Reached(pointHeal)
	s.env.Status.HealedRequest = request
	if put := changes.Of(kube.Created, kube.Configured); len(put) > 0 {
		r.event(s, normal, "Healed", "Heal", "put back: %s", listed(refsOfChanges(put)))
	}
	return true, nil
}

// refuseHeal answers a request that makes no sense: a release that failed was
// perhaps never applied in full, so there is nothing to put back to.
func (r *Reconciler) refuseHeal(s *scope) {
	if request := s.env.Annotations[v1alpha1.AnnotationHealRequested]; request != s.env.Status.HealedRequest {
		s.env.Status.HealedRequest = request
		r.event(s, warning, v1alpha1.ReasonDeployFailed, "Heal", "release %s failed, nothing to heal: deploy again or roll back", s.release.Name)
	}
}

func (r *Reconciler) healsItself(s *scope) bool {
	if s.env.Spec.Drift != "Heal" || s.env.Status.Drift == nil || healable(s.env.Status.Drift.Differences) == 0 {
		return false
	}
	last := func(k *recollection) *time.Time { return &k.healed }
	if r.memory.once(s.key(), last, s.now, healSoonest) {
		return true
	}
	s.lookAgain(healSoonest)
	return false
}

// sweep deletes what former releases left behind: what was still needed, or
// still terminating, when the newest one finished.
func (r *Reconciler) sweep(ctx context.Context, s *scope) error {
	if len(minus(s.env.Status.Inventory, s.newestRefs())) == 0 {
		return nil
	}
	_, _, err := r.prune(ctx, s)
	return targetError(err)
}

// healable counts the differences in objects of ours. What others put into the
// namespace is shown and never touched.
func healable(differences []v1alpha1.Difference) int {
	n := 0
	for _, d := range differences {
		if d.Kind != v1alpha1.DifferenceExtra {
			n++
		}
	}
	return n
}

func sameDrift(a, b *v1alpha1.Drift) bool {
	if a.State != b.State || a.Reason != b.Reason || a.Total != b.Total || len(a.Differences) != len(b.Differences) {
		return false
	}
	for i := range a.Differences {
		x, y := a.Differences[i], b.Differences[i]
		if !x.Time.Equal(y.Time) {
			return false
		}
		x.Time, y.Time = nil, nil
		if x != y {
			return false
		}
	}
	return true
}

// differing makes failures of a proof that does not hold.
func differing(drift *v1alpha1.Drift) []v1alpha1.Failure {
	var failures []v1alpha1.Failure
	for _, d := range drift.Differences {
		if d.Kind != v1alpha1.DifferenceExtra {
			failures = append(failures, v1alpha1.Failure{
				Object: d.Object, Reason: "Differs", Message: differenceMessage(d),
				Hint: "Somebody writes it again and again: find out who with `kubectl get --show-managed-fields`.",
			})
		}
	}
	return capped(failures)
}

func proofMessage(drift *v1alpha1.Drift) string {
	if drift == nil || drift.State == v1alpha1.DriftClean {
		return "the cluster equals the release"
	}
	return driftMessage(drift)
}

func driftMessage(drift *v1alpha1.Drift) string {
	if len(drift.Differences) == 0 {
		return "the cluster differs from the release"
	}
	message := differenceMessage(drift.Differences[0])
	if more := int(drift.Total) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return message
}

func differenceMessage(d v1alpha1.Difference) string {
	text := fmt.Sprintf("%s %s", kube.Describe(d.Object), d.Kind)
	if d.Path != "" {
		text = fmt.Sprintf("%s %s %s", kube.Describe(d.Object), d.Path, d.Kind)
	}
	if d.Manager != "" {
		text += " by " + d.Manager
	}
	return text
}

func nowTime(s *scope) *metav1.Time {
	at := metav1.NewTime(s.now)
	return &at
}
