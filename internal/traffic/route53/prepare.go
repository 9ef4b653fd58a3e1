package route53

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Prepare gives the name's records weights, all of them on the old side, and a
// short time to live, in one batch with the ownership record. It is done when no
// resolver remembers the old time to live.
func (r *Router) Prepare(ctx context.Context, fence traffic.Fence) (traffic.Preparation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.inZone(ctx); err != nil {
		return traffic.Preparation{}, err
	}
	f, err := r.look(ctx)
	if err != nil {
		return traffic.Preparation{}, err
	}
	if err := r.mine(f, fence); err != nil {
		return traffic.Preparation{}, err
	}
	if f.owner != nil && f.owner.leaving {
		return traffic.Preparation{}, fault.New(fault.Refused, "Finish it, then start another migration.", "%s is being let go by migration %s", r.cfg.Hostname, r.cfg.Migration)
	}
	for _, step := range []func(context.Context, *found, traffic.Fence) (*traffic.Preparation, error){
		r.convert, r.takeOver, r.awaitChange, r.awaitResolvers, r.awaitHeartbeat,
	} {
		if p, err := step(ctx, f, fence); p != nil || err != nil {
			if p == nil {
				p = &traffic.Preparation{}
			}
			return *p, err
		}
	}
	return traffic.Preparation{Done: true, Step: "both sides have weighted records"}, nil
}

// inZone makes sure, once, that the zone exists and is that of the hostname.
func (r *Router) inZone(ctx context.Context) error {
	if r.zoneSeen {
		return nil
	}
	out, err := r.client.GetHostedZone(ctx, &sdk.GetHostedZoneInput{Id: aws.String(r.cfg.ZoneID)})
	if err != nil {
		return awsaccount.Explain(err, "reading zone %s", r.cfg.ZoneID)
	}
	if out.HostedZone == nil {
		return fmt.Errorf("reading zone %s: the answer holds no zone", r.cfg.ZoneID)
	}
	zone := canonical(aws.ToString(out.HostedZone.Name))
	for _, name := range []string{r.cfg.Hostname, r.cfg.Old.PinHostname, r.cfg.New.PinHostname} {
		if name = canonical(name); name != "." && name != zone && !strings.HasSuffix(name, "."+zone) {
			return fault.New(fault.Invalid, "Give the ID of the hosted zone that holds the name.", "%s is not in zone %s (%s)", strings.TrimSuffix(name, "."), r.cfg.ZoneID, zone)
		}
	}
	if name := canonical(r.cfg.Hostname); name == zone && r.cfg.Old.kinds()[0] == types.RRTypeCname {
		return fault.New(fault.Invalid, "Use aliases or addresses.", "%s is the zone's own name, where DNS allows no CNAME", r.cfg.Hostname)
	}
	r.zoneSeen = true
	return nil
}

// before looks at the records as they were found: their times to live, and
// whether they have weights.
func (r *Router) before(f *found) (ttl map[types.RRType]int64, weighted bool, err error) {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Refused, hint, "preparing "+r.cfg.Hostname+": "+format, args...)
	}
	ttl = map[types.RRType]int64{}
	for _, kind := range r.cfg.Old.kinds() {
		if len(f.sets[kind]) == 0 {
			return nil, false, refuse("Name the record that serves the host now as the old side.", "there is no record of type %s", kind)
		}
		for _, set := range f.sets[kind] {
			side, err := r.sideOf(set)
			if err != nil {
				return nil, false, refuse("Make the old side of the migration what DNS answers now, or remove the record.", "%w", err)
			}
			if side == traffic.New && (set.SetIdentifier == nil || aws.ToInt64(set.Weight) > 0) {
				return nil, false, refuse("Swap the sides, or give the old side its traffic back.", "the new side gets traffic already")
			}
			weighted = weighted || set.SetIdentifier != nil
			ttl[kind] = max(ttl[kind], aws.ToInt64(set.TTL))
		}
	}
	return ttl, weighted, nil
}

