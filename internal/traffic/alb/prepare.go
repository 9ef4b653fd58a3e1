package alb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Prepare adds the new side's target group to the rule with weight 0, so that
// its targets are checked, and waits until one is healthy.
func (r *Router) Prepare(ctx context.Context, fence traffic.Fence) (traffic.Preparation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rule, err := r.read(ctx)
	if err != nil {
		return traffic.Preparation{}, err
	}
	for _, step := range []func(context.Context, *found, traffic.Fence) (string, error){
		r.claim, r.add, r.addPins, r.awaitTargets,
	} {
		if done, err := step(ctx, rule, fence); done != "" || err != nil {
			return traffic.Preparation{Step: done, Wait: r.cfg.Propagation / 4}, err
		}
	}
	return traffic.Preparation{Done: true, Step: "the rule knows both target groups"}, nil
}

// claim checks that the rule can be shared by the sides and takes it.
func (r *Router) claim(ctx context.Context, rule *found, fence traffic.Fence) (string, error) {
	o, err := r.ownerOf(ctx, rule)
	if err != nil {
		return "", err
	}
	if err := r.mine(o, fence); err != nil {
		return "", err
	}
	if o.migration == "" {
		if err := r.acceptable(ctx, rule.forward()); err != nil {
			return "", err
		}
		o = owner{migration: r.cfg.Migration, epoch: fence.Epoch(), sticky: stickinessOf(rule.forward())}
		return "tagged the rule as the migration's", r.tag(ctx, rule, o, fence)
	}
	if o.epoch < fence.Epoch() {
		o.epoch = fence.Epoch()
		return "", r.tag(ctx, rule, o, fence)
	}
	return "", nil
}

// acceptable refuses rules that weights of two sides cannot work in.
func (r *Router) acceptable(ctx context.Context, f *types.ForwardActionConfig) error {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Refused, hint, "preparing rule "+r.cfg.Rule+": "+format, args...)
	}
	old, new, err := r.weights(f)
	switch {
	case err != nil:
		return refuse("Make it forward to the old side alone.", "%w", err)
	case old == 0:
		return refuse("Name the target group that serves the host now as the old side.", "the old side gets no requests")
	case new > 0:
		return refuse("Give the old side its traffic back, or swap the sides.", "the new side gets requests already")
	}
	if err := r.knownGroups(ctx); err != nil {
		return err
	}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		sticky, err := r.sticksWithin(ctx, r.target(side).Group)
		if err != nil {
			return err
		}
		if sticky && (r.cfg.Unstick || stickinessOf(f) == 0) {
			return refuse("Switch the target group's stickiness off, or the rule's on.",
				"target group %s has sticky sessions, which AWS allows beside a second group only if the rule is sticky, too", r.target(side).Group)
		}
	}
	return nil
}

// knownGroups makes sure that both groups exist, at this load balancer or none.
func (r *Router) knownGroups(ctx context.Context) error {
	out, err := r.client.DescribeTargetGroups(ctx, &sdk.DescribeTargetGroupsInput{TargetGroupArns: []string{r.cfg.Old.Group, r.cfg.New.Group}})
	if err != nil {
		return awsaccount.Explain(err, "reading target groups %s and %s", r.cfg.Old.Group, r.cfg.New.Group)
	}
	// arn:…:listener/app/NAME/ID/… belongs to arn:…:loadbalancer/app/NAME/ID.
	parts := strings.Split(listenerOf(r.cfg.Rule), "/")
	balancer := "loadbalancer/" + strings.Join(parts[1:len(parts)-1], "/")
	for _, group := range out.TargetGroups {
		if others := group.LoadBalancerArns; len(others) > 0 && !slices.ContainsFunc(others, func(arn string) bool { return strings.HasSuffix(arn, ":"+balancer) }) {
			return fault.New(fault.Refused, "Make a target group of its own for this load balancer.", "preparing rule %s: target group %s belongs to %s", r.cfg.Rule, aws.ToString(group.TargetGroupArn), strings.Join(others, ", "))
		}
	}
	return nil
}

// sticksWithin tells whether a group has sticky sessions of its own.
func (r *Router) sticksWithin(ctx context.Context, group string) (bool, error) {
	out, err := r.client.DescribeTargetGroupAttributes(ctx, &sdk.DescribeTargetGroupAttributesInput{TargetGroupArn: aws.String(group)})
	if err != nil {
		return false, awsaccount.Explain(err, "reading attributes of target group %s", group)
	}
	return slices.ContainsFunc(out.Attributes, func(a types.TargetGroupAttribute) bool {
		return aws.ToString(a.Key) == "stickiness.enabled" && aws.ToString(a.Value) == "true"
	}), nil
}

// add puts the new side beside the old one, with weight 0.
func (r *Router) add(ctx context.Context, rule *found, fence traffic.Fence) (string, error) {
	f := rule.forward()
	added := slices.ContainsFunc(f.TargetGroups, func(g types.TargetGroupTuple) bool { return aws.ToString(g.TargetGroupArn) == r.cfg.New.Group })
	next := f
	if !added {
		next = r.weighed(f, traffic.None)
	}
	if r.cfg.Unstick {
		next = unstuck(next)
	}
	if same(f, next) {
		return "", nil
	}
	return "added the new side with weight 0", r.put(ctx, rule, next, fence)
}

// awaitTargets waits for one healthy target of the new side.
func (r *Router) awaitTargets(ctx context.Context, _ *found, _ traffic.Fence) (string, error) {
	health, err := r.health(ctx, traffic.New)
	if err != nil || health.Healthy {
		return "", err
	}
	return fmt.Sprintf("the new side's target group is not ready: %s", health.Reason), nil
}

// Finish leaves the side that has all weight alone in the rule, as sticky as it
// was, and removes what the migration added.
func (r *Router) Finish(ctx context.Context, fence traffic.Fence) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rule, err := r.read(ctx)
	if err != nil {
		return err
	}
	o, err := r.ownerOf(ctx, rule)
	if err != nil {
		return err
	}
	if o.migration == "" {
		return fence.Check()
	}
	if err := r.mine(o, fence); err != nil {
		return err
	}
	if err := r.removePins(ctx, rule, fence); err != nil {
		return err
	}
	if err := r.put(ctx, rule, r.staying(rule.forward(), o), fence); err != nil {
		return err
	}
	_, err = r.client.RemoveTags(ctx, &sdk.RemoveTagsInput{ResourceArns: []string{rule.tagged()}, TagKeys: []string{tagMigration, tagEpoch, tagSticky}})
	return awsaccount.Explain(err, "removing tags of rule %s", r.cfg.Rule)
}

// staying is what the rule forwards to in the end.
func (r *Router) staying(f *types.ForwardActionConfig, o owner) *types.ForwardActionConfig {
	next := &types.ForwardActionConfig{TargetGroupStickinessConfig: f.TargetGroupStickinessConfig}
	old, new, err := r.weights(f)
	for _, g := range f.TargetGroups {
		arn := aws.ToString(g.TargetGroupArn)
		idle := err == nil && (arn == r.cfg.Old.Group && old == 0 || arn == r.cfg.New.Group && new == 0)
		if !idle {
			next.TargetGroups = append(next.TargetGroups, g)
		}
	}
	if o.sticky > 0 {
		next.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(int32(o.sticky.Seconds()))}
	}
	return next
}
