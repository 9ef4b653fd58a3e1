package route53

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/moto"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// TestEmulator goes there and back against moto, or another emulator of Route 53.
func TestEmulator(t *testing.T) {
	account := moto.Start(t)
	made, err := sdk.NewFromConfig(account).CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{
		Name: aws.String("example.org"), CallerReference: aws.String(t.Name()),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, id := New(account, awsaccount.Explain), aws.ToString(made.HostedZone.Id)
	before, err := client.Zone(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	// More than one page of a hundred records.
	if plan := bring(t, client, id, wanted(40)); len(plan.Steps) != 41 {
		t.Errorf("%d steps", len(plan.Steps))
	}
	if again := bring(t, client, id, wanted(40)); len(again.Steps) != 0 || len(again.Unchanged) != 41 {
		t.Errorf("there is more to do: %+v", again.Steps)
	}
	// Some are made again, as if nobody had been quicker.
	zone := hostname.Zone{ID: id, Name: "example.org"}
	plan := hostname.Make(zone, wanted(1), settings)
	if err := client.Apply(t.Context(), id, plan.Steps); !errors.Is(err, hostname.ErrOvertaken) {
		t.Errorf("records that are there were made again: %v", err)
	}
	bring(t, client, id, nil)
	after, err := client.Zone(t.Context(), id)
	if err != nil || len(after.Records) != len(before.Records) {
		t.Errorf("left: %+v, %v", after.Records, err)
	}
}
