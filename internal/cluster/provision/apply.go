package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// ErrNotApproved says that a plan was shown and turned down.
var ErrNotApproved = errors.New("not approved: nothing was changed")

// PlanOptions choose what is planned.
type PlanOptions struct {
	// Destroy plans to remove the cluster. Such a plan is not kept.
	Destroy bool `json:"destroy,omitempty"`
	// Replace names resources to be made anew.
	Replace []string `json:"replace,omitempty"`
}

// Plan finds out what Terraform would do for a cluster, and keeps that for
// Apply.
func (p *Provisioner) Plan(ctx context.Context, name string, opts PlanOptions, reporter progress.Reporter) (planned *Planned, err error) {
	err = p.working(ctx, name, "planning", reporter, func(ctx context.Context, w *work) error {
		plan, made, err := w.plan(ctx, terraform.PlanOptions{Destroy: opts.Destroy, Replace: opts.Replace})
		if err != nil {
			return err
		}
		planned = made
		if opts.Destroy {
			return nil
		}
		if err := p.keepPlan(ctx, w.run, planned, plan.Data); err != nil {
			return err
		}
		if !planned.Kept {
			reporter.Note("the plan is too large to be kept: apply will plan again")
		}
		return nil
	})
	return planned, err
}

// ApplyOptions choose what is applied.
type ApplyOptions struct {
	// Replace names resources to be made anew.
	Replace []string `json:"replace,omitempty"`
	// Import takes a resource that exists for the module's, and does nothing
	// else.
	Import *terraform.Imported `json:"import,omitempty"`
	// Server is how Landfall's pods reach the API server, where the module does
	// not put that out.
	Server string `json:"server,omitempty"`
	// Wait bounds how long the cluster may take until it answers; 0 does not
	// wait.
	Wait time.Duration `json:"wait,omitempty"`
	// Approve is shown the plan before it is carried out; an error stops. Not
	// asked about one that is empty.
	Approve func(context.Context, *Planned) error `json:"-"`
}

// Apply brings a cluster to what its object says: by the plan that was kept, if
// there is one, else by a new one. Afterwards the cluster can be reached by its
// object. Errors: ErrNotApproved; fault.Refused while somebody else works on it,
// and if the kept plan is for something else by now.
func (p *Provisioner) Apply(ctx context.Context, name string, opts ApplyOptions, reporter progress.Reporter) (planned *Planned, err error) {
	err = p.working(ctx, name, "applying", reporter, func(ctx context.Context, w *work) error {
		plan, err := w.planToApply(ctx, opts)
		if err != nil {
			return err
		}
		planned = w.planned
		if err := w.carryOut(ctx, plan, v1alpha1.TerraformApplying); err != nil {
			return err
		}
		if err := p.connect(ctx, w, opts); err != nil {
			return w.failed(ctx, err)
		}
		return p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) {
			s.Phase, s.Message, s.AppliedAt = v1alpha1.TerraformApplied, "", p.now()
			s.Drift, s.DriftCheckedAt = v1alpha1.DriftClean, p.now()
		})
	})
	return planned, err
}

// connect writes down how the cluster is reached, and waits for its answer.
func (p *Provisioner) connect(ctx context.Context, w *work, opts ApplyOptions) error {
	outputs, err := w.run.Outputs(ctx)
	if err != nil {
		return err
	}
	if opts.Import != nil && len(outputs) == 0 {
		return nil // the rest of it is not there yet
	}
	if err := p.access(ctx, w.cluster, outputs, opts, w.reporter); err != nil {
		return err
	}
	p.Reached(pointAccess)
	if opts.Wait <= 0 {
		return nil
	}
	if err := p.await(ctx, w.cluster, opts.Wait, w.reporter); err != nil {
		return err
	}
	p.Reached(pointAnswers)
	return nil
}

// work is one run for one cluster, with the lock held.
type work struct {
	p        *Provisioner
	cluster  *v1alpha1.Cluster
	run      *terraform.Run
	lock     *lease
	planned  *Planned
	reporter progress.Reporter
}

// working takes the lock, opens Terraform, does the work, and gives everything
// back.
func (p *Provisioner) working(ctx context.Context, name, operation string, reporter progress.Reporter, do func(context.Context, *work) error) error {
	if _, err := p.cluster(ctx, name); err != nil {
		return err
	}
	held, lock, err := p.lock(ctx, name, operation, reporter)
	if err != nil {
		return err
	}
	return lock.release(held, p.opened(held, name, lock, reporter, do))
}

func (p *Provisioner) opened(ctx context.Context, name string, lock *lease, reporter progress.Reporter, do func(context.Context, *work) error) error {
	// Read again: somebody may have changed it before the lock was ours.
	cluster, err := p.cluster(ctx, name)
	if err != nil {
		return err
	}
	run, err := p.open(ctx, cluster, false, reporter)
	if err != nil {
		return err
	}
	w := &work{p: p, cluster: cluster, run: run, lock: lock, reporter: reporter}
	p.Reached(pointPrepared)
	if err = w.releaseState(ctx); err == nil {
		err = w.recover(ctx)
	}
	if err == nil {
		err = do(ctx, w)
	}
	return errors.Join(err, run.Close())
}

