package route53

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// TestResidualTraffic asks by resolvers that have remembered answers from before
// the migration: Describe promises when the last of them follows.
func TestResidualTraffic(t *testing.T) {
	const propagated = 20 * time.Second
	w := newWorld(t, awstest.Options{Propagation: propagated})
	var resolvers []*awstest.Resolver
	for range 300 {
		resolvers = append(resolvers, w.DNS.Resolver(w.zone))
	}
	old := w.DNS.Resolver(w.zone)
	old.Forever = true
	all := append(resolvers, old)
	reach := func(ip string) int {
		n := 0
		for _, r := range all {
			if answer := r.Resolve(hostname, "A"); len(answer) == 1 && answer[0] == ip {
				n++
			}
		}
		return n
	}
	if n := reach(oldIP); n != len(all) {
		t.Fatalf("%d of %d at the old side before", n, len(all))
	}
	r := w.ready()
	residual := r.Describe().Residual

	w.write(r, traffic.All)
	if n := reach(newIP); n != 0 {
		t.Errorf("%d resolvers follow before the change is on the name servers", n)
	}
	w.Clock.Advance(propagated)
	if n := reach(newIP); n == len(all)-1 {
		t.Error("nobody remembers the old answer: this measures nothing")
	}
	w.Clock.Advance(residual)
	if n := reach(newIP); n != len(all)-1 {
		t.Errorf("after %s, %d of %d resolvers have followed", residual, n, len(all)-1)
	}

	w.write(r, traffic.None)
	w.Clock.Advance(propagated + residual)
	if n := reach(oldIP); n != len(all) {
		t.Errorf("after the return, %d of %d are at the old side", n, len(all))
	}
}

// TestZeroIsNotNone: the fake does what the description warns of.
func TestZeroIsNotNone(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	check := w.DNS.CreateCheck()
	w.cfg.Old.HealthCheckID = check
	r := w.ready()
	if r.Describe().ZeroIsNotNone == "" {
		t.Error("the description does not warn")
	}
	w.DNS.SetHealth(check, false)
	counts, err := w.resolve(50, hostname)
	if err != nil || counts[traffic.New] != 50 {
		t.Errorf("with the old side unhealthy: %v, %v", counts, err)
	}
}

// TestOtherProcessIsFenced although it remembers the zone and asks nobody.
func TestOtherProcessIsFenced(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	stale := w.ready()
	w.write(stale, 10)
	if _, err := w.router().Prepare(t.Context(), &traffictest.Fence{Number: 2}); err != nil {
		t.Fatal(err)
	}
	err := stale.Write(t.Context(), 90, &traffictest.Fence{Number: 1})
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("a process that was followed writes: %v", err)
	}
	if state, err := w.router().Read(t.Context()); err != nil || !state.Instances[0].At(10) {
		t.Errorf("after its write: %+v, %v", state, err)
	}
}

// TestOneRequestAWrite: what is known is not asked for again when time counts.
func TestOneRequestAWrite(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	r := w.ready()
	w.write(r, 10)
	lists := w.Requests("ListResourceRecordSets")
	w.write(r, 20)
	w.write(r, 0)
	if n := w.Requests("ListResourceRecordSets") - lists; n != 0 {
		t.Errorf("%d lists for two writes", n)
	}
	w.foreign(60)
	w.write(r, 0) // known to be there, and not believed
	if state, _ := r.Read(t.Context()); !state.Instances[0].At(0) {
		t.Errorf("a foreign change stays: %+v", state)
	}
}

// TestNamesBetween: lists have pages, and other names stand between the name and
// its ownership record.
func TestNamesBetween(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	for i := range 700 {
		w.DNS.Simple(w.zone, fmt.Sprintf("%d.%s", i, hostname), "A", 60, "203.0.113.9")
	}
	r := w.ready()
	w.write(r, 30)
	lists := w.Requests("ListResourceRecordSets")
	if state, err := w.router().Read(t.Context()); err != nil || !state.Instances[0].At(30) {
		t.Errorf("%+v, %v", state, err)
	}
	if n := w.Requests("ListResourceRecordSets") - lists; n != 3 {
		t.Errorf("%d pages of 300 for 700 names", n)
	}
}

func TestPriorRequestNotComplete(t *testing.T) {
	w := newWorld(t, awstest.Options{Work: 2 * time.Second})
	r := w.ready()
	if err := r.Write(t.Context(), 10, &traffictest.Fence{Number: 1}); err != nil {
		t.Fatal(err)
	}
	err := r.Write(t.Context(), 20, &traffictest.Fence{Number: 1})
	var throttled *traffic.Throttled
	if !errors.As(err, &throttled) || throttled.After <= 0 || !strings.Contains(err.Error(), "PriorRequestNotComplete") {
		t.Errorf("want it throttled: %v", err)
	}
	w.Clock.Advance(throttled.After)
	w.write(r, 20)
}

