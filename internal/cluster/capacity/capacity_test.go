package capacity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// school is a cluster with one subnet that was cut too small.
func school() Question {
	return Question{
		VPC: []netip.Prefix{prefix("10.0.0.0/20")},
		Subnets: []Subnet{
			{Name: "a", Zone: "ap-northeast-1a", CIDR: prefix("10.0.0.0/24"), Taken: 12},
			{Name: "c", Zone: "ap-northeast-1c", CIDR: prefix("10.0.1.0/24"), Taken: 9},
			{Name: "d", Zone: "ap-northeast-1d", CIDR: prefix("10.0.2.0/25")},
		},
		Groups: []NodeGroup{{Name: "main", InstanceType: "m5.xlarge", Nodes: 9}},
		Workloads: []Workload{
			{Name: "logs", PerNode: true}, {Name: "proxy", PerNode: true, HostNetwork: true},
			{Name: "web", Replicas: 60, MaxReplicas: 150, Surge: 38}, {Name: "jobs", Replicas: 90},
		},
		Headroom: 20,
	}
}

// TestStory is what one would read before moving to a cluster.
func TestStory(t *testing.T) {
	answer, err := Plan(school())
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetIndent("", "  ")
	if err := e.Encode(answer); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, got.String(), "school.json")
}

// Figures that EKS documents for some types.
func TestRecommendedPods(t *testing.T) {
	for _, c := range []struct {
		instanceType string
		prefixes     bool
		want         int
	}{
		{"m5.large", false, 29}, {"m5.xlarge", false, 58}, {"t3.small", false, 11}, {"c5.24xlarge", false, 737},
		{"m5.large", true, 110}, {"m5.24xlarge", true, 250}, {"t3.small", true, 110},
	} {
		n, err := nodeOf(NodeGroup{Name: "g", InstanceType: c.instanceType, PrefixDelegation: c.prefixes})
		if err != nil {
			t.Fatal(err)
		}
		if n.maxPods != c.want {
			t.Errorf("%s, prefixes %v: got %d pods, want %d", c.instanceType, c.prefixes, n.maxPods, c.want)
		}
	}
}

// What a node takes: whole interfaces of 10 (m5.large has 3), one of them
// warm; or blocks of 16 and the interface's own address.
func TestWhatANodeTakes(t *testing.T) {
	single, _ := nodeOf(NodeGroup{InstanceType: "m5.large"})
	blocks, _ := nodeOf(NodeGroup{InstanceType: "m5.large", PrefixDelegation: true})
	for _, c := range []struct{ pods, single, blocks int }{{0, 20, 17}, {9, 20, 33}, {10, 30, 33}, {27, 30, 49}, {16, 30, 33}} {
		if got := single.takes(c.pods); got != c.single {
			t.Errorf("%d pods take %d addresses, want %d", c.pods, got, c.single)
		}
		if got := blocks.takes(c.pods); got != c.blocks {
			t.Errorf("%d pods take %d addresses in blocks, want %d", c.pods, got, c.blocks)
		}
	}
}

func TestProposalsOverlapNothing(t *testing.T) {
	q := school()
	q.Workloads[2].MaxReplicas = 400
	q.Groups[0].Nodes = 30
	a, err := Plan(q)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Proposals) != 3 {
		t.Fatalf("got %d proposals, want one a zone", len(a.Proposals))
	}
	taken := q.Subnets
	for _, p := range a.Proposals {
		for _, s := range taken {
			if s.CIDR.Overlaps(p.CIDR) {
				t.Errorf("%s overlaps %s", p.CIDR, s.CIDR)
			}
		}
		if inVPC := q.VPC[0].Overlaps(p.CIDR); inVPC == p.Secondary {
			t.Errorf("%s: secondary is %v", p.CIDR, p.Secondary)
		}
		taken = append(taken, Subnet{CIDR: p.CIDR})
	}
	// With what is proposed, it fits.
	for _, p := range a.Proposals {
		q.Subnets = append(q.Subnets, Subnet{Name: "new-" + p.Zone, Zone: p.Zone, CIDR: p.CIDR})
	}
	if a, err = Plan(q); err != nil || a.Holds() != result.Holds {
		t.Errorf("with the proposals it is %v (%v)", a.Holds(), err)
	}
}

func TestMorePodsThanNodesCarry(t *testing.T) {
	q := school()
	q.Groups[0].MaxPods = 10
	a, err := Plan(q)
	if err != nil {
		t.Fatal(err)
	}
	today := a.Scenarios[0]
	if want := 150 - 9*(10-2); today.Unplaced != want || today.Answer != result.Fails {
		t.Errorf("%d pods find no room, answer %v; want %d", today.Unplaced, today.Answer, want)
	}
}

func TestOneZoneCannotBeLost(t *testing.T) {
	q := school()
	q.Subnets = q.Subnets[:1]
	a, err := Plan(q)
	if err != nil {
		t.Fatal(err)
	}
	if last := a.Scenarios[len(a.Scenarios)-1]; last.Answer != result.Fails || last.Scenario != ZoneLost {
		t.Errorf("got %+v", last)
	}
}

func TestBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Question)
		want   string
	}{
		"no subnets": {func(q *Question) { q.Subnets = nil }, "no subnets"},
		"no nodes":   {func(q *Question) { q.Groups = nil }, "no node groups"},
		"overlap":    {func(q *Question) { q.Subnets[1].CIDR = prefix("10.0.0.128/25") }, "a and c overlap"},
		"too small":  {func(q *Question) { q.Subnets[0].CIDR = prefix("10.0.0.0/29") }, "/16 to /28"},
		"host bits":  {func(q *Question) { q.Subnets[0].CIDR = prefix("10.0.0.1/24") }, "/16 to /28"},
		"six":        {func(q *Question) { q.Subnets[0].CIDR = prefix("fd00::/64") }, "/16 to /28"},
		"type":       {func(q *Question) { q.Groups[0].InstanceType = "m5.huge" }, `"m5.huge" is not known`},
		"below zero": {func(q *Question) { q.Workloads[2].Replicas = -1 }, "below zero"},
		"many":       {func(q *Question) { q.Workloads[2].Replicas = 1 << 40 }, "over a million"},
		"taken":      {func(q *Question) { q.Subnets[0].Taken = 300 }, "it has 251"},
		"not nitro": {func(q *Question) {
			q.Groups[0] = NodeGroup{Name: "old", InstanceType: "m4.large", PrefixDelegation: true}
		}, "does not do prefix delegation"},
		"empty zone":     {func(q *Question) { q.Subnets[0].Zone = "" }, "zone is missing"},
		"invalid vpc":    {func(q *Question) { q.VPC = []netip.Prefix{{}} }, "vpc"},
		"large headroom": {func(q *Question) { q.Headroom = 1 << 30 }, "headroom"},
	} {
		t.Run(name, func(t *testing.T) {
			q := school()
			c.change(&q)
			_, err := Plan(q)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Invalid {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func BenchmarkLargestCluster(b *testing.B) {
	q := school()
	q.Subnets = nil
	for i := range 6 {
		q.Subnets = append(q.Subnets, Subnet{Name: fmt.Sprint(i), Zone: string(rune('a' + i%3)), CIDR: prefix(fmt.Sprintf("10.%d.0.0/16", i))})
	}
	q.Groups[0].Nodes, q.Workloads[3].Replicas = 5000, 150_000
	for b.Loop() {
		if _, err := Plan(q); err != nil {
			b.Fatal(err)
		}
	}
}
