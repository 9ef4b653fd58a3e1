package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Limits towards the target.
const (
	writesAtOnce = 24
	// servedWithin is how long a new kind may take until it is served.
	servedWithin = 30 * time.Second
	// manager is the field manager of what a transfer writes.
	manager = "landfall-transfer"
)

// transient errors are tried again: webhooks and quotas that come up with the
// objects of this very transfer, accounts that a pod waits for.
var transient = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 6}

// Execution says how a plan is carried out.
type Execution struct {
	// DryRun lets the target check everything and changes nothing. What is in
	// namespaces that are yet to be made cannot be checked so.
	DryRun bool
	// Unchecked leaves out the check of everything before anything is written.
	Unchecked bool
	// Replace overwrites what is there under the same names and differs.
	Replace bool
}

// Outcome is what became of one item.
type Outcome struct {
	Key Key `json:"key"`
	// Action that was done: create, update, unchanged, or conflict and stays.
	Action Action `json:"action"`
	// Reason it was not done.
	Reason string `json:"reason,omitempty"`
	failed bool
}

// Result is what a transfer did.
type Result struct {
	Outcomes []Outcome `json:"outcomes"`
	// Unchecked are objects that a dry run could not check.
	Unchecked int           `json:"unchecked,omitempty"`
	Took      time.Duration `json:"took"`
}

// Failed are the outcomes that are errors.
func (r *Result) Failed() []Outcome {
	return slices.DeleteFunc(slices.Clone(r.Outcomes), func(o Outcome) bool { return !o.failed })
}

// Execute carries the plan out, stage by stage. The source is not touched. It
// may be broken off at any moment: a new plan finds what is there and goes on.
func (p *Plan) Execute(ctx context.Context, e Execution, reporter progress.Reporter) (*Result, error) {
	if err := p.refused(e); err != nil {
		return nil, err
	}
	began := time.Now()
	x := &executing{plan: p, e: e, outcomes: make([]Outcome, len(p.Items)), made: map[types.UID]types.UID{}}
	err := x.run(ctx, reporter)
	result := &Result{Outcomes: x.outcomes, Unchecked: x.unchecked, Took: time.Since(began)}
	if err == nil && len(result.Failed()) > 0 {
		first := result.Failed()[0]
		err = fault.New(fault.Failed, "Repair it and run the transfer again: it goes on.", "transferring to cluster %s: %d of %d objects failed, first %s: %s", p.To, len(result.Failed()), len(p.Items), first.Key, first.Reason)
	}
	return result, err
}

// refused says what a person must decide first.
func (p *Plan) refused(e Execution) error {
	if len(p.Unreadable) > 0 {
		return fault.New(fault.Refused, "Give the credentials the right to list it, or select namespaces without it.", "transferring from cluster %s: %s could not be read: %s", p.From, p.Unreadable[0].What, p.Unreadable[0].Reason)
	}
	if len(p.Missing) > 0 {
		first := p.Missing[0]
		return fault.New(fault.Refused, "Install what serves it there, or select what does without it.", "transferring to cluster %s: it has no API for %s, which %d objects are of", p.To, first.Kind, first.Objects)
	}
	if e.Replace || e.DryRun {
		return nil
	}
	for _, item := range p.Items {
		if item.Action == Conflict {
			return fault.New(fault.Refused, "Rename the namespace with --rename, or overwrite with --replace.", "transferring to cluster %s: %s %s (%d such objects)", p.To, item.Key, item.Reason, p.Count(Conflict))
		}
	}
	return nil
}

type executing struct {
	plan     *Plan
	e        Execution
	outcomes []Outcome

	mu        sync.Mutex
	made      map[types.UID]types.UID // by the UID in the source
	unchecked int
}

func (x *executing) run(ctx context.Context, reporter progress.Reporter) error {
	for i, item := range x.plan.Items {
		x.outcomes[i] = Outcome{Key: item.Key, Action: item.Action, Reason: item.Reason}
		if item.Action == Unchanged {
			x.made[item.uid] = item.there
		}
	}
	groundwork, rest := x.parts()
	if x.e.DryRun {
		return x.each(ctx, reporter.Step("checking"), append(groundwork, rest...), true)
	}
	if err := x.inStages(ctx, reporter, "namespaces and kinds", groundwork); err != nil {
		return err
	}
	if !x.e.Unchecked {
		step := reporter.Step("checking before anything is written")
		if err := x.each(ctx, step, x.checkable(rest), true); err != nil {
			return err
		}
		if failed := x.failures(); failed > 0 {
			return nil // Execute says which; namespaces and kinds are all that was made
		}
	}
	if err := x.inStages(ctx, reporter, "objects", rest); err != nil {
		return err
	}
	return x.owners(ctx, reporter)
}

