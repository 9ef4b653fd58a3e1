package netpol

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// packet is a new connection, as the rules see it.
type packet struct {
	from, to string
	protocol uint8
	port     uint16
}

const tcp, udp = 6, 17

// passes evaluates the rules as the kernel does.
func (r *ruleset) passes(p packet) bool {
	from, to := netip.MustParseAddr(p.from), netip.MustParseAddr(p.to)
	return r.passesChain(r.outbound, from, to, to, p) && r.passesChain(r.inbound, to, from, to, p)
}

func (r *ruleset) passesChain(pods map[netip.Addr]string, pod, peer, to netip.Addr, p packet) bool {
	chain, isolated := pods[pod]
	if !isolated {
		return true
	}
	for _, rule := range r.chains[chain] {
		if r.ruleMatches(rule, peer, socket{addr: to, protocol: p.protocol, port: p.port}) {
			return true
		}
	}
	return false
}

func (r *ruleset) ruleMatches(rule rule, peer netip.Addr, to socket) bool {
	if rule.peers != "" {
		found := false
		for _, network := range r.networks[rule.peers] {
			found = found || network.Contains(peer)
		}
		if !found {
			return false
		}
	}
	if rule.sockets != "" {
		found := false
		for _, s := range r.sockets[rule.sockets] {
			found = found || s == to
		}
		if !found {
			return false
		}
	}
	return rule.ports.contains(to)
}

func pod(namespace, name, ip string, podLabels map[string]string, ports ...corev1.ContainerPort) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: podLabels, UID: types.UID(namespace + name)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Ports: ports}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip},
	}
}

const (
	webIP, dbIP, cronIP = "10.0.1.1", "10.0.1.2", "10.0.2.3" // namespace shop
	otherIP             = "10.0.1.9"                         // namespace blog
	internet            = "93.184.216.34"
	dnsIP               = "10.9.0.2"
)

// world has two namespaces and the name server outside of any pod.
func world(t *testing.T, policies ...string) snapshot {
	t.Helper()
	in := snapshot{
		pods: []*corev1.Pod{
			pod("shop", "web", webIP, map[string]string{"app": "web"}, corev1.ContainerPort{Name: "http", ContainerPort: 8080}),
			pod("shop", "db", dbIP, map[string]string{"app": "db"}, corev1.ContainerPort{Name: "sql", ContainerPort: 3306}),
			pod("shop", "cron", cronIP, map[string]string{"app": "cron"}),
			pod("blog", "other", otherIP, map[string]string{"app": "web"}, corev1.ContainerPort{Name: "http", ContainerPort: 9090}),
		},
		namespaces: map[string]labels.Set{
			"shop":        {"kubernetes.io/metadata.name": "shop"},
			"blog":        {"kubernetes.io/metadata.name": "blog", "team": "content"},
			"kube-system": {"kubernetes.io/metadata.name": "kube-system"},
		},
	}
	hostPods, err := (&Config{DNSAddress: dnsIP}).hostPods()
	if err != nil {
		t.Fatal(err)
	}
	in.hostPods = hostPods
	for _, text := range policies {
		policy := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(text), policy); err != nil {
			t.Fatal(err)
		}
		in.policies = append(in.policies, policy)
	}
	return in
}

