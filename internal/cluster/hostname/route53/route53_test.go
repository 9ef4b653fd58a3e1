package route53

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
)

var settings = hostname.Settings{Owner: "landfall"}

// world is an account with a zone that others use, too.
func world(t *testing.T, options awstest.Options) (*awstest.AWS, *Client, string) {
	t.Helper()
	account := awstest.Start(t, options)
	zone := account.DNS.CreateZone("example.org")
	account.DNS.Simple(zone, "www.example.org", "A", 300, "203.0.113.9")
	return account, New(account.Config(), awsaccount.Explain), zone
}

func wanted(n int) []hostname.Wanted {
	all := []hostname.Wanted{{Hostname: "*.dev.example.org", Resource: "cluster/blue", Target: hostname.Target{Alias: &hostname.Alias{DNSName: "lb.elb.amazonaws.com", HostedZoneID: "ZELB"}, IPv6: true}}}
	for i := range n {
		all = append(all, hostname.Wanted{Hostname: fmt.Sprintf("web-%d.example.org", i), Resource: fmt.Sprintf("environment/shop/e%d", i), Target: hostname.Target{Values: []string{"192.0.2.1", "2001:db8::1"}, TTL: 60}})
	}
	return all
}

// bring makes the zone as it is wanted and gives the plan that was carried out.
func bring(t *testing.T, c *Client, id string, wanted []hostname.Wanted) hostname.Plan {
	t.Helper()
	zone, err := c.Zone(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	plan := hostname.Make(zone, wanted, settings)
	for _, batch := range plan.Batches() {
		if err := c.Apply(t.Context(), id, batch); err != nil {
			t.Fatal(err)
		}
	}
	return plan
}

// TestThereAndBack fills a zone over several pages and batches, finds nothing to
// do then, and leaves it as it was.
func TestThereAndBack(t *testing.T) {
	account, client, zone := world(t, awstest.Options{})
	before := account.DNS.All(zone)
	plan := bring(t, client, zone, wanted(400))
	if len(plan.Steps) != 401 || len(account.DNS.Batches(zone)) < 2 {
		t.Fatalf("%d steps in %d batches", len(plan.Steps), len(account.DNS.Batches(zone)))
	}
	if again := bring(t, client, zone, wanted(400)); len(again.Steps) != 0 || len(again.Unchanged) != 401 {
		t.Errorf("there is more to do: %+v", again.Steps)
	}
	if got := account.DNS.Sets(zone, "*.dev.example.org"); len(got) != 2 || got[0].Alias == nil {
		t.Errorf("the wildcard is %v", got)
	}
	bring(t, client, zone, nil)
	if after := account.DNS.All(zone); !slices.Equal(before, after) {
		t.Errorf("left: %v", after)
	}
}

// TestOvertaken: what somebody else changed after it was read is not overwritten.
func TestOvertaken(t *testing.T) {
	account, client, id := world(t, awstest.Options{})
	bring(t, client, id, wanted(1))
	zone, err := client.Zone(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	moved := wanted(1)
	moved[1].Target.Values = []string{"192.0.2.9"}
	plan := hostname.Make(zone, moved, settings)
	account.DNS.Simple(id, "web-0.example.org", "A", 60, "198.51.100.7")
	if err := client.Apply(t.Context(), id, plan.Steps); !errors.Is(err, hostname.ErrOvertaken) {
		t.Errorf("got %v", err)
	}
	if got := account.DNS.Sets(id, "web-0.example.org")[0].Values()[0]; got != "198.51.100.7" {
		t.Errorf("it was overwritten by %s", got)
	}
}

// TestBusyAndThrottled: while Route 53 works on an earlier change, and when it
// has had too many requests, the change is tried again.
func TestBusyAndThrottled(t *testing.T) {
	account, client, id := world(t, awstest.Options{Work: 30 * time.Second})
	bring(t, client, id, wanted(1))
	zone, err := client.Zone(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	plan := hostname.Make(zone, wanted(2), settings)
	done := make(chan error)
	go func() { done <- client.Apply(context.Background(), id, plan.Steps) }()
	for account.Requests("ChangeResourceRecordSets") < 2 {
		time.Sleep(time.Millisecond)
	}
	account.Throttle()
	for account.Requests("ChangeResourceRecordSets") < 3 {
		time.Sleep(time.Millisecond)
	}
	account.Clock.Advance(time.Minute)
	account.Restore()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(account.DNS.Sets(id, "web-1.example.org")) != 2 {
		t.Error("the change was not made")
	}
}

func TestDenied(t *testing.T) {
	account, client, id := world(t, awstest.Options{})
	account.Deny()
	if _, err := client.Zone(t.Context(), id); fault.ClassOf(err) != fault.Refused || !strings.Contains(fault.HintOf(err), "route53:") {
		t.Errorf("%v", err)
	}
	account.Restore()
	if _, err := client.Zone(t.Context(), "ZNONE"); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("no such zone: %v", err)
	}
}

func TestNames(t *testing.T) {
	for escaped, want := range map[string]string{`\052.Example.ORG.`: "*.example.org", `a-\052.x.`: "a-*.x", `a\`: `a\`, `a\9`: `a\9`, `a\999b`: `a\999b`, ".": ""} {
		if got := plain(escaped); got != want {
			t.Errorf("%q became %q", escaped, got)
		}
	}
}