// releaseState releases the lock of the state that a dead Landfall's Terraform
// left: its holder is the one that our own lock was taken over from.
func (w *work) releaseState(ctx context.Context) error {
	if w.lock.previous == nil {
		return nil
	}
	locked, err := w.run.Locked(ctx)
	if err != nil || locked == nil || !w.leftByTheDead(locked) {
		return err
	}
	w.reporter.Note("releasing the lock of the state, left by %s", locked.Who)
	return w.run.Unlock(ctx, locked.ID)
}

// leftByTheDead compares USER@HOST of both locks. In a pod, whose name is its
// host's and nobody else's, the image says what its user is called.
func (w *work) leftByTheDead(locked *terraform.StateLocked) bool {
	dead := w.lock.previous
	if dead == nil || locked.Who == "" {
		return false
	}
	if dead.Pod != "" {
		return strings.HasSuffix(locked.Who, "@"+dead.Pod)
	}
	return strings.HasPrefix(dead.Who, locked.Who+" ")
}

// plan makes a new plan and notes it.
func (w *work) plan(ctx context.Context, opts terraform.PlanOptions) (plan *terraform.Plan, planned *Planned, err error) {
	if plan, err = w.run.Plan(ctx, opts); err != nil {
		return nil, nil, err
	}
	digest, err := inputs(w.cluster.Spec.Terraform)
	if err != nil {
		return nil, nil, err
	}
	planned = &Planned{Cluster: w.cluster.Name, Summary: plan.Summary, Made: w.p.Clock(), By: w.p.Holder, Inputs: digest}
	err = w.p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) {
		if s.Phase == "" {
			s.Phase = v1alpha1.TerraformPlanned
		}
		count(s, plan.Summary)
		s.PlannedAt = w.p.now()
	})
	w.p.Reached(pointPlanned)
	return plan, planned, err
}

func count(s *v1alpha1.TerraformStatus, sum terraform.Summary) {
	s.Add, s.Change, s.Destroy = int32(sum.Add), int32(sum.Change), int32(sum.Destroy)
}

// planToApply gives the plan that was kept, or a new one, once it is approved.
func (w *work) planToApply(ctx context.Context, opts ApplyOptions) ([]byte, error) {
	plan, err := w.keptOrNew(ctx, opts)
	if err == nil && opts.Approve != nil && !w.planned.Empty() {
		err = opts.Approve(ctx, w.planned)
	}
	return plan, err
}

func (w *work) keptOrNew(ctx context.Context, opts ApplyOptions) ([]byte, error) {
	if len(opts.Replace) == 0 && opts.Import == nil {
		planned, plan, err := w.p.keptPlan(ctx, w.cluster.Name)
		if err != nil {
			return nil, err
		}
		if plan != nil {
			w.planned = planned
			return plan, w.stillMeant(planned)
		}
	}
	plan, planned, err := w.plan(ctx, terraform.PlanOptions{Replace: opts.Replace, Import: opts.Import})
	if err != nil {
		return nil, err
	}
	w.planned = planned
	return plan.Data, nil
}

// stillMeant refuses a plan that was made from something else.
func (w *work) stillMeant(planned *Planned) error {
	digest, err := inputs(w.cluster.Spec.Terraform)
	if err == nil && digest != planned.Inputs {
		err = fault.New(fault.Refused, "Plan again: `landfall cluster plan "+w.cluster.Name+"`.",
			"applying the plan of %s: cluster %s was changed since then", planned.Made.Format(time.DateTime), w.cluster.Name)
	}
	return err
}

// carryOut applies a plan, with what happens noted before and after. A plan is
// forgotten before it is begun: however that ends, the next one starts from the
// world.
func (w *work) carryOut(ctx context.Context, plan []byte, phase v1alpha1.TerraformPhase) error {
	if err := w.p.dropPlan(ctx, w.run, w.cluster.Name); err != nil {
		return err
	}
	if w.planned.Empty() {
		return nil
	}
	err := w.p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) {
		s.Phase, s.Message = phase, ""
		count(s, w.planned.Summary)
	})
	if err != nil {
		return err
	}
	w.p.Reached(pointStarted)
	if err := w.run.Apply(ctx, plan); err != nil {
		return w.failed(ctx, errors.Join(err, w.saveState(ctx)))
	}
	w.p.Reached(pointApplied)
	return nil
}

// failed notes how the work ended, and says how to go on.
func (w *work) failed(ctx context.Context, err error) error {
	again := "apply"
	if w.cluster.Status.Terraform != nil && w.cluster.Status.Terraform.Phase == v1alpha1.TerraformDestroying {
		again = "destroy"
	}
	next := fmt.Sprintf("What was done so far is in the state: `landfall cluster %s %s` goes on.", again, w.cluster.Name)
	message := err.Error()
	if errors.Is(err, context.Canceled) {
		message = "interrupted"
		err = fmt.Errorf("interrupted; %s%s: %w", strings.ToLower(next[:1]), next[1:], context.Canceled)
	} else if fault.HintOf(err) == "" {
		err = fault.Wrap(fault.ClassOf(err), err, next)
	}
	noted := w.p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) {
		if s.Phase != v1alpha1.TerraformDestroying {
			s.Phase = v1alpha1.TerraformFailed
		}
		s.Message = message
	})
	return errors.Join(err, noted)
}
