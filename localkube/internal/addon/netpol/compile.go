package netpol

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// snapshot is what the rules follow from.
type snapshot struct {
	pods       []*corev1.Pod
	namespaces map[string]labels.Set
	policies   []*networkingv1.NetworkPolicy
	// assigned are the addresses of pods that the network plugin has just
	// given out; they are newer than the pods' own status.
	assigned map[types.NamespacedName]netip.Addr
	// hostPods are processes outside of pods that policies see as pods.
	hostPods []hostPod
}

// hostPod is a process outside of any pod that answers for what is a pod in
// other clusters, such as the name server. Policies that name it by its labels
// reach its ports, and nothing else at its address.
type hostPod struct {
	namespace string
	labels    labels.Set
	ports     []corev1.ContainerPort
	addr      netip.Addr
}

// endpoint is a pod or hostPod with an address, as a peer of policies.
type endpoint struct {
	name   types.NamespacedName
	labels labels.Set
	addr   netip.Addr
	ports  []corev1.ContainerPort
	onHost bool
}

// compiler turns one snapshot into a ruleset.
type compiler struct {
	in        snapshot
	out       *ruleset
	endpoints []endpoint
	byName    map[string][]endpoint // by namespace
}

// compile computes the rules for the snapshot. Equal snapshots give equal
// rules, in whatever order their objects come.
//
// The semantics are those of the NetworkPolicy reference:
// https://kubernetes.io/docs/concepts/services-networking/network-policies/
func compile(in snapshot) *ruleset {
	c := &compiler{in: in, out: newRuleset(), endpoints: endpoints(in), byName: map[string][]endpoint{}}
	for _, e := range c.endpoints {
		c.byName[e.name.Namespace] = append(c.byName[e.name.Namespace], e)
	}
	policies := slices.SortedFunc(slices.Values(in.policies), func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	c.isolate(policies, networkingv1.PolicyTypeIngress, c.ingressRules, c.out.inbound)
	c.isolate(policies, networkingv1.PolicyTypeEgress, c.egressRules, c.out.outbound)
	return c.out
}

// isolate gives every pod that a policy selects a chain with the rules of all
// policies that select it. Pods with the same policies share their chain.
func (c *compiler) isolate(policies []*networkingv1.NetworkPolicy, direction networkingv1.PolicyType,
	rulesOf func(*networkingv1.NetworkPolicy, []endpoint) []rule, pods map[netip.Addr]string) {
	rules := map[*networkingv1.NetworkPolicy][]rule{}
	selectedBy := map[netip.Addr][]*networkingv1.NetworkPolicy{}
	for _, policy := range policies {
		if !applies(policy, direction) {
			continue
		}
		selected := c.selected(policy)
		rules[policy] = rulesOf(policy, selected)
		for _, e := range selected {
			selectedBy[e.addr] = append(selectedBy[e.addr], policy)
		}
	}
	for addr, policies := range selectedBy {
		name := chainName(direction, policies)
		pods[addr] = name
		if _, done := c.out.chains[name]; done {
			continue
		}
		chain := []rule{}
		for _, policy := range policies {
			chain = append(chain, rules[policy]...)
		}
		c.out.chains[name] = chain
	}
}

func chainName(direction networkingv1.PolicyType, policies []*networkingv1.NetworkPolicy) string {
	var names strings.Builder
	for _, policy := range policies {
		names.WriteString(policy.Namespace + "/" + policy.Name + "\n")
	}
	prefix := "in-"
	if direction == networkingv1.PolicyTypeEgress {
		prefix = "out-"
	}
	return contentName(prefix+policies[0].Namespace+"-", names.String())
}

// applies says whether the policy is about the direction. The API server fills
// in policyTypes; the defaults here are its own.
func applies(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) > 0 {
		return slices.Contains(policy.Spec.PolicyTypes, direction)
	}
	return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
}

// selected are the real pods that the policy is for.
func (c *compiler) selected(policy *networkingv1.NetworkPolicy) []endpoint {
	selector := asSelector(&policy.Spec.PodSelector)
	return filter(c.byName[policy.Namespace], func(e endpoint) bool {
		return !e.onHost && selector.Matches(e.labels)
	})
}

func (c *compiler) ingressRules(policy *networkingv1.NetworkPolicy, selected []endpoint) []rule {
	var rules []rule
	for _, allowed := range policy.Spec.Ingress {
		peers := ""
		if len(allowed.From) > 0 {
			set := addresses(realPods(c.peerPods(policy.Namespace, allowed.From)), allowed.From)
			if len(set.Ranges()) == 0 {
				continue
			}
			peers = c.out.addNetwork(set)
		}
		ports, named := splitPorts(allowed.Ports)
		for _, p := range ports {
			rules = append(rules, rule{peers: peers, ports: p})
		}
		if sockets := namedSockets(selected, named); len(sockets) > 0 {
			rules = append(rules, rule{peers: peers, sockets: c.out.addSockets(sockets)})
		}
	}
	return rules
}