func TestCompileDecides(t *testing.T) {
	tests := map[string]struct {
		policies []string
		allow    []packet
		deny     []packet
	}{
		"no policy": {
			allow: []packet{{otherIP, dbIP, tcp, 3306}, {dbIP, internet, tcp, 443}},
		},
		"default deny of both directions": {
			policies: []string{`{metadata: {namespace: shop, name: deny}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`},
			allow:    []packet{{otherIP, internet, tcp, 443}},
			deny:     []packet{{otherIP, dbIP, tcp, 3306}, {webIP, dbIP, tcp, 3306}, {webIP, internet, tcp, 443}, {webIP, dnsIP, udp, 53}},
		},
		"types default to ingress": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: db}}}}`},
			allow:    []packet{{dbIP, internet, tcp, 443}},
			deny:     []packet{{webIP, dbIP, tcp, 3306}},
		},
		"own namespace only": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}], policyTypes: [Ingress]}}`},
			allow:    []packet{{webIP, dbIP, tcp, 3306}, {cronIP, dbIP, 1, 0}},
			deny:     []packet{{otherIP, dbIP, tcp, 3306}, {internet, webIP, tcp, 8080}},
		},
		"peers are pods AND namespaces of one entry": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: db}},
				ingress: [{from: [{namespaceSelector: {matchLabels: {team: content}}, podSelector: {matchLabels: {app: web}}}]}]}}`},
			allow: []packet{{otherIP, dbIP, tcp, 3306}},
			deny:  []packet{{webIP, dbIP, tcp, 3306}},
		},
		"peers are pods OR namespaces of two entries": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: db}},
				ingress: [{from: [{namespaceSelector: {matchLabels: {team: content}}}, {podSelector: {matchLabels: {app: web}}}]}]}}`},
			allow: []packet{{otherIP, dbIP, tcp, 3306}, {webIP, dbIP, tcp, 3306}},
			deny:  []packet{{cronIP, dbIP, tcp, 3306}},
		},
		"policies add up": {
			policies: []string{
				`{metadata: {namespace: shop, name: a}, spec: {podSelector: {}}}`,
				`{metadata: {namespace: shop, name: b}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}`,
			},
			allow: []packet{{webIP, dbIP, tcp, 3306}},
			deny:  []packet{{cronIP, dbIP, tcp, 3306}, {dbIP, webIP, tcp, 8080}},
		},
		"port numbers, ranges and protocols": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: db}},
				ingress: [{ports: [{port: 3306}, {protocol: UDP, port: 100, endPort: 110}, {protocol: SCTP}]}]}}`},
			allow: []packet{{webIP, dbIP, tcp, 3306}, {webIP, dbIP, udp, 100}, {webIP, dbIP, udp, 110}, {webIP, dbIP, 132, 9}},
			deny:  []packet{{webIP, dbIP, tcp, 3307}, {webIP, dbIP, udp, 111}, {webIP, dbIP, udp, 3306}, {webIP, dbIP, tcp, 105}, {webIP, dbIP, 1, 0}},
		},
		"a named port inbound is the selected pod's": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: sql}]}]}}`},
			allow:    []packet{{webIP, dbIP, tcp, 3306}, {otherIP, dbIP, tcp, 3306}},
			deny:     []packet{{dbIP, webIP, tcp, 3306}, {webIP, dbIP, tcp, 8080}, {internet, dbIP, tcp, 3306}},
		},
		"a named port outbound is each peer's": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: cron}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}]}]}}`},
			allow:    []packet{{cronIP, webIP, tcp, 8080}, {cronIP, otherIP, tcp, 9090}},
			deny:     []packet{{cronIP, webIP, tcp, 9090}, {cronIP, dbIP, tcp, 3306}},
		},
		"blocks with exceptions": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: cron}}, policyTypes: [Egress],
				egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}, {podSelector: {matchLabels: {app: db}}}]}]}}`},
			allow: []packet{{cronIP, internet, tcp, 443}, {cronIP, "255.255.255.255", udp, 1}, {cronIP, dbIP, tcp, 3306}},
			deny:  []packet{{cronIP, webIP, tcp, 8080}, {cronIP, "10.255.0.1", tcp, 1}},
		},
		"the name server is a pod of kube-system with two ports": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, policyTypes: [Egress],
				egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}]}}`},
			allow: []packet{{webIP, dnsIP, udp, 53}, {webIP, dnsIP, tcp, 53}},
			deny:  []packet{{webIP, dnsIP, tcp, 6443}, {webIP, dbIP, udp, 53}},
		},
		"the name server by port": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, policyTypes: [Egress],
				egress: [{to: [{namespaceSelector: {}}], ports: [{protocol: UDP, port: 53}]}]}}`},
			allow: []packet{{webIP, dnsIP, udp, 53}},
			deny:  []packet{{webIP, dnsIP, tcp, 53}},
		},
		"a selector that matches nobody allows nobody": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: ghost}}}]}]}}`},
			deny:     []packet{{webIP, dbIP, tcp, 3306}, {internet, dbIP, tcp, 3306}},
		},
		"an unreadable selector allows nobody": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: Near}]}}]}]}}`},
			deny:     []packet{{webIP, dbIP, tcp, 3306}},
		},
		"blocks of IPv6 are nobody": {
			policies: []string{`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}}`},
			deny:     []packet{{webIP, dbIP, tcp, 3306}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rules := compile(world(t, test.policies...))
			for _, p := range test.allow {
				if !rules.passes(p) {
					t.Errorf("%v is denied by\n%s", p, rules)
				}
			}
			for _, p := range test.deny {
				if rules.passes(p) {
					t.Errorf("%v is allowed by\n%s", p, rules)
				}
			}
		})
	}
}

