package alb

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// TestEmulator runs against another emulator of AWS, where there is one. A load
// balancer needs a network, which every emulator makes in its own way: the rule
// and both target groups, with healthy targets, are made beforehand and named in
// the environment. All that a previous run left in the rule is reset by a write.
func TestEmulator(t *testing.T) {
	endpoint := os.Getenv("LANDFALL_TEST_AWS_ENDPOINT")
	rule, old, fresh := os.Getenv("LANDFALL_TEST_ALB_RULE"), os.Getenv("LANDFALL_TEST_ALB_OLD"), os.Getenv("LANDFALL_TEST_ALB_NEW")
	if endpoint == "" || rule == "" || old == "" || fresh == "" {
		t.Skip("needs LANDFALL_TEST_AWS_ENDPOINT, the address of an emulator of AWS, and the ARNs LANDFALL_TEST_ALB_RULE, _OLD and _NEW in it")
	}
	cfg := Config{
		AWS: aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		},
		Rule: rule, Hostname: hostname, Migration: "team/move", Now: time.Now,
		Old: Target{Name: "servers", Group: old}, New: Target{Name: "kubernetes", Group: fresh},
	}
	router := func(t *testing.T) traffic.Router {
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	elsewhere := "TestConformance has it"
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			return &traffictest.Pair{Router: router(t), Again: func() traffic.Router { return router(t) }, ComparesEpochs: true}
		},
		Skip: map[string]string{
			"Counter": "CloudWatch counts, see the guards", "Watched": "a load balancer watches nobody",
			"Unknown": "emulators take any target", "Break": "targets are as they are", "ForeignChange": elsewhere,
			"Deny": elsewhere, "Throttle": elsewhere, "Cut": elsewhere, "Garble": elsewhere,
			"Serve": "it may carry no traffic", "Pinner": "pinning is left out", "ServePinned": "pinning is left out", "Drainer": elsewhere,
		},
		Weights: []traffic.Weight{0, 1, 50, 99, 100},
	})
}
