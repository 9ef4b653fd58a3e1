package awstest

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

func TestPossibleErrors(t *testing.T) {
	operations, err := model()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		operation string
		err       error
		possible  bool
	}{
		{"ModifyRule", nil, true},
		{"ModifyRule", refuse("RuleNotFound", ""), true},
		{"ModifyRule", refuse("Throttling", ""), true},
		{"ModifyRule", refuse("ListenerNotFound", ""), false},
		{"ModifyRule", &failure{404, "RuleNotFound", ""}, false},
		{"GetHostedZone", &failure{404, "NoSuchHostedZone", ""}, true},
		{"GetHostedZone", refuse("NoSuchHostedZone", ""), false},
		{"GetHostedZone", errors.New("broken"), false},
	} {
		if got := operations[c.operation].possible(c.err); got != c.possible {
			t.Errorf("%s fails with %v: %v", c.operation, c.err, got)
		}
	}
}

func TestBounds(t *testing.T) {
	a := Start(t, Options{})
	dns, balancing := route53.NewFromConfig(a.Config()), elb.NewFromConfig(a.Config())
	zone := a.DNS.CreateZone("example.org")
	group := a.ELB.CreateGroup("old", 1)
	listener, _ := a.ELB.CreateListener(group)
	weigh := func(weight int64) error {
		_, err := dns.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: &zone,
			ChangeBatch: &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: &types.ResourceRecordSet{
				Name: aws.String("shop.example.org"), Type: types.RRTypeA, TTL: aws.Int64(60), SetIdentifier: aws.String("old"), Weight: &weight,
				ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
			}}}},
		})
		return err
	}
	rule := func(priority int32) error {
		_, err := balancing.CreateRule(t.Context(), &elb.CreateRuleInput{
			ListenerArn: &listener, Priority: &priority,
			Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{"shop.example.org"}}},
			Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}},
		})
		return err
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"weight 255":     {weigh(255), ""},
		"weight 256":     {weigh(256), "InvalidInput"},
		"priority 50000": {rule(50000), ""},
		"priority 50001": {rule(50001), "ValidationError"},
	} {
		code := ""
		if api := smithy.APIError(nil); errors.As(c.err, &api) {
			code = api.ErrorCode()
		}
		if code != c.code || (c.err == nil) != (c.code == "") {
			t.Errorf("%s: %v, want %q", name, c.err, c.code)
		}
	}
}
