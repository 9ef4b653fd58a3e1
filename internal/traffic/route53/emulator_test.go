package route53

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/moto"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// TestEmulator runs against moto, or another emulator of Route 53. Delays and
// refusals are its own, and it has no health checkers.
func TestEmulator(t *testing.T) {
	account := moto.Start(t)
	elsewhere := "TestConformance has it"
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair { return emulatedPair(t, account) },
		Skip: map[string]string{
			"Counter": "name servers count nothing", "Drainer": "answers cannot be taken back", "Silence": "needs health checkers",
			"Unknown": "emulators take any target", "Break": "the sides have no health checks", "ForeignChange": elsewhere,
			"Deny": elsewhere, "Throttle": elsewhere, "Cut": elsewhere, "Garble": elsewhere,
			"Serve": "it answers no names", "ServePinned": "it answers no names",
		},
		Weights: []traffic.Weight{0, 1, 50, 99, 100},
	})
}

// emulatedPair makes a zone in an emulator.
func emulatedPair(t *testing.T, account aws.Config) *traffictest.Pair {
	t.Helper()
	client := sdk.NewFromConfig(account)
	zone, err := client.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{
		Name: aws.String("example.com"), CallerReference: aws.String(fmt.Sprint(time.Now().UnixNano())),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ChangeResourceRecordSets(t.Context(), &sdk.ChangeResourceRecordSetsInput{
		HostedZoneId: zone.HostedZone.Id,
		ChangeBatch: &types.ChangeBatch{Changes: []types.Change{create(types.ResourceRecordSet{
			Name: aws.String(hostname), Type: types.RRTypeA, TTL: aws.Int64(300), ResourceRecords: []types.ResourceRecord{{Value: aws.String(oldIP)}},
		})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	clock := &awstest.Clock{}
	// Every look is a second later: moto refuses a record in the place of one
	// that is just like it.
	now := func() time.Time {
		clock.Advance(time.Second)
		return clock.Now()
	}
	router := func() traffic.Router {
		r, err := New(Config{
			AWS: account, ZoneID: aws.ToString(zone.HostedZone.Id), Hostname: hostname, Migration: "team/move", Now: now,
			Old: Target{Name: "servers", Records: []string{oldIP}, PinHostname: "old-shop.example.com"},
			New: Target{Name: "kubernetes", Records: []string{newIP}, PinHostname: "new-shop.example.com"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return &traffictest.Pair{Router: router(), Again: router, Advance: clock.Advance, ComparesEpochs: true}
}
