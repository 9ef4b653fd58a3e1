// Package route53 moves traffic by weighted records of Amazon Route 53. Each
// change is one atomic batch that replaces records as they were read, and the
// ownership record beside them with it: what others have changed meanwhile makes
// the batch fail, and a process that was declared dead cannot write.
//
// It knows DNS and nothing of migrations beyond traffic.Router. Start at Router,
// then Prepare.
package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Router is a traffic.Router, traffic.Pinner and, with a dead man's switch, a
// traffic.Watched over the records of one name. It is safe for concurrent use.
type Router struct {
	cfg             Config
	client          *sdk.Client
	name, ownerName string

	mu sync.Mutex
	// known is how the zone was when it was read or written last; nil if that
	// is not certain.
	known *found
	last  change
	// zoneSeen: the zone exists and has the hostname.
	zoneSeen bool
	watch    watch
}

// change is the last batch of this process that set weights.
type change struct {
	id string
	// synced is when it was seen on all name servers.
	synced time.Time
}

// New makes a router. It asks nobody.
func New(cfg Config) (*Router, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	name := canonical(cfg.Hostname)
	return &Router{cfg: cfg, client: sdk.NewFromConfig(cfg.AWS), name: name, ownerName: ownerNameOf(name)}, nil
}

// Describe says what the router can do.
func (r *Router) Describe() traffic.Description {
	d := traffic.Description{
		Kind: "route53", Place: fmt.Sprintf("%s in zone %s", strings.TrimSuffix(r.name, "."), r.cfg.ZoneID),
		Takes: propagation, Residual: r.ttl(),
	}
	switch {
	case r.cfg.Old.HealthCheckID != "" || evaluates(r.cfg.Old.Alias):
		d.ZeroIsNotNone = "Route 53 answers with records of weight 0 when all others are unhealthy, and the old side's health is checked"
	case r.cfg.New.HealthCheckID != "" || evaluates(r.cfg.New.Alias):
		d.ZeroIsNotNone = "Route 53 answers with records of weight 0 when all others are unhealthy: the old side stands in for the new one"
	}
	return d
}

func evaluates(a *Alias) bool { return a != nil && a.EvaluateTargetHealth }

// ttl is for how long resolvers remember an answer while traffic moves.
func (r *Router) ttl() time.Duration {
	if r.cfg.Old.Alias != nil || r.cfg.New.Alias != nil {
		return max(r.cfg.TTL, aliasTTL)
	}
	return r.cfg.TTL
}

// Read gives the weights of each type of record of the name.
func (r *Router) Read(ctx context.Context) (traffic.State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.look(ctx)
	if err != nil {
		return traffic.State{}, err
	}
	r.known = f
	waiting, err := r.waiting(ctx, f)
	if err != nil {
		return traffic.State{}, err
	}
	struck, err := r.struck(ctx, f)
	if err != nil {
		return traffic.State{}, err
	}
	var state traffic.State
	for _, kind := range r.cfg.Old.kinds() {
		instance := r.instance(f, kind)
		instance.Settled, instance.Waiting = waiting == "", waiting
		if struck && instance.Err == nil {
			instance.Old, instance.New = max(instance.Old, 1), 0
			instance.DeadMan = "Route 53 answers with the old side, since its health check " + f.owner.check + " on Landfall's heartbeat fails"
		}
		state.Instances = append(state.Instances, instance)
	}
	return state, nil
}

// instance reads the weights of one type of record.
func (r *Router) instance(f *found, kind types.RRType) traffic.Instance {
	i := traffic.Instance{Name: fmt.Sprintf("%s %s", strings.TrimSuffix(r.name, "."), kind), Residual: -1}
	for _, set := range f.sets[kind] {
		side, err := r.sideOf(set)
		switch {
		case err != nil:
			i.Err = err
			return i
		case set.SetIdentifier == nil:
			i.Old, i.New = 0, 0
			if side == traffic.New {
				i.New = int(traffic.All)
			} else {
				i.Old = int(traffic.All)
			}
		case side == traffic.New:
			i.New = int(aws.ToInt64(set.Weight))
		default:
			i.Old = int(aws.ToInt64(set.Weight))
		}
	}
	if i.Old+i.New == 0 {
		i.Err = fmt.Errorf("no record of type %s of either side has a weight", kind)
	}
	return i
}

