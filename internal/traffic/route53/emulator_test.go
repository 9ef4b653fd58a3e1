package route53

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// emulatedPair makes a zone in an emulator.
func emulatedPair(t *testing.T, endpoint string) *traffictest.Pair {
	t.Helper()
	account := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
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
			Name: aws.String(hostname), Type: types.RRTypeA, TTL: aws.Int64(1), ResourceRecords: []types.ResourceRecord{{Value: aws.String(oldIP)}},
		})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	router := func() traffic.Router {
		r, err := New(Config{
			AWS: account, ZoneID: aws.ToString(zone.HostedZone.Id), Hostname: hostname, Migration: "team/move", TTL: time.Second,
			Old: Target{Name: "servers", Records: []string{oldIP}}, New: Target{Name: "kubernetes", Records: []string{newIP}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return &traffictest.Pair{Router: router(), Again: router, ComparesEpochs: true}
}
