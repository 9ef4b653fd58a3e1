// Package alb moves traffic by the weighted target groups of one rule of an
// Application Load Balancer's listener.
//
// The load balancer's API compares nothing: a write replaces the rule's actions,
// whoever has changed them meanwhile. So the adapter reads just before it
// writes, changes only the weights, and marks what it owns by tags.
//
// It knows nothing of migrations beyond traffic.Router. Start at Router, then
// Prepare.
package alb

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Config of a pair of target groups behind one rule.
type Config struct {
	// AWS is the account and region, with its limits: see awsaccount.
	AWS aws.Config
	// Rule is the ARN of the listener rule, or of a listener: its default rule.
	Rule string
	// Hostname that the requests are for.
	Hostname string
	// Migration owns the rule's weights while it runs: namespace/name.
	Migration string
	Old, New  Target
	// Unstick switches the rule's group stickiness off while traffic moves. Else
	// it stays, and browsers that have a cookie stay where they are.
	Unstick bool
	// Pin adds a rule for each side that requests with traffic.PinHeader take.
	Pin bool
	// Propagation is how long a change takes to reach the load balancer's nodes;
	// DefaultPropagation if zero. AWS says only that it is not at once.
	Propagation time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Target is one side.
type Target struct {
	// Name of the side, as traffic.PinHeader asks for it.
	Name string
	// Group is the ARN of the target group.
	Group string
}

// DefaultPropagation leaves room for nodes that hear of a change late.
const DefaultPropagation = 5 * time.Second

var (
	ruleARN       = regexp.MustCompile(`^arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:\d+:listener(-rule)?/app/[^/\s]+/[0-9a-f]+/[0-9a-f]+(/[0-9a-f]+)?$`)
	groupARN      = regexp.MustCompile(`^arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:\d+:targetgroup/[^/\s]+/[0-9a-f]+$`)
	migrationName = regexp.MustCompile(`^[a-z0-9./-]{1,256}$`)
	sideName      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)
)

// Router is a traffic.Router, traffic.Drainer and traffic.Pinner. It is safe for
// concurrent use.
type Router struct {
	cfg    Config
	client *sdk.Client

	mu sync.Mutex
	// seen is the forward action as it was read last, and since when it has
	// been so.
	seen  string
	since time.Time
	// sticky is for how long the rule was seen to stick.
	sticky time.Duration
}

// New makes a router. It asks nobody.
func New(cfg Config) (*Router, error) {
	switch {
	case !ruleARN.MatchString(cfg.Rule):
		return nil, invalid("%.200q is the ARN of no rule or listener of an Application Load Balancer", cfg.Rule)
	case !groupARN.MatchString(cfg.Old.Group) || !groupARN.MatchString(cfg.New.Group):
		return nil, invalid("%.200q and %.200q are not both ARNs of target groups", cfg.Old.Group, cfg.New.Group)
	case cfg.Old.Group == cfg.New.Group:
		return nil, invalid("both sides are target group %s", cfg.Old.Group)
	case !sideName.MatchString(cfg.Old.Name) || !sideName.MatchString(cfg.New.Name) || cfg.Old.Name == cfg.New.Name:
		return nil, invalid("%.80q and %.80q are not two names of sides", cfg.Old.Name, cfg.New.Name)
	case !migrationName.MatchString(cfg.Migration):
		return nil, invalid("the migration's name %.80q cannot be written into a tag", cfg.Migration)
	case cfg.Propagation < 0:
		return nil, invalid("a negative propagation time")
	}
	if region := strings.Split(cfg.Rule, ":")[3]; cfg.AWS.Region != region {
		cfg.AWS.Region = region
	}
	if cfg.Propagation == 0 {
		cfg.Propagation = DefaultPropagation
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Router{cfg: cfg, client: sdk.NewFromConfig(cfg.AWS)}, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "Correct the migration's alb settings.", "reading router settings: "+format, args...)
}

// Describe says what the router can do. It knows of no time after which cookies
// let go: each answer renews them. Read says whether there are any.
func (r *Router) Describe() traffic.Description {
	return traffic.Description{Kind: "alb", Place: r.cfg.Rule, Takes: r.cfg.Propagation}
}

// Read gives the rule's weights. They have settled when the rule has been as it
// is for as long as a change may take to reach all nodes.
func (r *Router) Read(ctx context.Context) (traffic.State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rule, err := r.read(ctx)
	if err != nil {
		return traffic.State{}, err
	}
	i := traffic.Instance{Name: r.cfg.Rule, Residual: -1}
	i.Old, i.New, i.Err = r.weights(rule.forward())
	if left := r.since.Add(r.cfg.Propagation).Sub(r.cfg.Now()); left > 0 {
		i.Waiting = fmt.Sprintf("the load balancer's nodes may need another %s", left.Round(100*time.Millisecond))
	}
	i.Settled = i.Err == nil && i.Waiting == ""
	if r.sticky == 0 {
		i.Residual = 0
	}
	return traffic.State{Instances: []traffic.Instance{i}}, nil
}