// sideOf tells whose record set it is, or says why it is nobody's.
func (r *Router) sideOf(set types.ResourceRecordSet) (traffic.Side, error) {
	id := aws.ToString(set.SetIdentifier)
	if set.SetIdentifier != nil && set.Weight == nil {
		return "", fmt.Errorf("the record %q of type %s has another routing policy than weights", id, set.Type)
	}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		target := r.cfg.target(side)
		ours := target.set(set.Type, r.cfg.TTL)
		switch {
		case set.SetIdentifier == nil && sameAnswer(set, ours):
			return side, nil
		case set.SetIdentifier == nil || id != target.Name:
		case !sameAnswer(set, ours):
			return "", fmt.Errorf("the record %q of type %s is %v, not %v", id, set.Type, values(set), values(ours))
		default:
			return side, nil
		}
	}
	if set.SetIdentifier == nil {
		return "", fmt.Errorf("the record of type %s is %v, which is neither side", set.Type, values(set))
	}
	return "", fmt.Errorf("the record %q of type %s is not of this migration", id, set.Type)
}

// waiting says what keeps the last weights from being in effect, or "".
func (r *Router) waiting(ctx context.Context, f *found) (string, error) {
	switch {
	case r.last.id == "" && f.owner == nil, !r.last.synced.IsZero():
		return "", nil
	case r.last.id == "":
		if left := f.owner.written.Add(propagation).Sub(r.cfg.Now()); left > 0 {
			return fmt.Sprintf("another process has written %s ago, and Route 53 takes up to %s", (propagation - left).Round(time.Second), propagation), nil
		}
		return "", nil
	}
	out, err := r.client.GetChange(ctx, &sdk.GetChangeInput{Id: aws.String(r.last.id)})
	if err != nil {
		return "", awsaccount.Explain(err, "asking for the change %s of zone %s", r.last.id, r.cfg.ZoneID)
	}
	if out.ChangeInfo == nil || out.ChangeInfo.Status != types.ChangeStatusInsync {
		return "the change is not on all of Route 53's name servers yet", nil
	}
	r.last.synced = r.cfg.Now()
	return "", nil
}

// Pin is the name that always leads to a side, if the migration has one.
func (r *Router) Pin(side traffic.Side) string {
	if name := r.cfg.target(side).PinHostname; name != "" {
		return "the host name " + name
	}
	return ""
}

// mine refuses what others own, and processes that another has followed.
func (r *Router) mine(f *found, fence traffic.Fence) error {
	if f.owner == nil {
		return nil
	}
	if f.owner.migration != r.cfg.Migration {
		return fault.New(fault.Refused, fmt.Sprintf("Finish or abort migration %s first.", f.owner.migration),
			"%s belongs to migration %s", r.cfg.Hostname, f.owner.migration)
	}
	if f.owner.epoch > fence.Epoch() {
		return fault.New(fault.Refused, "Stop this process: another works on the migration.",
			"%s was written by a later process (%d after %d)", r.cfg.Hostname, f.owner.epoch, fence.Epoch())
	}
	return nil
}

// submit carries out a batch, having asked the fence at the last moment.
func (r *Router) submit(ctx context.Context, changes []types.Change, fence traffic.Fence, why string) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := fence.Check(); err != nil {
		return "", err
	}
	r.known = nil // nobody knows until it is answered
	out, err := r.client.ChangeResourceRecordSets(ctx, &sdk.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(r.cfg.ZoneID),
		ChangeBatch:  &types.ChangeBatch{Changes: changes, Comment: aws.String("Landfall, migration " + r.cfg.Migration + ": " + why)},
	})
	if err != nil {
		return "", awsaccount.Explain(err, "changing records of %s in zone %s", r.cfg.Hostname, r.cfg.ZoneID)
	}
	if out.ChangeInfo == nil || out.ChangeInfo.Id == nil {
		return "", fmt.Errorf("changing records of %s in zone %s: the answer names no change", r.cfg.Hostname, r.cfg.ZoneID)
	}
	return strings.TrimPrefix(*out.ChangeInfo.Id, "/change/"), nil
}

// ownerSetOf is the ownership record that says o.
func (r *Router) ownerSetOf(o owner) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name: aws.String(r.ownerName), Type: types.RRTypeTxt, TTL: aws.Int64(int64(DefaultTTL / time.Second)),
		ResourceRecords: []types.ResourceRecord{{Value: aws.String(o.text())}},
	}
}

// claim replaces the ownership record as it was read.
func (r *Router) claim(f *found, o owner) []types.Change {
	set := r.ownerSetOf(o)
	if f.ownerSet == nil {
		return []types.Change{create(set)}
	}
	return []types.Change{remove(*f.ownerSet), create(set)}
}

func create(set types.ResourceRecordSet) types.Change {
	return types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &set}
}

func remove(set types.ResourceRecordSet) types.Change {
	return types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &set}
}

// deletionsFirst orders a batch as people expect to read it.
func deletionsFirst(changes []types.Change) []types.Change {
	slices.SortStableFunc(changes, func(a, b types.Change) int {
		return -strings.Compare(string(a.Action), string(b.Action))
	})
	return changes
}
