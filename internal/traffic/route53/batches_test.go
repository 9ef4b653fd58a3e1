package route53

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

var unixTimes = regexp.MustCompile(`(converted|written)=\d+`)

// TestBatches shows each change of a migration as Route 53 gets it.
func TestBatches(t *testing.T) {
	tests := map[string]func(*world){
		"addresses": func(*world) {},
		"both-families": func(w *world) {
			w.DNS.Simple(w.zone, hostname, "AAAA", 600, "2001:db8::1")
			w.cfg.Old.Records = []string{oldIP, "2001:db8::1"}
			w.cfg.New.Records = []string{newIP, "2001:db8::2"}
			w.cfg.Old.PinHostname, w.cfg.New.PinHostname = "", ""
		},
		"server-to-load-balancer": func(w *world) {
			w.cfg.New = Target{Name: "kubernetes", Alias: &Alias{DNSName: "k8s.eu-west-1.elb.amazonaws.com", ZoneID: "ZELB", EvaluateTargetHealth: true}}
		},
		"heartbeat": func(w *world) { w.withHeartbeat() },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awstest.Options{Propagation: time.Second})
			change(w)
			before := w.DNS.All(w.zone)
			r := w.ready()
			if w.cfg.DeadMan != nil {
				if err := r.Arm(t.Context(), traffic.MinDeadMan, &traffictest.Fence{Number: 1}); err != nil {
					t.Fatal(err)
				}
			}
			w.write(r, 5)
			w.write(r, 0)
			if err := r.Finish(t.Context(), &traffictest.Fence{Number: 1}); err != nil {
				t.Fatal(err)
			}
			text := unixTimes.ReplaceAllString(strings.Join(w.DNS.Batches(w.zone), "\n"), "$1=TIME")
			golden.Assert(t, text, name+".txt")
			if diff := cmp.Diff(before, w.DNS.All(w.zone)); diff != "" {
				t.Errorf("the zone is not as it was (-before +after):\n%s", diff)
			}
			if checks := w.DNS.Checks(); len(checks) > 0 {
				t.Errorf("health checks are left: %v", checks)
			}
		})
	}
}

// TestFinishLeavesTheNewSide with the time to live of before.
func TestFinishLeavesTheNewSide(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	r := w.ready()
	w.write(r, traffic.All)
	if err := r.Finish(t.Context(), &traffictest.Fence{Number: 1}); err != nil {
		t.Fatal(err)
	}
	want := []string{hostname + ". A " + newIP + " ttl=300"}
	var got []string
	for _, line := range w.DNS.All(w.zone) {
		if strings.Contains(line, "shop.example.com.") && !strings.HasPrefix(line, "1.") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
