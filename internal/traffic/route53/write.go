package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Write sets both weights in one batch. It takes the zone to be as it was seen
// last, which saves a request when every one counts, and looks again if Route 53
// says that it is not.
func (r *Router) Write(ctx context.Context, w traffic.Weight, fence traffic.Fence) error {
	if w < traffic.None || w > traffic.All {
		return invalid("a weight of %d %% of the new side", w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known != nil {
		if done, err := r.write(ctx, r.known, w, fence); done && !raced(err) {
			return err
		}
	}
	f, err := r.look(ctx)
	if err != nil {
		return err
	}
	_, err = r.write(ctx, f, w, fence)
	return err
}

// write changes the zone from what was found. It is not done if nothing is to be
// changed, which is to be believed only of a zone that was just read.
func (r *Router) write(ctx context.Context, f *found, w traffic.Weight, fence traffic.Fence) (done bool, err error) {
	if f.owner == nil || f.owner.leaving {
		return true, fault.New(fault.Refused, "Start the migration anew.", "writing weights of %s: the name is not prepared", r.cfg.Hostname)
	}
	if err := r.mine(f, fence); err != nil {
		return true, err
	}
	check, err := r.checkFor(ctx, f, w)
	if err != nil {
		return true, err
	}
	changes, err := r.weigh(f, w, check)
	if err != nil {
		return true, err
	}
	if len(changes) == 0 && f.owner.epoch == fence.Epoch() {
		return false, fence.Check()
	}
	o := *f.owner
	o.epoch, o.written = fence.Epoch(), r.cfg.Now()
	return true, r.apply(ctx, f, o, changes, fence, fmt.Sprintf("%d %% to the new side", w))
}

// apply submits changes with the ownership record and remembers what the zone is
// like then.
func (r *Router) apply(ctx context.Context, f *found, o owner, changes []types.Change, fence traffic.Fence, why string) error {
	batch := deletionsFirst(append(slices.Clone(changes), r.claim(f, o)...))
	id, err := r.submit(ctx, batch, fence, why)
	if err != nil {
		return err
	}
	r.last = change{id: id}
	r.known = f.after(changes, o, r.ownerSetOf(o))
	return nil
}

// weigh gives the changes to records that are as they were found, until they
// have the weight. The new side gets the health check if it is given.
func (r *Router) weigh(f *found, w traffic.Weight, check string) ([]types.Change, error) {
	var changes []types.Change
	for _, kind := range r.cfg.Old.kinds() {
		want := []types.ResourceRecordSet{r.weighted(traffic.Old, kind, traffic.All-w, ""), r.weighted(traffic.New, kind, w, check)}
		for _, set := range f.sets[kind] {
			side, err := r.sideOf(set)
			ours := set.SetIdentifier != nil && slices.ContainsFunc(want, func(w types.ResourceRecordSet) bool { return *w.SetIdentifier == *set.SetIdentifier })
			switch {
			case err != nil && !ours:
				return nil, fault.New(fault.Refused, "Remove that record, or abort the migration by hand.", "writing weights of %s: %w", r.cfg.Hostname, err)
			case side != "" && slices.ContainsFunc(want, func(w types.ResourceRecordSet) bool { return equalSets(w, set) }):
				want = slices.DeleteFunc(want, func(w types.ResourceRecordSet) bool { return equalSets(w, set) })
			default:
				changes = append(changes, remove(set))
			}
		}
		for _, set := range want {
			changes = append(changes, create(set))
		}
	}
	return changes, nil
}

// weighted is the record set of one side.
func (r *Router) weighted(side traffic.Side, kind types.RRType, weight traffic.Weight, check string) types.ResourceRecordSet {
	target := r.cfg.target(side)
	set := target.set(kind, r.cfg.TTL)
	set.Name, set.SetIdentifier, set.Weight = aws.String(r.name), aws.String(target.Name), aws.Int64(int64(weight))
	if check != "" {
		set.HealthCheckId = aws.String(check)
	}
	return set
}

// after is the zone after changes.
func (f *found) after(changes []types.Change, o owner, ownerSet types.ResourceRecordSet) *found {
	next := f.clone()
	for _, c := range changes {
		kind := c.ResourceRecordSet.Type
		if c.Action == types.ChangeActionCreate {
			next.sets[kind] = append(slices.Clone(next.sets[kind]), *c.ResourceRecordSet)
			continue
		}
		next.sets[kind] = slices.DeleteFunc(slices.Clone(next.sets[kind]), func(set types.ResourceRecordSet) bool {
			return equalSets(set, *c.ResourceRecordSet)
		})
	}
	next.owner, next.ownerSet = &o, &ownerSet
	return next
}

// weightOf the new side as it was found; the highest of all types of record.
func (r *Router) weightOf(f *found) traffic.Weight {
	weight := traffic.None
	for _, kind := range r.cfg.Old.kinds() {
		if share := r.instance(f, kind).Share(); share > 0 {
			weight = max(weight, traffic.Weight(share*float64(traffic.All)))
		}
	}
	return weight
}

// raced tells whether a batch was refused because records were not as they had
// been read.
func raced(err error) bool {
	code, message := awsaccount.CodeAndMessage(err)
	return code == "InvalidChangeBatch" && (strings.Contains(message, "but it was not found") ||
		strings.Contains(message, "do not match the current values") || strings.Contains(message, "but it already exists"))
}

// equalSets tells whether two record sets are the same in all that Landfall
// writes.
func equalSets(a, b types.ResourceRecordSet) bool {
	evaluates := func(s types.ResourceRecordSet) bool {
		return s.AliasTarget != nil && s.AliasTarget.EvaluateTargetHealth
	}
	return a.Type == b.Type && canonical(aws.ToString(a.Name)) == canonical(aws.ToString(b.Name)) &&
		aws.ToString(a.SetIdentifier) == aws.ToString(b.SetIdentifier) && (a.Weight == nil) == (b.Weight == nil) &&
		aws.ToInt64(a.Weight) == aws.ToInt64(b.Weight) && aws.ToInt64(a.TTL) == aws.ToInt64(b.TTL) &&
		aws.ToString(a.HealthCheckId) == aws.ToString(b.HealthCheckId) && evaluates(a) == evaluates(b) && sameAnswer(a, b)
}
