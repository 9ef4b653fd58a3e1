package route53

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Finish leaves simple records where there were simple ones, with their own time
// to live, and removes what the migration added.
func (r *Router) Finish(ctx context.Context, fence traffic.Fence) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.look(ctx)
	if err != nil {
		return err
	}
	if f.owner == nil {
		return fence.Check()
	}
	if err := r.mine(f, fence); err != nil {
		return err
	}
	if !f.owner.leaving {
		if f, err = r.leave(ctx, f, fence); err != nil {
			return err
		}
	}
	if f.owner == nil {
		return nil
	}
	if err := r.deleteCheck(ctx, f.owner.check, fence); err != nil {
		return err
	}
	_, err = r.submit(ctx, []types.Change{remove(*f.ownerSet)}, fence, "finished")
	return err
}

// leave gives the records their last form. If a health check has to go after
// them, the ownership record stays so long.
func (r *Router) leave(ctx context.Context, f *found, fence traffic.Fence) (*found, error) {
	changes, err := r.lastForm(f)
	if err != nil {
		return nil, err
	}
	unpinned, err := r.unpin(ctx)
	if err != nil {
		return nil, err
	}
	o := *f.owner
	o.epoch, o.leaving = fence.Epoch(), true
	last := []types.Change{remove(*f.ownerSet)}
	if o.check != "" {
		last = r.claim(f, o)
	}
	id, err := r.submit(ctx, deletionsFirst(append(append(slices.Clone(changes), unpinned...), last...)), fence, "finish")
	if err != nil {
		return nil, err
	}
	r.last = change{id: id}
	if o.check == "" {
		return &found{}, nil
	}
	return f.after(changes, o, r.ownerSetOf(o)), nil
}

// lastForm gives the changes from weighted records to what shall stay.
func (r *Router) lastForm(f *found) ([]types.Change, error) {
	var changes []types.Change
	for _, kind := range r.cfg.Old.kinds() {
		now := r.instance(f, kind)
		if now.Err != nil {
			return nil, fault.New(fault.Refused, "Put the records right by hand first.", "finishing %s: %w", r.cfg.Hostname, now.Err)
		}
		ttl := r.cfg.TTL
		if seconds := f.owner.ttl[kind]; seconds > 0 {
			ttl = time.Duration(seconds) * time.Second
		}
		for _, set := range f.sets[kind] {
			changes = append(changes, remove(set))
		}
		for _, set := range r.staying(kind, now, ttl, f.owner.weighted) {
			changes = append(changes, create(set))
		}
	}
	return changes, nil
}

// staying are the record sets of one type in their last form: simple ones of the
// side that has all traffic, or weighted ones.
func (r *Router) staying(kind types.RRType, now traffic.Instance, ttl time.Duration, weighted bool) []types.ResourceRecordSet {
	if !weighted && (now.At(traffic.All) || now.At(traffic.None)) {
		side := traffic.Old
		if now.At(traffic.All) {
			side = traffic.New
		}
		set := r.cfg.target(side).set(kind, ttl)
		set.Name = aws.String(r.name)
		return []types.ResourceRecordSet{set}
	}
	var sets []types.ResourceRecordSet
	for side, weight := range map[traffic.Side]int{traffic.Old: now.Old, traffic.New: now.New} {
		set := r.weighted(side, kind, traffic.Weight(weight), "")
		if set.TTL != nil {
			set.TTL = aws.Int64(int64(ttl / time.Second))
		}
		sets = append(sets, set)
	}
	return sets
}

// unpin removes the records that lead to one side, unless somebody has changed
// them.
func (r *Router) unpin(ctx context.Context) ([]types.Change, error) {
	var changes []types.Change
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		target := r.cfg.target(side)
		if target.PinHostname == "" {
			continue
		}
		name := canonical(target.PinHostname)
		there, err := r.list(ctx, name, name)
		if err != nil {
			return nil, err
		}
		for _, set := range there {
			if canonical(aws.ToString(set.Name)) == name && equalSets(set, r.pinSet(target, set.Type)) {
				changes = append(changes, remove(set))
			}
		}
	}
	return changes, nil
}