// weights of both sides in a forward action. Other groups must have none.
func (r *Router) weights(f *types.ForwardActionConfig) (old, new int, err error) {
	for _, g := range f.TargetGroups {
		weight := 1
		if g.Weight != nil {
			weight = int(*g.Weight)
		}
		switch arn := aws.ToString(g.TargetGroupArn); {
		case arn == r.cfg.Old.Group:
			old = weight
		case arn == r.cfg.New.Group:
			new = weight
		case weight > 0:
			return 0, 0, fmt.Errorf("the rule forwards to another target group, too: %s, with weight %d", arn, weight)
		}
	}
	if old+new == 0 {
		return 0, 0, fmt.Errorf("the rule gives neither side any weight")
	}
	return old, new, nil
}

// Write sets both weights. A raise wants healthy targets first.
func (r *Router) Write(ctx context.Context, w traffic.Weight, fence traffic.Fence) error {
	if w < traffic.None || w > traffic.All {
		return invalid("a weight of %d %% of the new side", w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rule, err := r.read(ctx)
	if err != nil {
		return err
	}
	old, new, err := r.weights(rule.forward())
	lower := w == traffic.None || err == nil && new*int(traffic.All) > int(w)*(old+new)
	if !lower {
		if err := r.readyFor(ctx, w); err != nil {
			return err
		}
	}
	if err := r.own(ctx, rule, fence, lower); err != nil {
		return err
	}
	return r.put(ctx, rule, r.weighed(rule.forward(), w), fence)
}

// readyFor refuses to send requests where no target is healthy.
func (r *Router) readyFor(ctx context.Context, w traffic.Weight) error {
	health, err := r.health(ctx, traffic.New)
	if err != nil {
		return err
	}
	if health.Known && !health.Healthy {
		return fault.New(fault.Refused, "See why its health checks fail.", "writing a weight of %d %%: target group %s is not ready: %s", w, r.cfg.New.Group, health.Reason)
	}
	return nil
}

// weighed is a forward action with other weights, and as it was else.
func (r *Router) weighed(f *types.ForwardActionConfig, w traffic.Weight) *types.ForwardActionConfig {
	next := &types.ForwardActionConfig{TargetGroupStickinessConfig: f.TargetGroupStickinessConfig}
	wanted := map[string]traffic.Weight{r.cfg.Old.Group: traffic.All - w, r.cfg.New.Group: w}
	for _, g := range f.TargetGroups {
		if weight, ours := wanted[aws.ToString(g.TargetGroupArn)]; ours {
			g.Weight = aws.Int32(int32(weight))
			delete(wanted, aws.ToString(g.TargetGroupArn))
		}
		next.TargetGroups = append(next.TargetGroups, g)
	}
	for _, group := range []string{r.cfg.Old.Group, r.cfg.New.Group} {
		if weight, missing := wanted[group]; missing {
			next.TargetGroups = append(next.TargetGroups, types.TargetGroupTuple{TargetGroupArn: aws.String(group), Weight: aws.Int32(int32(weight))})
		}
	}
	return next
}

// Health of a side: one healthy target is enough, since the load balancer sends
// requests to no other.
func (r *Router) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	return r.health(ctx, side)
}

func (r *Router) health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	group := r.target(side).Group
	out, err := r.client.DescribeTargetHealth(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: aws.String(group)})
	if err != nil {
		return traffic.Health{}, awsaccount.Explain(err, "reading the health of target group %s", group)
	}
	healthy, why := 0, ""
	for _, target := range out.TargetHealthDescriptions {
		switch h := target.TargetHealth; {
		case h == nil:
			continue
		case h.State == types.TargetHealthStateEnumHealthy:
			healthy++
		default:
			why = strings.TrimSpace(fmt.Sprintf(": %s %s", h.State, h.Reason))
		}
	}
	return traffic.Health{
		Known: true, Healthy: healthy > 0,
		Reason: fmt.Sprintf("%d of %d targets are healthy%s", healthy, len(out.TargetHealthDescriptions), why),
	}, nil
}

func (r *Router) target(side traffic.Side) Target { return r.cfg.target(side) }

func (c Config) target(side traffic.Side) Target {
	if side == traffic.New {
		return c.New
	}
	return c.Old
}

// Drain cuts what cookies hold on a side: it switches the rule's stickiness off,
// until Finish. Requests then go by weight alone.
func (r *Router) Drain(ctx context.Context, side traffic.Side, fence traffic.Fence) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rule, err := r.read(ctx)
	if err != nil {
		return err
	}
	old, new, err := r.weights(rule.forward())
	if err != nil {
		return err
	}
	if side == traffic.New && new > 0 || side == traffic.Old && old > 0 {
		return fault.New(fault.Refused, "Give the other side all weight first.", "draining the %s side: the rule still sends it requests", side)
	}
	if err := r.own(ctx, rule, fence, true); err != nil {
		return err
	}
	return r.put(ctx, rule, unstuck(rule.forward()), fence)
}

func unstuck(f *types.ForwardActionConfig) *types.ForwardActionConfig {
	return &types.ForwardActionConfig{TargetGroups: f.TargetGroups, TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: aws.Bool(false)}}
}