// parts are the items to write: what others need to be checked at all, and
// these.
func (x *executing) parts() (groundwork, rest []int) {
	first := []schema.GroupKind{definition, namespaceKind}
	for i, item := range x.plan.Items {
		switch {
		case item.Action != Create && item.Action != Update && !(item.Action == Conflict && x.e.Replace):
		case slices.Contains(first, item.Key.Kind):
			groundwork = append(groundwork, i)
		default:
			rest = append(rest, i)
		}
	}
	return groundwork, rest
}

// checkable leaves out pods: what they need, an account above all, is yet to be
// made.
func (x *executing) checkable(items []int) []int {
	return slices.DeleteFunc(slices.Clone(items), func(i int) bool { return x.plan.Items[i].Key.Kind == podKind })
}

// inStages writes the items, a stage after the other, and ends at the first
// stage that has failures: what comes later needs it.
func (x *executing) inStages(ctx context.Context, reporter progress.Reporter, name string, items []int) error {
	if len(items) == 0 || x.failures() > 0 {
		return nil
	}
	step := reporter.Step(name)
	done := 0
	for len(items) > 0 {
		stage := x.plan.Items[items[0]].Stage
		n := len(items)
		if later := slices.IndexFunc(items, func(i int) bool { return x.plan.Items[i].Stage != stage }); later > 0 {
			n = later
		}
		if err := x.all(ctx, items[:n], false, func() {
			done++
			step.Count(int64(done), int64(done+len(items)-n), "objects")
		}); err != nil {
			step.Fail(err)
			return err
		}
		if err := x.served(ctx, items[:n]); err != nil {
			step.Fail(err)
			return err
		}
		if failed := x.failures(); failed > 0 {
			step.Done("%d written, %d failed", done-failed, failed)
			return nil
		}
		items = items[n:]
	}
	step.Done("%d", done)
	return nil
}

// each handles items of any stage at once.
func (x *executing) each(ctx context.Context, step progress.Step, items []int, dryRun bool) error {
	done := 0
	err := x.all(ctx, items, dryRun, func() {
		done++
		step.Count(int64(done), int64(len(items)), "objects")
	})
	if err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%d objects, %d rejected, %d not to be checked yet", len(items), x.failures(), x.unchecked)
	return nil
}

// all writes items, several at once.
func (x *executing) all(ctx context.Context, items []int, dryRun bool, each func()) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writesAtOnce)
	for _, i := range items {
		group.Go(func() error {
			uid, err := x.write(ctx, x.plan.Items[i], dryRun)
			x.mu.Lock()
			defer x.mu.Unlock()
			switch {
			case err == nil:
				x.made[x.plan.Items[i].uid] = uid
			case dryRun && namespaceMissing(err):
				x.unchecked++
			default:
				x.outcomes[i].Reason, x.outcomes[i].failed = err.Error(), true
			}
			each()
			return ctx.Err()
		})
	}
	return group.Wait()
}

// namespaceMissing: the object may be fine, its namespace is yet to be made.
func namespaceMissing(err error) bool {
	return apierrors.IsNotFound(err) && strings.Contains(err.Error(), "namespaces ")
}

func (x *executing) failures() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, o := range x.outcomes {
		if o.failed {
			n++
		}
	}
	return n
}

// write creates or updates one object and gives its UID.
func (x *executing) write(ctx context.Context, item Item, dryRun bool) (uid types.UID, err error) {
	resource := x.resource(item)
	var options []string
	if dryRun {
		options = []string{metav1.DryRunAll}
	}
	attempt := func(ctx context.Context) (bool, error) {
		var made *unstructured.Unstructured
		if item.Action == Create {
			made, err = resource.Create(ctx, item.object, metav1.CreateOptions{DryRun: options, FieldManager: manager})
		}
		if item.Action != Create || apierrors.IsAlreadyExists(err) {
			made, err = replace(ctx, resource, item.object, options)
		}
		if err != nil {
			if !dryRun && mayPass(err) {
				return false, nil
			}
			return false, err
		}
		uid = made.GetUID()
		return true, nil
	}
	if failed := wait.ExponentialBackoffWithContext(ctx, transient, attempt); failed != nil && err == nil {
		err = failed
	}
	return uid, err
}