const denyShop = `{metadata: {namespace: shop, name: deny}, spec: {podSelector: {}}}`

func TestCompileFollowsPods(t *testing.T) {
	tests := map[string]struct {
		change  func(*snapshot)
		inbound []string
	}{
		"running pods": {
			change:  func(*snapshot) {},
			inbound: []string{webIP, dbIP, cronIP},
		},
		"a pod that has ended gives its address back": {
			change:  func(in *snapshot) { in.pods[0].Status.Phase = corev1.PodSucceeded },
			inbound: []string{dbIP, cronIP},
		},
		"a pod on the host's network is part of its node": {
			change:  func(in *snapshot) { in.pods[1].Spec.HostNetwork = true },
			inbound: []string{webIP, cronIP},
		},
		"a pod without address is nowhere": {
			change:  func(in *snapshot) { in.pods[2].Status.PodIP = "" },
			inbound: []string{webIP, dbIP},
		},
		"an assigned address is newer than the status": {
			change: func(in *snapshot) {
				in.assigned = map[types.NamespacedName]netip.Addr{{Namespace: "shop", Name: "web"}: netip.MustParseAddr("10.0.1.77")}
			},
			inbound: []string{"10.0.1.77", dbIP, cronIP},
		},
		"an assigned address is taken from its last holder": {
			change: func(in *snapshot) {
				in.assigned = map[types.NamespacedName]netip.Addr{{Namespace: "blog", Name: "other"}: netip.MustParseAddr(webIP)}
			},
			inbound: []string{dbIP, cronIP},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := world(t, denyShop)
			test.change(&in)
			got := map[string]bool{}
			for addr := range compile(in).inbound {
				got[addr.String()] = true
			}
			want := map[string]bool{}
			for _, addr := range test.inbound {
				want[addr] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("isolated pods (-want +got):\n%s", diff)
			}
		})
	}
}

// Pods with equal policies share a chain, and the order of objects is no part
// of the rules: the agent compares their text to see whether anything changed.
func TestCompileIsStable(t *testing.T) {
	forward := world(t, denyShop, `{metadata: {namespace: shop, name: open}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}}`)
	backward := world(t, denyShop)
	backward.policies = []*networkingv1.NetworkPolicy{forward.policies[1], forward.policies[0]}
	backward.pods = []*corev1.Pod{forward.pods[3], forward.pods[2], forward.pods[1], forward.pods[0]}

	want, got := compile(forward), compile(backward)
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("rules depend on the order of objects:\n%s", diff)
	}
	if len(want.chains) != 2 {
		t.Errorf("%d chains for two kinds of pods:\n%s", len(want.chains), want)
	}
}