// TestSharedLimits: readings of many migrations use up what they may and are then
// slowed to the limit, so that AWS refuses nothing; the return of one finds what
// is kept in reserve.
func TestSharedLimits(t *testing.T) {
	w := newWorld(t, awstest.Options{Limits: true})
	w.cfg.AWS = awsaccount.Limited(w.Config(), awsaccount.GlobalLimits())
	r, reader := w.ready(), w.router()
	w.write(r, 10)
	for i := 0; ; i++ {
		began := time.Now()
		if _, err := reader.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > 50*time.Millisecond {
			break // it waited for its turn
		}
		if i == 2*awsaccount.Route53.Burst {
			t.Fatal("readings do not wait for anything")
		}
	}
	began := time.Now()
	if err := r.Write(traffic.Urgent(t.Context()), traffic.None, &traffictest.Fence{Number: 1}); err != nil {
		t.Errorf("the return: %v", err)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the return waited for %s", took)
	}
}

func TestPrepareRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*world)
		class  fault.Class
		want   string
	}{
		"a name of another migration": {func(w *world) {
			cfg := w.cfg
			cfg.Migration = "team/other"
			if _, err := w.routerOf(cfg).Prepare(w.t.Context(), &traffictest.Fence{Number: 1}); err != nil {
				w.t.Fatal(err)
			}
		}, fault.Refused, "belongs to migration team/other"},
		"a TXT record of others": {func(w *world) {
			w.DNS.Simple(w.zone, "_landfall."+hostname, "TXT", 60, `"v=spf1 -all"`)
		}, fault.Refused, "Landfall has not written"},
		"other addresses":      {func(w *world) { w.DNS.Simple(w.zone, hostname, "A", 300, "203.0.113.7") }, fault.Refused, "[203.0.113.7], which is neither side"},
		"the new side already": {func(w *world) { w.DNS.Simple(w.zone, hostname, "A", 300, newIP) }, fault.Refused, "the new side gets traffic already"},
		"no record": {func(w *world) {
			w.DNS.Remove(w.zone, w.DNS.Sets(w.zone, hostname)[0])
		}, fault.Refused, "there is no record of type A"},
		"another routing policy": {func(w *world) {
			set := w.DNS.Sets(w.zone, hostname)[0]
			w.DNS.Remove(w.zone, set)
			set.SetIdentifier, set.Region = "here", "eu-west-1"
			w.DNS.Put(w.zone, set)
		}, fault.Refused, "another routing policy"},
		"weighted records of others": {func(w *world) {
			set := w.DNS.Sets(w.zone, hostname)[0]
			w.DNS.Remove(w.zone, set)
			set.SetIdentifier, set.Weight = "blue", aws.Int(1)
			w.DNS.Put(w.zone, set)
		}, fault.Refused, `the record "blue" of type A is not of this migration`},
		"a taken name to pin":    {func(w *world) { w.cfg.New.PinHostname = "api.example.com" }, fault.Refused, "has a record of type A already"},
		"a name of another zone": {func(w *world) { w.cfg.Hostname = "shop.example.org" }, fault.Invalid, "shop.example.org is not in zone"},
		"no such zone":           {func(w *world) { w.cfg.ZoneID = "Z404" }, fault.Invalid, "NoSuchHostedZone"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awstest.Options{})
			tt.change(w)
			before := w.DNS.All(w.zone)
			_, err := w.router().Prepare(t.Context(), &traffictest.Fence{Number: 1})
			if err == nil || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("class %s: %v, want %s and %q", fault.ClassOf(err), err, tt.class, tt.want)
			}
			if fault.HintOf(err) == "" {
				t.Error("no next step")
			}
			if after := w.DNS.All(w.zone); strings.Join(before, "\n") != strings.Join(after, "\n") {
				t.Errorf("the zone was changed:\n%s", strings.Join(after, "\n"))
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	tests := map[string]func(*Config){
		"types that differ":      func(c *Config) { c.New.Records = []string{newIP, "2001:db8::1"} },
		"a name and addresses":   func(c *Config) { c.New.Records = []string{"a.example.com", newIP} },
		"neither":                func(c *Config) { c.New.Records = nil },
		"a hostile name":         func(c *Config) { c.Hostname = "shop.example.com\" \"heritage=x" },
		"half a name":            func(c *Config) { c.Hostname = "shop" },
		"a hostile migration":    func(c *Config) { c.Migration = "a,epoch=99" },
		"a zone that is a path":  func(c *Config) { c.ZoneID = "../healthcheck" },
		"the same names":         func(c *Config) { c.New.Name = c.Old.Name },
		"a TTL of half a second": func(c *Config) { c.TTL = 500 * time.Millisecond },
		"no heartbeat":           func(c *Config) { c.DeadMan = &DeadMan{URL: "http://x", Silence: time.Minute} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			change(&cfg)
			if _, err := New(cfg); fault.ClassOf(err) != fault.Invalid {
				t.Errorf("want it invalid: %v", err)
			}
		})
	}
}

func FuzzParseOwner(f *testing.F) {
	o := owner{migration: "team/" + strings.Repeat("long", 80), epoch: 7, ttl: map[types.RRType]int64{"A": 300, "AAAA": 0}, converted: time.Unix(1, 0), written: time.Unix(2, 0), check: "abc"}
	f.Add(o.text())
	f.Add(`"heritage=external-dns,external-dns/owner=x"`)
	f.Add(`"heritage=landfall,migration=a,epoch=1,ttl=A:300,converted=1,written=1`)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseOwner(text)
		if err != nil {
			return
		}
		again, err := parseOwner(parsed.text())
		if err != nil || again.epoch != parsed.epoch || again.migration != parsed.migration {
			t.Errorf("%q became %q: %v", text, parsed.text(), err)
		}
	})
}