// mayPass tells errors that another moment may end.
func mayPass(err error) bool {
	return apierrors.IsInternalError(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsConflict(err) || strings.Contains(err.Error(), "serviceaccount") || strings.Contains(err.Error(), "the server could not find the requested resource")
}

// replace gives the object that is there what the source has, keeping what the
// target's API server needs to accept it.
func replace(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured, dryRun []string) (*unstructured.Unstructured, error) {
	there, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	next := object.DeepCopy()
	next.SetResourceVersion(there.GetResourceVersion())
	next.SetUID(there.GetUID())
	keep(next, there, "spec", "clusterIP")
	keep(next, there, "spec", "clusterIPs")
	keep(next, there, "spec", "volumeName")
	next.SetFinalizers(there.GetFinalizers())
	return resource.Update(ctx, next, metav1.UpdateOptions{DryRun: dryRun, FieldManager: manager})
}

// keep takes over a field that cannot change, where the new object has none.
func keep(next, there *unstructured.Unstructured, path ...string) {
	if _, has, _ := unstructured.NestedFieldNoCopy(next.Object, path...); has {
		return
	}
	if value, has, _ := unstructured.NestedFieldCopy(there.Object, path...); has {
		_ = unstructured.SetNestedField(next.Object, value, path...) // the parent is a map in both
	}
}

func (x *executing) resource(item Item) dynamic.ResourceInterface {
	all := x.plan.to.dynamic.Resource(item.target)
	if item.Key.Namespace == "" {
		return all
	}
	return all.Namespace(item.Key.Namespace)
}

// served waits until the definitions among the items are served.
func (x *executing) served(ctx context.Context, items []int) error {
	for _, i := range items {
		item := x.plan.Items[i]
		if item.Key.Kind != definition || x.outcomes[i].failed {
			continue
		}
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, servedWithin, true, func(ctx context.Context) (bool, error) {
			there, err := x.resource(item).Get(ctx, item.Key.Name, metav1.GetOptions{})
			if err != nil {
				return false, nil
			}
			conditions, _, _ := unstructured.NestedSlice(there.Object, "status", "conditions")
			return slices.ContainsFunc(conditions, func(c any) bool {
				m, _ := c.(map[string]any)
				return m["type"] == "Established" && m["status"] == "True"
			}), nil
		})
		if err != nil {
			return fmt.Errorf("waiting for cluster %s to serve %s: %w", x.plan.To, item.Key.Name, err)
		}
	}
	return nil
}

// owners gives objects their owners' new UIDs. An owner that is not there is
// left out: a reference to nothing would have the object deleted.
func (x *executing) owners(ctx context.Context, reporter progress.Reporter) error {
	var owned []int
	for i, item := range x.plan.Items {
		if len(item.owners) > 0 && !item.owned && !x.outcomes[i].failed && x.made[item.uid] != "" {
			owned = append(owned, i)
		}
	}
	if len(owned) == 0 || x.failures() > 0 {
		return nil
	}
	step := reporter.Step("owners")
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writesAtOnce)
	for _, i := range owned {
		group.Go(func() error { return x.own(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%d objects", len(owned))
	return nil
}

func (x *executing) own(ctx context.Context, i int) error {
	item := x.plan.Items[i]
	var owners []metav1.OwnerReference
	for _, owner := range item.owners {
		if uid := x.made[owner.UID]; uid != "" {
			owner.UID = uid
			owners = append(owners, owner)
		}
	}
	if len(owners) == 0 {
		return nil
	}
	patch := &unstructured.Unstructured{}
	patch.SetOwnerReferences(owners)
	text, err := patch.MarshalJSON()
	if err != nil {
		return err
	}
	if _, err := x.resource(item).Patch(ctx, item.Key.Name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager}); err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.outcomes[i].Reason, x.outcomes[i].failed = "giving it its owner: "+err.Error(), true
	}
	return ctx.Err()
}
