package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision/leftovers"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Destruction is what destroying a cluster will do.
type Destruction struct {
	// Leftovers are what the cluster made outside; Terraform does not know of
	// it.
	Leftovers []leftovers.Leftover `json:"leftovers"`
	Plan      *Planned             `json:"plan"`
	// Pointers are what sends requests to it all the same, with Force.
	Pointers []Pointer `json:"pointers,omitempty"`
	// Warnings say what could not be looked at.
	Warnings []string `json:"warnings,omitempty"`
}

// DestroyOptions choose how a cluster is destroyed.
type DestroyOptions struct {
	// Force destroys although requests are still sent to the cluster, it does not
	// answer, or an apply was killed: what it made outside, or what that apply
	// began, may stay.
	Force bool `json:"force,omitempty"`
	// DryRun only shows.
	DryRun bool `json:"dryRun,omitempty"`
	// Patience bounds how long each stage of leftovers may take to go.
	Patience time.Duration `json:"patience,omitempty"`
	// Approve is shown everything before anything is done; an error stops.
	Approve func(context.Context, *Destruction) error `json:"-"`
}

// Destroy removes a cluster: what it made outside, all that Terraform made, and
// its object. It is refused while environments run on it, or migrations or DNS
// records lead there. Repeated, it goes on where it was stopped. A cluster that is gone is a success.
func (p *Provisioner) Destroy(ctx context.Context, name string, opts DestroyOptions, reporter progress.Reporter) error {
	if _, err := p.cluster(ctx, name); fault.ClassOf(err) == fault.NotFound {
		reporter.Note("cluster %s does not exist: nothing to destroy", name)
		return nil
	}
	if err := p.unused(ctx, name); err != nil {
		return err
	}
	return p.working(ctx, name, "destroying", reporter, func(ctx context.Context, w *work) error {
		// Again, with the lock: who was first is on it now.
		if err := p.unused(ctx, name); err != nil {
			return err
		}
		return w.destroy(ctx, opts)
	})
}

func (w *work) destroy(ctx context.Context, opts DestroyOptions) error {
	d := &Destruction{}
	if err := w.allKnown(opts.Force); err != nil {
		return err
	}
	own, err := w.unpointed(ctx, d, opts.Force)
	if err != nil {
		return err
	}
	cluster, err := w.findLeftovers(ctx, d, opts.Force)
	if err != nil {
		return err
	}
	plan, planned, err := w.plan(ctx, terraform.PlanOptions{Destroy: true})
	if err != nil {
		return err
	}
	d.Plan, w.planned = planned, planned
	if opts.Approve != nil && !(planned.Empty() && len(d.Leftovers) == 0) {
		if err := opts.Approve(ctx, d); err != nil {
			return err
		}
	}
	if opts.DryRun {
		return nil
	}
	if err := w.retire(ctx); err != nil {
		return err
	}
	if err := w.removeAddons(ctx, cluster == nil, opts.Patience); err != nil {
		return w.failed(ctx, err)
	}
	if own {
		if err := w.awaitOwnRecords(ctx, opts.Patience); err != nil {
			return w.failed(ctx, err)
		}
	}
	if err := w.removeLeftovers(ctx, cluster, d.Leftovers, opts.Patience); err != nil {
		return w.failed(ctx, err)
	}
	w.p.Reached(pointLeftovers)
	if err := w.carryOut(ctx, plan.Data, v1alpha1.TerraformDestroying); err != nil {
		return err
	}
	w.p.Reached(pointDestroyed)
	return w.forget(ctx)
}

// allKnown refuses after an apply that was killed: Terraform may have begun what
// it had no time to write into its state, and would not destroy that.
func (w *work) allKnown(force bool) error {
	status := w.cluster.Status.Terraform
	if force || status == nil || status.Phase != v1alpha1.TerraformApplying {
		return nil
	}
	return fault.New(fault.Refused, "Let it end first: `landfall cluster apply "+w.cluster.Name+"`. With --force, what it began may stay.",
		"destroying cluster %s: an apply was killed, and the state may not have all that it began", w.cluster.Name)
}

// unused refuses while environments run on the cluster, or one that moved away
// still has its old side there.
func (p *Provisioner) unused(ctx context.Context, name string) error {
	var envs v1alpha1.EnvironmentList
	if err := p.Client.List(ctx, &envs); err != nil {
		return fmt.Errorf("looking for environments on cluster %s: %w", name, err)
	}
	var on, left []string
	for i := range envs.Items {
		env := &envs.Items[i]
		key := env.Namespace + "/" + env.Name
		switch {
		case isAddons(env, name):
		case env.Status.Left != nil && env.Status.Left.Cluster == name:
			left = append(left, key)
		case env.Spec.Cluster == name || env.Status.Cluster == name:
			on = append(on, key)
		}
	}
	if len(on) > 0 {
		return fault.New(fault.Refused, "Move them (`landfall cluster migrate`) or delete them first.", "destroying cluster %s: environments run on it: %s", name, strings.Join(on, ", "))
	}
	if len(left) > 0 {
		return fault.New(fault.Refused, "Finish their moves: `landfall env finish`.", "destroying cluster %s: environments that moved still have their old side there: %s", name, strings.Join(left, ", "))
	}
	return nil
}

// isAddons says whether an environment is that of the cluster's own add-ons,
// which goes with the cluster.
func isAddons(env *v1alpha1.Environment, cluster string) bool {
	return env.Name == "addons-"+cluster && env.Spec.Cluster == cluster
}