func (c *compiler) egressRules(policy *networkingv1.NetworkPolicy, _ []endpoint) []rule {
	var rules []rule
	for _, allowed := range policy.Spec.Egress {
		ports, named := splitPorts(allowed.Ports)
		if len(allowed.To) == 0 {
			for _, p := range ports {
				rules = append(rules, rule{outbound: true, ports: p})
			}
			if sockets := namedSockets(c.endpoints, named); len(sockets) > 0 {
				rules = append(rules, rule{outbound: true, sockets: c.out.addSockets(sockets)})
			}
			continue
		}
		peers := c.peerPods(policy.Namespace, allowed.To)
		if set := addresses(realPods(peers), allowed.To); len(set.Ranges()) > 0 {
			for _, p := range ports {
				rules = append(rules, rule{outbound: true, peers: c.out.addNetwork(set), ports: p})
			}
		}
		sockets := append(namedSockets(peers, named), hostSockets(peers, ports)...)
		if len(sockets) > 0 {
			rules = append(rules, rule{outbound: true, sockets: c.out.addSockets(sockets)})
		}
	}
	return rules
}

// peerPods are the endpoints that any of the peers selects.
func (c *compiler) peerPods(namespace string, peers []networkingv1.NetworkPolicyPeer) []endpoint {
	matches := make([]func(endpoint) bool, 0, len(peers))
	for _, peer := range peers {
		if peer.IPBlock == nil {
			matches = append(matches, c.peerMatcher(namespace, peer))
		}
	}
	return filter(c.endpoints, func(e endpoint) bool {
		return slices.ContainsFunc(matches, func(match func(endpoint) bool) bool { return match(e) })
	})
}

// peerMatcher: a missing namespaceSelector means the policy's own namespace, a
// missing podSelector all pods.
func (c *compiler) peerMatcher(namespace string, peer networkingv1.NetworkPolicyPeer) func(endpoint) bool {
	pods := labels.Everything()
	if peer.PodSelector != nil {
		pods = asSelector(peer.PodSelector)
	}
	if peer.NamespaceSelector == nil {
		return func(e endpoint) bool { return e.name.Namespace == namespace && pods.Matches(e.labels) }
	}
	namespaces := asSelector(peer.NamespaceSelector)
	return func(e endpoint) bool {
		found, known := c.in.namespaces[e.name.Namespace]
		return known && namespaces.Matches(found) && pods.Matches(e.labels)
	}
}

// endpoints lists who has an address, in a stable order. Pods on the host's
// network are part of their node, which policies do not restrict; the address
// of a pod that has ended may already be another's.
func endpoints(in snapshot) []endpoint {
	byAddr := map[netip.Addr]endpoint{}
	for _, pod := range in.pods {
		name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
		if pod.Spec.HostNetwork || finished(pod) {
			continue
		}
		addr, fresh := in.assigned[name]
		if !fresh {
			addr, _ = netip.ParseAddr(pod.Status.PodIP)
		}
		if _, taken := byAddr[addr]; !addr.Is4() || taken && !fresh {
			continue
		}
		byAddr[addr] = endpoint{name: name, labels: pod.Labels, addr: addr, ports: containerPorts(pod)}
	}
	list := make([]endpoint, 0, len(byAddr)+len(in.hostPods))
	for _, e := range byAddr {
		list = append(list, e)
	}
	for _, host := range in.hostPods {
		name := types.NamespacedName{Namespace: host.namespace}
		list = append(list, endpoint{name: name, labels: host.labels, addr: host.addr, ports: host.ports, onHost: true})
	}
	slices.SortFunc(list, func(a, b endpoint) int { return a.addr.Compare(b.addr) })
	return list
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func containerPorts(pod *corev1.Pod) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, container := range pod.Spec.Containers {
		ports = append(ports, container.Ports...)
	}
	for _, container := range pod.Spec.InitContainers {
		ports = append(ports, container.Ports...)
	}
	return ports
}

func realPods(list []endpoint) []endpoint {
	return filter(list, func(e endpoint) bool { return !e.onHost })
}

// addresses are the pods' and what the ipBlocks among the peers hold.
func addresses(pods []endpoint, peers []networkingv1.NetworkPolicyPeer) *netipx.IPSet {
	var all netipx.IPSetBuilder
	for _, pod := range pods {
		all.Add(pod.addr)
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			all.AddSet(block(peer.IPBlock))
		}
	}
	set, err := all.IPSet()
	if err != nil { // Only invalid addresses fail, and those were left out.
		return &netipx.IPSet{}
	}
	return set
}

// block is the block without its exceptions; blocks of IPv6 hold nothing,
// since the cluster has no such addresses.
func block(b *networkingv1.IPBlock) *netipx.IPSet {
	cidr, err := netip.ParsePrefix(b.CIDR)
	if err != nil || !cidr.Addr().Is4() {
		return &netipx.IPSet{}
	}
	var builder netipx.IPSetBuilder
	builder.AddPrefix(cidr)
	for _, except := range b.Except {
		if prefix, err := netip.ParsePrefix(except); err == nil {
			builder.RemovePrefix(prefix)
		}
	}
	set, err := builder.IPSet()
	if err != nil {
		return &netipx.IPSet{}
	}
	return set
}

// asSelector turns a selector that cannot be read into one that matches
// nothing: a peer so named is not let in.
func asSelector(selector *metav1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return labels.Nothing()
	}
	return parsed
}

func filter(list []endpoint, keep func(endpoint) bool) []endpoint {
	var kept []endpoint
	for _, e := range list {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}