// convert puts weighted records in the place of what there is.
func (r *Router) convert(ctx context.Context, f *found, fence traffic.Fence) (*traffic.Preparation, error) {
	if f.owner != nil {
		return nil, nil
	}
	ttl, weighted, err := r.before(f)
	if err != nil {
		return nil, err
	}
	now := r.cfg.Now()
	o := owner{migration: r.cfg.Migration, epoch: fence.Epoch(), ttl: ttl, weighted: weighted, converted: now, written: now}
	changes, err := r.weigh(f, traffic.None, "")
	if err != nil {
		return nil, err
	}
	pins, err := r.pins(ctx)
	if err != nil {
		return nil, err
	}
	id, err := r.submit(ctx, deletionsFirst(append(append(changes, pins...), r.claim(f, o)...)), fence, "give both sides weights, all on the old one")
	if code, _ := awsaccount.CodeAndMessage(err); code == "InvalidChangeBatch" && !raced(err) {
		return nil, fault.Wrap(fault.Invalid, err, "Correct the sides: Route 53 does not take these records.")
	}
	if err != nil {
		return nil, err
	}
	r.last = change{id: id}
	return &traffic.Preparation{Step: fmt.Sprintf("gave both sides weighted records with a time to live of %s", r.cfg.TTL), Wait: 5 * time.Second}, nil
}

// pins are the records that always lead to one side.
func (r *Router) pins(ctx context.Context) ([]types.Change, error) {
	var changes []types.Change
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		target := r.cfg.target(side)
		if target.PinHostname == "" {
			continue
		}
		there, err := r.list(ctx, canonical(target.PinHostname), canonical(target.PinHostname))
		if err != nil {
			return nil, err
		}
		for _, set := range there {
			if canonical(aws.ToString(set.Name)) == canonical(target.PinHostname) {
				return nil, fault.New(fault.Refused, "Choose another name, or remove the record.", "preparing %s: the name %s to ask for a side has a record of type %s already", r.cfg.Hostname, target.PinHostname, set.Type)
			}
		}
		for _, kind := range target.kinds() {
			changes = append(changes, create(r.pinSet(target, kind)))
		}
	}
	return changes, nil
}

func (r *Router) pinSet(target *Target, kind types.RRType) types.ResourceRecordSet {
	set := target.set(kind, r.cfg.TTL)
	set.Name, set.HealthCheckId = aws.String(canonical(target.PinHostname)), nil
	return set
}

// takeOver writes a newer epoch, so that whoever had an older one is fenced.
func (r *Router) takeOver(ctx context.Context, f *found, fence traffic.Fence) (*traffic.Preparation, error) {
	if f.owner.epoch >= fence.Epoch() {
		return nil, nil
	}
	o := *f.owner
	o.epoch = fence.Epoch()
	if _, err := r.submit(ctx, r.claim(f, o), fence, "take over"); err != nil {
		return nil, err
	}
	*f = *f.after(nil, o, r.ownerSetOf(o))
	return nil, nil
}

// awaitChange waits for all name servers.
func (r *Router) awaitChange(ctx context.Context, f *found, _ traffic.Fence) (*traffic.Preparation, error) {
	waiting, err := r.waiting(ctx, f)
	if err != nil || waiting == "" {
		return nil, err
	}
	return &traffic.Preparation{Step: waiting, Wait: 5 * time.Second}, nil
}

// awaitResolvers waits until no resolver remembers an answer with the time to
// live of before.
func (r *Router) awaitResolvers(_ context.Context, f *found, _ traffic.Fence) (*traffic.Preparation, error) {
	before := f.owner.longestTTL()
	if before <= r.ttl() {
		return nil, nil
	}
	from := f.owner.converted.Add(propagation)
	if !r.last.synced.IsZero() && r.last.synced.Before(from) {
		from = r.last.synced
	}
	left := from.Add(before).Sub(r.cfg.Now())
	if left <= 0 {
		return nil, nil
	}
	return &traffic.Preparation{Step: fmt.Sprintf("resolvers may remember the old time to live of %s for another %s", before, left.Round(time.Second)), Wait: left}, nil
}
