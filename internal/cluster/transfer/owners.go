package transfer

import (
	"context"

	"github.com/dustin/go-humanize/english"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/internal/progress"
)

// owners gives objects their owners' new UIDs. An owner that is not there is
// left out: a reference to nothing would have the object deleted.
func (x *executing) owners(ctx context.Context, reporter progress.Reporter) error {
	var owned []int
	for i, item := range x.plan.Items {
		if len(item.owners) > 0 && !item.owned && !x.outcomes[i].Failed && x.made[item.uid] != "" {
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
	step.Done("%s", english.Plural(len(owned), "object", ""))
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
		x.outcomes[i].Reason, x.outcomes[i].Failed = "giving it its owner: "+err.Error(), true
	}
	return ctx.Err()
}