// removeAddons lets the environment of the cluster's add-ons go, and waits: it
// may have made something outside, and would make it again. With abandon it is
// given up, as nobody can reach what it made.
func (w *work) removeAddons(ctx context.Context, abandon bool, patience time.Duration) error {
	mine, err := w.addons(ctx)
	if err != nil || len(mine) == 0 {
		return err
	}
	step := w.reporter.Step("removing add-ons")
	err = w.deleteAll(ctx, mine, abandon)
	if err == nil {
		err = wait.PollUntilContextTimeout(ctx, time.Second, patience, true, func(ctx context.Context) (bool, error) {
			left, err := w.addons(ctx)
			return len(left) == 0, err
		})
	}
	if err != nil {
		step.Fail(err)
		return fmt.Errorf("removing the add-ons of cluster %s: %w", w.cluster.Name, err)
	}
	step.Done("gone")
	return nil
}

func (w *work) addons(ctx context.Context) ([]v1alpha1.Environment, error) {
	var envs v1alpha1.EnvironmentList
	if err := w.p.Client.List(ctx, &envs); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(envs.Items, func(env v1alpha1.Environment) bool { return !isAddons(&env, w.cluster.Name) }), nil
}

func (w *work) deleteAll(ctx context.Context, envs []v1alpha1.Environment, abandon bool) error {
	for i := range envs {
		env := &envs[i]
		if abandon {
			before := env.DeepCopy()
			metav1.SetMetaDataAnnotation(&env.ObjectMeta, v1alpha1.AnnotationAbandon, "true")
			if err := client.IgnoreNotFound(w.p.Client.Patch(ctx, env, client.MergeFrom(before))); err != nil {
				return err
			}
		}
		if err := client.IgnoreNotFound(w.p.Client.Delete(ctx, env)); err != nil {
			return err
		}
	}
	return nil
}

// findLeftovers asks the cluster what it made outside. Nothing was ever made by
// a cluster that never was: one without a kubeconfig.
func (w *work) findLeftovers(ctx context.Context, d *Destruction, force bool) (client.Client, error) {
	step := w.reporter.Step("looking for what the cluster made outside")
	cl, found, err := w.askForLeftovers(ctx)
	switch {
	case apierrors.IsNotFound(err):
		step.Done("it has no kubeconfig yet: nothing")
		return nil, nil
	case err != nil && force && ctx.Err() == nil:
		warning := "the cluster does not answer: load balancers, volumes and machines that it made stay, and cost money, until somebody removes them"
		step.Done("unknown")
		w.reporter.Note("%s", warning)
		d.Warnings = append(d.Warnings, warning)
		return nil, nil
	case err != nil:
		step.Fail(err)
		return nil, fault.New(fault.Refused, "Bring it back, or give --force: what it made outside stays then.", "destroying cluster %s: it cannot be asked what it made outside: %w", w.cluster.Name, err)
	}
	step.Done("%d", len(found))
	d.Leftovers = found
	return cl, nil
}

// askTimeout bounds the questions to a cluster that may be gone.
const askTimeout = 30 * time.Second

func (w *work) askForLeftovers(ctx context.Context) (client.Client, []leftovers.Leftover, error) {
	config, err := w.p.reach(ctx, w.cluster)
	if err != nil {
		return nil, nil, err
	}
	config.Timeout = askTimeout
	cl, err := client.New(config, client.Options{})
	if err != nil {
		return nil, nil, unfound(err)
	}
	found, err := w.p.Find(ctx, cl)
	return cl, found, unfound(err)
}

// unfound keeps a NotFound of the cluster from being taken for that of its
// kubeconfig.
func unfound(err error) error {
	if apierrors.IsNotFound(err) {
		return errors.New(err.Error())
	}
	return err
}

// retire keeps the cluster from being handed out, and from getting add-ons and
// records, while it goes.
func (w *work) retire(ctx context.Context) error {
	before := w.cluster.DeepCopy()
	ready := false
	w.cluster.Spec.Ready, w.cluster.Spec.Latest, w.cluster.Spec.Addons = &ready, false, nil
	if routing := w.cluster.Spec.Routing; routing != nil && routing.DNS != nil {
		routing.DNS.Wildcard = false
	}
	if err := w.p.Client.Patch(ctx, w.cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("retiring cluster %s: %w", w.cluster.Name, err)
	}
	return w.p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) { s.Phase, s.Message = v1alpha1.TerraformDestroying, "" })
}

func (w *work) removeLeftovers(ctx context.Context, cl client.Client, all []leftovers.Leftover, patience time.Duration) error {
	if len(all) == 0 {
		return nil
	}
	steps := map[leftovers.Stage]progress.Step{}
	total := map[leftovers.Stage]int64{}
	for _, l := range all {
		total[l.Stage]++
	}
	err := leftovers.Remove(ctx, cl, all, patience, func(stage leftovers.Stage, left int) {
		step := steps[stage]
		if step == nil {
			step = w.reporter.Step("removing " + stage.String())
			steps[stage] = step
		}
		step.Count(total[stage]-int64(left), total[stage], "gone")
		if left == 0 {
			step.Done("%d gone", total[stage])
		}
	})
	for _, step := range steps {
		step.Fail(err) // those that are done stay so
	}
	return err
}

// forget removes the object of a cluster that is no more, and what was kept of
// it; the object last, so that asking again finds what is left.
func (w *work) forget(ctx context.Context) error {
	err := w.p.note(ctx, w.cluster, func(s *v1alpha1.TerraformStatus) { s.Phase = v1alpha1.TerraformDestroyed })
	if err != nil {
		return err
	}
	if err := w.p.forget(ctx, w.cluster); err != nil {
		return err
	}
	w.p.Reached(pointForgotten)
	if err := client.IgnoreNotFound(w.p.Client.Delete(ctx, w.cluster)); err != nil {
		return fmt.Errorf("removing the object of cluster %s: %w", w.cluster.Name, err)
	}
	return w.p.removeFolders(ctx, w.cluster.Name)
}
