package alb

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

const day = 24 * time.Hour

var first = &traffictest.Fence{Number: 1}

// browse sends a request of each browser and counts who answers.
func (w *world) browse(browsers []*awstest.Browser) map[traffic.Side]int {
	w.t.Helper()
	counts := map[traffic.Side]int{}
	for _, b := range browsers {
		group, err := b.Get(hostname, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		counts[w.sideOf(group)]++
	}
	return counts
}

func (w *world) browsers(n int) []*awstest.Browser {
	var all []*awstest.Browser
	for range n {
		all = append(all, w.ELB.Browser(w.listener, true))
	}
	return all
}

// TestCookiesOutlastWeights: a sticky rule keeps browsers where they are at
// weight 0, until Drain cuts that; Finish makes the rule sticky again.
func TestCookiesOutlastWeights(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	w.ELB.SetForward(w.rule, map[string]int{w.old: 1}, day)
	r := w.ready()
	w.write(r, 50)
	users := w.browsers(100)
	before := w.browse(users)
	w.write(r, traffic.None)
	if after := w.browse(users); after[traffic.New] != before[traffic.New] || after[traffic.New] == 0 {
		t.Fatalf("browsers with cookies: %v, then %v at weight 0", before, after)
	}
	if state, err := r.Read(t.Context()); err != nil || state.Instances[0].Residual != -1 {
		t.Errorf("cookies cannot be counted, and are not 0: %+v, %v", state, err)
	}

	if err := r.Drain(t.Context(), traffic.New, first); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(DefaultPropagation)
	if after := w.browse(users); after[traffic.New] != 0 {
		t.Errorf("after Drain: %v", after)
	}
	if state, err := r.Read(t.Context()); err != nil || state.Instances[0].Residual != 0 {
		t.Errorf("nothing sticks any more: %+v, %v", state, err)
	}
	if err := r.Finish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got := w.ELB.Sticky(w.rule); got != day {
		t.Errorf("after Finish requests stick for %s, want %s as before", got, day)
	}
}

func TestUnstick(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	w.ELB.SetForward(w.rule, map[string]int{w.old: 1}, day)
	w.cfg.Unstick = true
	r := w.ready()
	if state, err := r.Read(t.Context()); err != nil || state.Instances[0].Residual != 0 {
		t.Errorf("nothing sticks: %+v, %v", state, err)
	}
	users := w.browsers(200)
	w.browse(users)
	w.write(r, traffic.All)
	if after := w.browse(users); after[traffic.Old] != 0 {
		t.Errorf("at 100 %%: %v", after)
	}
}

// TestLoginStays: the rest of the rule's actions is as it was, the login's
// secret included, which AWS does not show.
func TestLoginStays(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	w.rule = w.ELB.CreateRule(w.listener, 20, hostname, w.old, true)
	w.cfg.Rule, w.cfg.Pin = w.rule, false
	r := w.ready()
	w.write(r, 30)
	if got := w.ELB.Secret(w.rule); got != "s3cret" {
		t.Errorf("the login's secret is %q", got)
	}
	if diff := cmp.Diff(map[string]int{w.old: 70, w.new: 30}, w.ELB.Weights(w.rule)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.cfg.Pin = true
	if _, err := w.router().Prepare(t.Context(), first); fault.ClassOf(err) != fault.Refused {
		t.Errorf("pinned behind a login: %v", err)
	}
}

func TestFinishTidiesUp(t *testing.T) {
	for _, weight := range []traffic.Weight{traffic.None, traffic.All} {
		w := newWorld(t, awstest.Options{})
		rules := w.ELB.Rules(w.listener)
		r := w.ready()
		if got := w.ELB.Rules(w.listener); got != rules+2 {
			t.Errorf("%d rules with those to pin, want %d", got, rules+2)
		}
		w.write(r, weight)
		if err := r.Finish(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		stays := map[string]int{w.old: 100}
		if weight == traffic.All {
			stays = map[string]int{w.new: 100}
		}
		if diff := cmp.Diff(stays, w.ELB.Weights(w.rule)); diff != "" {
			t.Errorf("at %d %% (-want +got):\n%s", weight, diff)
		}
		if got := w.ELB.Rules(w.listener); got != rules || len(w.ELB.Tags(w.rule)) > 0 {
			t.Errorf("%d rules, want %d; tags %v", got, rules, w.ELB.Tags(w.rule))
		}
	}
}

// TestNoRaiseToNobody: targets come before weight, and do not stand in the way
// back.
func TestNoRaiseToNobody(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	r := w.ready()
	w.write(r, 20)
	w.ELB.SetHealth(w.new, false)
	if err := r.Write(t.Context(), 30, first); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "0 of 2 targets are healthy") {
		t.Errorf("a raise to a group without healthy targets: %v", err)
	}
	w.write(r, 0)
}

// TestFewRequests: what a step costs of AWS's small budget.
func TestFewRequests(t *testing.T) {
	w := newWorld(t, awstest.Options{Limits: true})
	w.cfg.AWS = awsaccount.Limited(w.Config(), awsaccount.RegionalLimits())
	r := w.ready()
	count := func() map[string]int {
		counts := map[string]int{}
		for _, op := range []string{"DescribeRules", "DescribeTags", "DescribeTargetHealth", "ModifyRule", "AddTags"} {
			counts[op] = w.Requests(op)
		}
		return counts
	}
	before := count()
	w.write(r, 10)
	for op, want := range map[string]int{"DescribeRules": 1, "DescribeTags": 1, "DescribeTargetHealth": 1, "ModifyRule": 1, "AddTags": 0} {
		if got := count()[op] - before[op]; got != want {
			t.Errorf("a write costs %d %s, want %d", got, op, want)
		}
	}
	before = count()
	w.write(r, 10)
	if got := count()["ModifyRule"] - before["ModifyRule"]; got != 0 {
		t.Error("what is there is written again")
	}
}

func TestPrepareRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*world)
		want   string
	}{
		"another migration's rule": {func(w *world) {
			w.ELB.Tag(w.rule, tagMigration, "team/other")
			w.ELB.Tag(w.rule, tagEpoch, "1")
			w.ELB.Tag(w.rule, tagSticky, "0")
		}, "belongs to migration team/other"},
		"a third group": {func(w *world) {
			w.ELB.SetForward(w.rule, map[string]int{w.old: 1, w.ELB.CreateGroup("canary", 1): 1}, 0)
		}, "forwards to another target group, too"},
		"the new side already": {func(w *world) { w.ELB.SetForward(w.rule, map[string]int{w.old: 1, w.new: 1}, 0) }, "the new side gets requests already"},
		"not the old side":     {func(w *world) { w.ELB.SetForward(w.rule, map[string]int{w.new: 0}, 0) }, "neither side any weight"},
		"a group elsewhere":    {func(w *world) { w.ELB.UseElsewhere(w.new) }, "belongs to arn:"},
		"sticky targets":       {func(w *world) { w.ELB.StickTargets(w.new) }, "has sticky sessions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awstest.Options{})
			tt.change(w)
			before := w.ELB.Weights(w.rule)
			_, err := w.router().Prepare(t.Context(), first)
			if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Errorf("class %s, hint %q: %v, want %q", fault.ClassOf(err), fault.HintOf(err), err, tt.want)
			}
			if diff := cmp.Diff(before, w.ELB.Weights(w.rule)); diff != "" {
				t.Errorf("the rule was changed:\n%s", diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t, awstest.Options{})
	for name, change := range map[string]func(*Config){
		"no rule":               func(c *Config) { c.Rule = "shop" },
		"a network's listener":  func(c *Config) { c.Rule = strings.Replace(c.Rule, "/app/", "/net/", 1) },
		"no group":              func(c *Config) { c.New.Group = "arn:aws:s3:::bucket" },
		"one group":             func(c *Config) { c.New.Group = c.Old.Group },
		"one name":              func(c *Config) { c.New.Name = c.Old.Name },
		"a hostile migration":   func(c *Config) { c.Migration = "a&Action=DeleteRule" },
		"a negative time":       func(c *Config) { c.Propagation = -1 },
		"a name that is no tag": func(c *Config) { c.New.Name = "a b" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			change(&cfg)
			if _, err := New(cfg); fault.ClassOf(err) != fault.Invalid {
				t.Errorf("want it invalid: %v", err)
			}
		})
	}
}
