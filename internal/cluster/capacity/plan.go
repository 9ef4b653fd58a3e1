package capacity

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Plan answers the question. Errors are fault.Invalid and name the field.
func Plan(q Question) (Answer, error) {
	q, err := Settle(q)
	if err != nil {
		return Answer{}, err
	}
	p, err := newPlanner(q)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, scenario := range Scenarios {
		a.Scenarios = append(a.Scenarios, p.scenario(scenario)...)
	}
	a.Notes = p.notes()
	a.Proposals = p.proposals(a)
	return a, nil
}

// Settle turns what AWS counts as used in each subnet into what others have
// taken, by what the cluster itself needs today. Settle before asking what if.
func Settle(q Question) (Question, error) {
	if !slices.ContainsFunc(q.Subnets, func(s Subnet) bool { return s.Used != 0 }) {
		return q, nil
	}
	p, err := newPlanner(q)
	if err != nil {
		return q, err
	}
	q.Subnets = slices.Clone(q.Subnets)
	for i, own := range p.judge(Today, "").Subnets {
		if s := &q.Subnets[i]; s.Used != 0 {
			s.Taken, s.Used = max(0, s.Used-own.Needed), 0
		}
	}
	return q, nil
}

func newPlanner(q Question) (planner, error) {
	if err := q.validate(); err != nil {
		return planner{}, err
	}
	nodes := make([]node, len(q.Groups))
	for i, g := range q.Groups {
		n, err := nodeOf(g)
		if err != nil {
			return planner{}, err
		}
		nodes[i] = n
	}
	return planner{q: q, nodes: nodes, zones: q.zones()}, nil
}

type planner struct {
	q     Question
	nodes []node
	zones []string
}

