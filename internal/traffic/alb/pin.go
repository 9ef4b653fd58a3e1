package alb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// maxPriority is the last place that a rule can have.
const maxPriority = 50000

// Pin says how to ask for a side.
func (r *Router) Pin(side traffic.Side) string {
	if !r.cfg.Pin {
		return ""
	}
	return fmt.Sprintf("the header %s: %s", traffic.PinHeader, r.target(side).Name)
}

// addPins makes a rule for each side just before the migration's rule: the same
// requests, if they ask for the side.
func (r *Router) addPins(ctx context.Context, rule *found, fence traffic.Fence) (string, error) {
	if !r.cfg.Pin {
		return "", nil
	}
	rules, err := r.describe(ctx, &sdk.DescribeRulesInput{ListenerArn: aws.String(rule.listener)})
	if err != nil {
		return "", err
	}
	pins, err := r.pins(ctx, rules)
	if err != nil {
		return "", err
	}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		if pin, made := pins[side]; made {
			if left := pin.made.Add(r.cfg.Propagation).Sub(r.cfg.Now()); left > 0 {
				return "the load balancer's nodes hear of the rules for requests that ask for a side", nil
			}
			continue
		}
		if err := r.addPin(ctx, rule, rules, side, fence); err != nil {
			return "", err
		}
		return fmt.Sprintf("added a rule for requests that ask for the %s side", side), nil
	}
	return "", nil
}

func (r *Router) addPin(ctx context.Context, rule *found, rules []types.Rule, side traffic.Side, fence traffic.Fence) error {
	priority, err := placeBefore(rule, rules)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rule.Actions, func(a types.Action) bool { return a.AuthenticateOidcConfig != nil }) {
		return fault.New(fault.Refused, "Switch pin off: AWS does not let the login's secret be copied into another rule.", "preparing rule %s: requests cannot be pinned behind a login", r.cfg.Rule)
	}
	actions := slices.Clone(rule.Actions)
	actions[rule.at] = types.Action{Type: types.ActionTypeEnumForward, Order: actions[rule.at].Order, TargetGroupArn: aws.String(r.target(side).Group)}
	if err := fence.Check(); err != nil {
		return err
	}
	_, err = r.client.CreateRule(ctx, &sdk.CreateRuleInput{
		ListenerArn: aws.String(rule.listener), Priority: aws.Int32(int32(priority)), Actions: actions, Conditions: r.pinConditions(rule, side),
		Tags: []types.Tag{tagOf(tagMigration, r.cfg.Migration), tagOf(tagPin, string(side)), tagOf(tagMade, strconv.FormatInt(r.cfg.Now().Unix(), 10))},
	})
	if code, _ := awsaccount.CodeAndMessage(err); code == "PriorityInUse" {
		return fmt.Errorf("adding a rule beside %s: priority %d was taken meanwhile", r.cfg.Rule, priority)
	}
	return awsaccount.Explain(err, "adding a rule beside %s for requests that ask for the %s side", r.cfg.Rule, side)
}

// pinConditions are those of the migration's rule, and the header. The default
// rule has none: the hostname stands in.
func (r *Router) pinConditions(rule *found, side traffic.Side) []types.RuleCondition {
	var conditions []types.RuleCondition
	for _, c := range rule.Conditions {
		if c.HostHeaderConfig != nil || c.PathPatternConfig != nil {
			c.Values = nil // said twice in answers, to be said once in requests
		}
		conditions = append(conditions, c)
	}
	if len(conditions) == 0 {
		conditions = []types.RuleCondition{{Field: aws.String("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{r.cfg.Hostname}}}}
	}
	return append(conditions, types.RuleCondition{
		Field:            aws.String("http-header"),
		HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: aws.String(traffic.PinHeader), Values: []string{r.target(side).Name}},
	})
}

// placeBefore is the last free priority before the rule's own, so that rules
// that come before it today still do.
func placeBefore(rule *found, rules []types.Rule) (int, error) {
	taken, last := map[int]bool{}, maxPriority+1
	for _, other := range rules {
		if n, err := strconv.Atoi(aws.ToString(other.Priority)); err == nil {
			taken[n] = true
		}
	}
	if n, err := strconv.Atoi(aws.ToString(rule.Priority)); err == nil {
		last = n
	}
	for n := last - 1; n >= 1; n-- {
		if !taken[n] {
			return n, nil
		}
	}
	return 0, fault.New(fault.Refused, "Give the rule a larger priority number, or switch pin off.", "preparing rule %s: there is no free priority before it", aws.ToString(rule.RuleArn))
}

// pin is a rule for requests that ask for a side.
type pin struct {
	arn  string
	made time.Time
}

// pins gives the rules that the migration has added, by side.
func (r *Router) pins(ctx context.Context, rules []types.Rule) (map[traffic.Side]pin, error) {
	var candidates []string
	for _, rule := range rules {
		if slices.ContainsFunc(rule.Conditions, func(c types.RuleCondition) bool {
			return c.HttpHeaderConfig != nil && aws.ToString(c.HttpHeaderConfig.HttpHeaderName) == traffic.PinHeader
		}) {
			candidates = append(candidates, aws.ToString(rule.RuleArn))
		}
	}
	tags, err := r.tags(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	pins := map[traffic.Side]pin{}
	for arn, t := range tags {
		if t[tagMigration] == r.cfg.Migration && t[tagPin] != "" {
			made, _ := strconv.ParseInt(t[tagMade], 10, 64) // long ago, if it cannot be read
			pins[traffic.Side(t[tagPin])] = pin{arn: arn, made: time.Unix(made, 0)}
		}
	}
	return pins, nil
}

// removePins removes what addPins has added.
func (r *Router) removePins(ctx context.Context, rule *found, fence traffic.Fence) error {
	rules, err := r.describe(ctx, &sdk.DescribeRulesInput{ListenerArn: aws.String(rule.listener)})
	if err != nil {
		return err
	}
	pins, err := r.pins(ctx, rules)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if err := fence.Check(); err != nil {
			return err
		}
		if _, err := r.client.DeleteRule(ctx, &sdk.DeleteRuleInput{RuleArn: aws.String(p.arn)}); err != nil {
			return awsaccount.Explain(err, "removing the rule %s", p.arn)
		}
	}
	return nil
}
