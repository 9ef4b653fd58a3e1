package netpol

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol/assign"
)

// startAgent runs an agent for the nodes of n and the objects of a fake API
// server, and returns its socket.
func startAgent(t *testing.T, n *testNet, client *fake.Clientset) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "netpol.sock")
	around := surroundings{podInterface: "cni0", trusted: netip.MustParsePrefix("10.213.0.0/24")}
	a := newAgent(client, around, nil, namedNamespaces(n.prefix+"n[0-9]"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.run(ctx, socket) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	return socket
}

func (n *testNet) inode(name string) uint64 {
	n.t.Helper()
	nodes, err := namedNamespaces(n.prefix + name)()
	if err != nil || len(nodes) != 1 {
		n.t.Fatalf("namespace %s: %v, %v", name, nodes, err)
	}
	return nodes[0].inode
}

// eventually waits for what the agent does on its own.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 50 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func shopObjects(t *testing.T) []runtime.Object {
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		pod("shop", "web", "", map[string]string{"app": "web"}),
		pod("shop", "db", dbPod, map[string]string{"app": "db"}),
		world(t, `{metadata: {namespace: shop, name: db-from-web}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}`).policies[0],
	}
}

func TestAgentIsolatesAPodBeforeItStarts(t *testing.T) {
	n := newTestNet(t)
	n.serve("db", dbPod+":3306")
	n.serve("web", webPod+":8080")
	socket := startAgent(t, n, fake.NewClientset(shopObjects(t)...))

	// Until the plugin names it, the pod is a stranger to its own namespace.
	eventually(t, "the policy holds", func() bool { return !n.reaches("far", dbPod+":3306") })
	n.check(checks{{"web", dbPod + ":3306"}: false, {"far", webPod + ":8080"}: true})

	err := assign.Call(t.Context(), socket, assign.Request{
		Namespace: "shop", Name: "web", UID: "shopweb", Address: netip.MustParseAddr(webPod), NetNS: n.inode("n1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	// No waiting here: the answer means that the rules are in force everywhere.
	n.check(checks{{"web", dbPod + ":3306"}: true, {"far", webPod + ":8080"}: false})
}

func TestAgentRefusesWhatItCannotIsolate(t *testing.T) {
	n := newTestNet(t)
	socket := startAgent(t, n, fake.NewClientset(shopObjects(t)...))
	tests := map[string]struct {
		request assign.Request
		want    string
	}{
		"node without rules": {
			assign.Request{Namespace: "shop", Name: "web", Address: netip.MustParseAddr(webPod), NetNS: 1},
			"could not be set",
		},
		"address of another family": {
			assign.Request{Namespace: "shop", Name: "web", Address: netip.MustParseAddr("fd00::1"), NetNS: n.inode("n1")},
			"not IPv4",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := assign.Call(t.Context(), socket, test.request)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestAgentWaitsForAPodItHasNotSeen(t *testing.T) {
	n := newTestNet(t)
	client := fake.NewClientset()
	socket := startAgent(t, n, client)
	answer := make(chan error, 1)
	go func() {
		answer <- assign.Call(t.Context(), socket, assign.Request{
			Namespace: "shop", Name: "web", UID: "shopweb", Address: netip.MustParseAddr(webPod), NetNS: n.inode("n1"),
		})
	}()
	select {
	case err := <-answer:
		t.Fatalf("answered %v about an unknown pod", err)
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := client.CoreV1().Pods("shop").Create(t.Context(), pod("shop", "web", "", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

func TestAgentFollowsPoliciesAndNodes(t *testing.T) {
	n := newTestNet(t)
	n.serve("db", dbPod+":3306")
	client := fake.NewClientset(shopObjects(t)...)
	startAgent(t, n, client)
	denied := func() bool { return !n.reaches("far", dbPod+":3306") }
	eventually(t, "the policy holds", denied)

	policies := client.NetworkingV1().NetworkPolicies("shop")
	if err := policies.Delete(t.Context(), "db-from-web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy is gone", func() bool { return !denied() })

	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "deny"}}
	if _, err := policies.Create(t.Context(), policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new policy holds", denied)
}

func TestAgentTakesAWaveOfPods(t *testing.T) {
	n := newTestNet(t)
	const count = 50
	var objects []runtime.Object
	for i := range count {
		objects = append(objects, pod("shop", fmt.Sprint("pod-", i), "", nil))
	}
	socket := startAgent(t, n, fake.NewClientset(objects...))
	answers := make(chan error, count)
	for i := range count {
		go func() {
			answers <- assign.Call(t.Context(), socket, assign.Request{
				Namespace: "shop", Name: fmt.Sprint("pod-", i), Address: netip.AddrFrom4([4]byte{10, 213, 129, byte(100 + i)}), NetNS: n.inode("n1"),
			})
		}()
	}
	for range count {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestSameRules(t *testing.T) {
	base := pod("shop", "web", webIP, map[string]string{"app": "web"})
	tests := map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"nothing":   {func(*corev1.Pod) {}, true},
		"readiness": {func(p *corev1.Pod) { p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}} }, true},
		"start":     {func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }, true},
		"end":       {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
		"labels":    {func(p *corev1.Pod) { p.Labels = nil }, false},
		"address":   {func(p *corev1.Pod) { p.Status.PodIP = dbIP }, false},
		"namesake":  {func(p *corev1.Pod) { p.UID = "another" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			changed := base.DeepCopy()
			test.change(changed)
			if got := sameRules(base, changed); got != test.want {
				t.Errorf("same rules: %v, want %v", got, test.want)
			}
		})
	}
}