// zones in which there are subnets, sorted.
func (q Question) zones() []string {
	var zones []string
	for _, s := range q.Subnets {
		zones = append(zones, s.Zone)
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// scenario gives one answer, or one for each zone that may be lost.
func (p planner) scenario(s Scenario) []ScenarioAnswer {
	if s != ZoneLost {
		return []ScenarioAnswer{p.judge(s, "")}
	}
	if len(p.zones) < 2 {
		return []ScenarioAnswer{{Scenario: s, Lost: p.zones[0], Answer: result.Fails, Reason: "there is only one zone"}}
	}
	var all []ScenarioAnswer
	for _, zone := range p.zones {
		all = append(all, p.judge(s, zone))
	}
	return all
}

// judge places nodes and pods, and counts addresses.
func (p planner) judge(s Scenario, lost string) ScenarioAnswer {
	a := ScenarioAnswer{Scenario: s, Lost: lost}
	for _, subnet := range p.q.Subnets {
		if subnet.Zone != lost {
			free := subnet.Size() - subnet.Taken
			a.Subnets = append(a.Subnets, SubnetAnswer{Name: subnet.Name, Zone: subnet.Zone, Size: subnet.Size(), Taken: subnet.Taken, Free: free})
		}
	}
	nodes := p.placeNodes(s, lost)
	perNode, hostPerNode, free := p.pods(s)
	a.Unplaced = placePods(nodes, perNode, hostPerNode, free)
	for _, n := range nodes {
		a.count(n)
	}
	a.Answer, a.Reason = verdict(a)
	return a
}

// count starts the node in the subnet of its zone that has the most room.
func (a *ScenarioAnswer) count(n placedNode) {
	var best *SubnetAnswer
	for i := range a.Subnets {
		if s := &a.Subnets[i]; s.Zone == n.zone && (best == nil || s.Free > best.Free) {
			best = s
		}
	}
	taken := n.takes(n.addressed)
	best.Nodes++
	best.Pods += n.pods
	best.Needed += taken
	best.Free -= taken
	a.Nodes++
	a.Pods += n.pods
}

// placedNode is a node in a zone.
type placedNode struct {
	node
	zone string
	// pods it carries, and those of them with an address of their own.
	pods, addressed int
}

// placeNodes spreads the nodes over the zones, as Auto Scaling does.
func (p planner) placeNodes(s Scenario, lost string) []placedNode {
	zones := slices.DeleteFunc(slices.Clone(p.zones), func(zone string) bool { return zone == lost })
	var placed []placedNode
	for i, g := range p.q.Groups {
		count := g.Nodes
		if s == Rolling {
			count += p.surge(g)
		}
		for range count {
			placed = append(placed, placedNode{node: p.nodes[i], zone: zones[len(placed)%len(zones)]})
		}
	}
	return placed
}

// surge is how many nodes more a group has while it is updated.
func (p planner) surge(g NodeGroup) int {
	if g.Surge == 0 {
		return len(p.zones)
	}
	return g.Surge
}

// pods that each node has, those of them with the host's address, and those
// that can be anywhere.
func (p planner) pods(s Scenario) (perNode, hostPerNode int, free []Workload) {
	for _, w := range p.q.Workloads {
		if w.PerNode {
			perNode++
			if w.HostNetwork {
				hostPerNode++
			}
			continue
		}
		if s != Today {
			w.Replicas = max(w.Replicas, w.MaxReplicas)
		}
		if s == Rolling {
			w.Replicas += w.Surge
		}
		free = append(free, w)
	}
	return perNode, hostPerNode, free
}

// placePods gives every node its own pods and spreads the others evenly; it
// tells how many found no room.
func placePods(nodes []placedNode, perNode, hostPerNode int, free []Workload) (unplaced int) {
	open := make(emptiest, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		n.pods = min(perNode, n.maxPods)
		n.addressed = min(perNode-hostPerNode, n.maxPods)
		unplaced += perNode - n.pods
		open[i] = n
	}
	heap.Init(&open)
	for _, w := range free {
		unplaced += spread(&open, w)
	}
	return unplaced
}

// emptiest is a heap of nodes with room, the one with the fewest pods on top.
type emptiest []*placedNode

func (e emptiest) Len() int           { return len(e) }
func (e emptiest) Less(i, j int) bool { return e[i].pods < e[j].pods }
func (e emptiest) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *emptiest) Push(n any)        { *e = append(*e, n.(*placedNode)) }

func (e *emptiest) Pop() any {
	last := len(*e) - 1
	n := (*e)[last]
	*e = (*e)[:last]
	return n
}

// spread puts each pod on the node with the fewest that has room, and tells how
// many found none.
func spread(nodes *emptiest, w Workload) (unplaced int) {
	for i := range w.Replicas {
		for nodes.Len() > 0 && (*nodes)[0].pods >= (*nodes)[0].maxPods {
			heap.Pop(nodes)
		}
		if nodes.Len() == 0 {
			return w.Replicas - i
		}
		n := (*nodes)[0]
		n.pods++
		if !w.HostNetwork {
			n.addressed++
		}
		heap.Fix(nodes, 0)
	}
	return 0
}

func verdict(a ScenarioAnswer) (result.Answer, string) {
	var reasons []string
	for _, s := range a.Subnets {
		if s.Free < 0 {
			reasons = append(reasons, fmt.Sprintf("subnet %s lacks %d addresses", s.Name, -s.Free))
		}
	}
	if a.Unplaced > 0 {
		reasons = append(reasons, fmt.Sprintf("%d pods find no room on %d nodes: add nodes, or raise their maxPods", a.Unplaced, a.Nodes))
	}
	if len(reasons) > 0 {
		return result.Fails, strings.Join(reasons, "; ")
	}
	return result.Holds, ""
}

// notes on what makes the figures larger than pods are many.
func (p planner) notes() []string {
	var notes []string
	for i, g := range p.q.Groups {
		n := p.nodes[i]
		if slots := n.interfaces*(n.perInterface-1) + 2; !g.PrefixDelegation && g.MaxPods > slots {
			notes = append(notes, fmt.Sprintf("node group %s: maxPods %d is more than %s has addresses for (%d): pods would wait for one", g.Name, g.MaxPods, g.InstanceType, slots))
		}
		if g.PrefixDelegation {
			notes = append(notes, fmt.Sprintf("node group %s: prefixes need whole free blocks of 16: in a fragmented subnet reserve them (aws ec2 create-subnet-cidr-reservation)", g.Name))
		}
	}
	return notes
}

// most pods that are computed one by one.
const most = 1_000_000

func (q Question) validate() error {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", "reading the question: "+format, args...)
	}
	if len(q.Subnets) == 0 {
		return invalid("there are no subnets")
	}
	if len(q.Groups) == 0 {
		return invalid("there are no node groups")
	}
	if q.Headroom < 0 || q.Headroom > 1000 {
		return invalid("headroom %d is not within 0 to 1000 percent", q.Headroom)
	}
	for _, network := range slices.Concat(q.VPC, q.Others) {
		if !network.IsValid() || !network.Addr().Is4() || network != network.Masked() {
			return invalid("vpc: %s is not an IPv4 network", network)
		}
	}
	if err := q.validateSubnets(invalid); err != nil {
		return err
	}
	nodes, pods := 0, 0
	for _, g := range q.Groups {
		if g.Nodes < 0 || g.Nodes > most || g.Surge < 0 || g.Surge > most || g.MaxPods < 0 {
			return invalid("node group %s: numbers below zero or over a million", g.Name)
		}
		nodes += g.Nodes + g.Surge
	}
	for _, w := range q.Workloads {
		if min(w.Replicas, w.MaxReplicas, w.Surge) < 0 || max(w.Replicas, w.MaxReplicas, w.Surge) > most {
			return invalid("workload %s: numbers below zero or over a million", w.Name)
		}
		pods += max(w.Replicas, w.MaxReplicas) + w.Surge
	}
	if nodes > 10_000 || pods > most {
		return invalid("%d nodes and %d pods are more than a cluster can have", nodes, pods)
	}
	return nil
}

// validateSubnets checks sizes (AWS: /16 to /28) and that none overlap.
func (q Question) validateSubnets(invalid func(string, ...any) error) error {
	for i, s := range q.Subnets {
		if s.Zone == "" {
			return invalid("subnet %s: its zone is missing", s.Name)
		}
		if !s.CIDR.IsValid() || !s.CIDR.Addr().Is4() || s.CIDR.Bits() < 16 || s.CIDR.Bits() > 28 || s.CIDR != s.CIDR.Masked() {
			return invalid("subnet %s: %s is not a network from /16 to /28", s.Name, s.CIDR)
		}
		if min(s.Taken, s.Used) < 0 || max(s.Taken, s.Used) > s.Size() {
			return invalid("subnet %s: %d addresses taken, it has %d", s.Name, max(s.Taken, s.Used), s.Size())
		}
		if s.Taken != 0 && s.Used != 0 {
			return invalid("subnet %s: give either taken or used", s.Name)
		}
		for _, other := range q.Subnets[:i] {
			if s.CIDR.Overlaps(other.CIDR) {
				return invalid("subnets %s and %s overlap", other.Name, s.Name)
			}
		}
	}
	return nil
}
