package alb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// found is the rule as it was read.
type found struct {
	types.Rule
	// listener that the rule is of.
	listener string
	// at is the place of the forward action among the rule's actions.
	at int
}

// forward is what the rule forwards to, whichever way it is written.
func (f *found) forward() *types.ForwardActionConfig {
	a := f.Actions[f.at]
	if a.ForwardConfig != nil {
		return a.ForwardConfig
	}
	return &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: a.TargetGroupArn}}}
}

// tagged is the ARN that carries the migration's tags: a default rule has none
// of its own to speak of, its listener has.
func (f *found) tagged() string {
	if aws.ToBool(f.IsDefault) {
		return f.listener
	}
	return aws.ToString(f.RuleArn)
}

// listenerOf gives the listener of a rule by their names:
// arn:…:listener-rule/app/NAME/ID/LISTENER/RULE. A listener is its own.
func listenerOf(arn string) string {
	listener := strings.Replace(arn, ":listener-rule/", ":listener/", 1)
	if listener == arn {
		return arn
	}
	return listener[:strings.LastIndexByte(listener, '/')]
}

// read gives the rule, and notes since when it has been as it is.
func (r *Router) read(ctx context.Context) (*found, error) {
	in := &sdk.DescribeRulesInput{RuleArns: []string{r.cfg.Rule}}
	listener := listenerOf(r.cfg.Rule)
	if listener == r.cfg.Rule {
		in = &sdk.DescribeRulesInput{ListenerArn: aws.String(listener)}
	}
	rules, err := r.describe(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if aws.ToString(rule.RuleArn) != r.cfg.Rule && !aws.ToBool(rule.IsDefault) {
			continue
		}
		at := slices.IndexFunc(rule.Actions, func(a types.Action) bool { return a.Type == types.ActionTypeEnumForward })
		if at < 0 {
			return nil, fault.New(fault.Invalid, "Name a rule that forwards.", "reading rule %s: it does not forward to target groups", r.cfg.Rule)
		}
		f := &found{Rule: rule, listener: listener, at: at}
		r.note(f.forward())
		return f, nil
	}
	return nil, fmt.Errorf("reading rule %s: the answer does not hold it", r.cfg.Rule)
}

func (r *Router) describe(ctx context.Context, in *sdk.DescribeRulesInput) ([]types.Rule, error) {
	var rules []types.Rule
	for {
		out, err := r.client.DescribeRules(ctx, in)
		if err != nil {
			return nil, awsaccount.Explain(err, "reading rule %s", r.cfg.Rule)
		}
		rules = append(rules, out.Rules...)
		if out.NextMarker == nil || *out.NextMarker == "" {
			return rules, nil
		}
		in.Marker = out.NextMarker
	}
}

// note remembers what was seen, for Settled and for what sticks.
func (r *Router) note(f *types.ForwardActionConfig) {
	text, err := json.Marshal(f)
	if err != nil || string(text) != r.seen {
		r.seen, r.since = string(text), r.cfg.Now()
	}
	r.sticky = stickinessOf(f)
}

// stickinessOf a forward action: for how long a cookie holds; 0 if it does not.
func stickinessOf(f *types.ForwardActionConfig) time.Duration {
	s := f.TargetGroupStickinessConfig
	if s == nil || !aws.ToBool(s.Enabled) {
		return 0
	}
	return time.Duration(aws.ToInt32(s.DurationSeconds)) * time.Second
}

// put makes the rule forward so, and leaves its other actions as they are. It
// writes nothing if the rule is so already.
func (r *Router) put(ctx context.Context, rule *found, f *types.ForwardActionConfig, fence traffic.Fence) error {
	if err := fence.Check(); err != nil {
		return err
	}
	if same(rule.forward(), f) {
		return nil
	}
	actions := slices.Clone(rule.Actions)
	actions[rule.at].ForwardConfig, actions[rule.at].TargetGroupArn = f, nil
	for i := range actions {
		if login := actions[i].AuthenticateOidcConfig; login != nil {
			kept := *login // its secret is not shown, and must not be lost
			kept.UseExistingClientSecret = aws.Bool(true)
			actions[i].AuthenticateOidcConfig = &kept
		}
	}
	if err := r.modify(ctx, rule, actions); err != nil {
		return awsaccount.Explain(err, "changing rule %s", r.cfg.Rule)
	}
	r.note(f)
	return nil
}

func (r *Router) modify(ctx context.Context, rule *found, actions []types.Action) error {
	if aws.ToBool(rule.IsDefault) {
		_, err := r.client.ModifyListener(ctx, &sdk.ModifyListenerInput{ListenerArn: aws.String(rule.listener), DefaultActions: actions})
		return err
	}
	_, err := r.client.ModifyRule(ctx, &sdk.ModifyRuleInput{RuleArn: rule.RuleArn, Actions: actions})
	return err
}

// same tells whether two forward actions do the same, in whatever order they
// name the groups.
func same(a, b *types.ForwardActionConfig) bool {
	weights := func(f *types.ForwardActionConfig) map[string]int32 {
		all := map[string]int32{}
		for _, g := range f.TargetGroups {
			all[aws.ToString(g.TargetGroupArn)] = 1
			if g.Weight != nil {
				all[aws.ToString(g.TargetGroupArn)] = *g.Weight
			}
		}
		return all
	}
	wa, wb := weights(a), weights(b)
	if len(wa) != len(wb) || stickinessOf(a) != stickinessOf(b) {
		return false
	}
	for arn, weight := range wa {
		if other, ok := wb[arn]; !ok || other != weight {
			return false
		}
	}
	return true
}
