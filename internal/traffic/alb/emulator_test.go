package alb

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/moto"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// TestEmulator goes the way of a migration at moto, or at another emulator of
// AWS: by a rule of the host's, and by a listener's default rule.
func TestEmulator(t *testing.T) {
	e := emulate(t, moto.Start(t))
	t.Run("rule", func(t *testing.T) { moves(t, e.pair(t, false)) })
	t.Run("default rule", func(t *testing.T) { moves(t, e.pair(t, true)) })
}

// TestEmulatorConforms runs the whole suite, which moto takes most of a minute of
// a processor for.
func TestEmulatorConforms(t *testing.T) {
	if os.Getenv("LANDFALL_TEST_AWS") == "" {
		t.Skip("needs patience: make test-aws")
	}
	e := emulate(t, moto.Start(t))
	elsewhere := "TestConformance has it"
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair { return e.pair(t, false) },
		Skip: map[string]string{
			"Counter": "CloudWatch counts, see the guards", "Watched": "a load balancer watches nobody",
			"Unknown": elsewhere, "Break": "targets are as they are", "ForeignChange": elsewhere,
			"Deny": elsewhere, "Throttle": elsewhere, "Cut": elsewhere, "Garble": elsewhere,
			"Serve": "it carries no traffic", "ServePinned": "it carries no traffic", "Drainer": elsewhere,
		},
		Weights:  []traffic.Weight{0, 1, 50, 99, 100},
		Patience: 2 * time.Minute, // moto is slow where much else goes on
	})
}

// moves prepares a pair and brings all traffic to the new side.
func moves(t *testing.T, pair *traffictest.Pair) {
	fence := &traffictest.Fence{Number: 1}
	traffictest.Prepare(t, pair.Router, fence, pair.Advance)
	for _, weight := range []traffic.Weight{1, 50, traffic.All} {
		if err := pair.Router.Write(t.Context(), weight, fence); err != nil {
			t.Fatal(err)
		}
		state, err := pair.Again().Read(t.Context())
		if err != nil || len(state.Instances) != 1 || !state.Instances[0].At(weight) {
			t.Errorf("at %d: %+v, %v", weight, state, err)
		}
	}
	if err := pair.Router.Finish(t.Context(), fence); err != nil {
		t.Error(err)
	}
}

// emulator is an account with a network and a load balancer.
type emulator struct {
	account  aws.Config
	client   *sdk.Client
	network  string
	balancer string
	made     int
}

func emulate(t *testing.T, account aws.Config) *emulator {
	t.Helper()
	e := &emulator{account: account, client: sdk.NewFromConfig(account)}
	subnets, network := defaultSubnets(t, account)
	e.network = network
	made, err := e.client.CreateLoadBalancer(t.Context(), &sdk.CreateLoadBalancerInput{
		Name: aws.String(fmt.Sprintf("shop-%d", time.Now().UnixNano())), Subnets: subnets,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.balancer = aws.ToString(made.LoadBalancers[0].LoadBalancerArn)
	return e
}

// group makes a target group with a target that can be reached.
func (e *emulator) group(t *testing.T) string {
	t.Helper()
	e.made++
	made, err := e.client.CreateTargetGroup(t.Context(), &sdk.CreateTargetGroupInput{
		Name: aws.String(fmt.Sprintf("group-%d-%d", e.made, time.Now().Unix())), TargetType: types.TargetTypeEnumIp,
		Protocol: types.ProtocolEnumHttp, Port: aws.Int32(80), VpcId: aws.String(e.network),
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.TargetGroups[0].TargetGroupArn
	_, err = e.client.RegisterTargets(t.Context(), &sdk.RegisterTargetsInput{
		TargetGroupArn: arn, Targets: []types.TargetDescription{{Id: aws.String("172.31.0.10"), Port: aws.Int32(80)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(arn)
}

// pair makes a listener with a rule for the host that forwards to the old side,
// or with a default rule that does.
func (e *emulator) pair(t *testing.T, byDefault bool) *traffictest.Pair {
	t.Helper()
	cfg := Config{
		AWS: e.account, Hostname: hostname, Migration: "team/move", Pin: true,
		Old: Target{Name: "servers", Group: e.group(t)}, New: Target{Name: "kubernetes", Group: e.group(t)},
	}
	forward := []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: aws.String(cfg.Old.Group)}}
	listener, err := e.client.CreateListener(t.Context(), &sdk.CreateListenerInput{
		LoadBalancerArn: aws.String(e.balancer), Protocol: types.ProtocolEnumHttp, Port: aws.Int32(int32(1000 + e.made)), DefaultActions: forward,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Rule = aws.ToString(listener.Listeners[0].ListenerArn)
	if !byDefault {
		rule, err := e.client.CreateRule(t.Context(), &sdk.CreateRuleInput{
			ListenerArn: aws.String(cfg.Rule), Priority: aws.Int32(10), Actions: forward,
			Conditions: []types.RuleCondition{{Field: aws.String("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{hostname}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Rule = aws.ToString(rule.Rules[0].RuleArn)
	}
	clock := &awstest.Clock{}
	cfg.Now = clock.Now
	router := func() traffic.Router {
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return &traffictest.Pair{Router: router(), Again: router, Advance: clock.Advance, ComparesEpochs: true}
}

// defaultSubnets asks EC2 for the account's subnets in two zones and for their
// network. Its SDK is too large to take in for one question.
func defaultSubnets(t *testing.T, account aws.Config) (subnets []string, network string) {
	t.Helper()
	const body = "Action=DescribeSubnets&Version=2016-11-15"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *account.BaseEndpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	credentials, err := account.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, request, hex.EncodeToString(sum[:]), "ec2", account.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Subnets []struct {
			ID      string `xml:"subnetId"`
			Network string `xml:"vpcId"`
		} `xml:"subnetSet>item"`
	}
	if err := xml.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Subnets) < 2 {
		t.Fatalf("the account has no two subnets: %s, %v", response.Status, err)
	}
	return []string{answer.Subnets[0].ID, answer.Subnets[1].ID}, answer.Subnets[0].Network
}
