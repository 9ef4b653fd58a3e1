package addons

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func connects(t *testing.T, from *corev1.Pod, address string) bool {
	t.Helper()
	answer, err := get(from, "/dial", url.Values{"address": {address}})
	if err != nil {
		t.Fatalf("asking pod %s: %v", from.Name, err)
	}
	return answer == "connected"
}

func (c *cluster) policy(t *testing.T, namespace, name, spec string) {
	t.Helper()
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &policy.Spec); err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.NetworkingV1().NetworkPolicies(namespace).Create(t.Context(), policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// becomes waits for a policy to take effect in one direction or the other.
func becomes(t *testing.T, want bool, from *corev1.Pod, address string) {
	t.Helper()
	what := fmt.Sprintf("pod %s reaches %s: %v", from.Name, address, want)
	eventually(t, 20*time.Second, what, func() (string, bool) { return "", connects(t, from, address) == want })
}

func TestNetworkPolicyKeepsNamespacesApart(t *testing.T) {
	c, ours := useCluster(t)
	theirs := c.namespace(t)
	pods := c.start(t,
		on(1, c.newPod(ours, "near")), on(2, c.newPod(ours, "far")),
		on(1, c.newPod(theirs, "near")), on(2, c.newPod(theirs, "far")))
	near, far, strangers := pods[0], pods[1], pods[2:]
	web := c.service(t, ours, "near", "")
	viaService := web.Spec.ClusterIP + ":8080"
	for _, stranger := range strangers {
		becomes(t, true, stranger, near.Status.PodIP+":8080")
		becomes(t, true, stranger, viaService)
	}

	c.policy(t, ours, "own", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}`)
	for _, stranger := range strangers {
		becomes(t, false, stranger, near.Status.PodIP+":8080")
		for _, address := range []string{far.Status.PodIP + ":8080", viaService} {
			if connects(t, stranger, address) {
				t.Errorf("stranger on %s reaches %s", stranger.Spec.NodeName, address)
			}
		}
		becomes(t, true, near, stranger.Status.PodIP+":8080")
	}
	for _, address := range []string{near.Status.PodIP + ":8080", far.Status.PodIP + ":9090", viaService} {
		becomes(t, true, near, address)
		becomes(t, true, far, address)
	}
}

func TestNetworkPolicyNodePortHidesNobody(t *testing.T) {
	c, ours := useCluster(t)
	theirs := c.namespace(t)
	pods := c.start(t, on(2, c.newPod(ours, "web")), on(1, c.newPod(theirs, "stranger")))
	service, err := c.client.CoreV1().Services(ours).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: pods[0].Labels, Ports: []corev1.ServicePort{{Port: 8080}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node, err := c.client.CoreV1().Nodes().Get(t.Context(), clusterName+"-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("%s:%d", node.Status.Addresses[0].Address, service.Spec.Ports[0].NodePort)
	becomes(t, true, pods[1], address)

	c.policy(t, ours, "deny", `{podSelector: {}}`)
	becomes(t, false, pods[1], address)
	host := &corev1.Pod{Status: corev1.PodStatus{PodIP: pods[0].Status.PodIP}}
	if _, err := get(host, "/", nil); err != nil {
		t.Errorf("the host cannot reach the pod: %v", err)
	}
}

func TestNetworkPolicyEgressWithDNS(t *testing.T) {
	c, namespace := useCluster(t)
	pods := c.start(t, on(1, c.newPod(namespace, "web")), on(2, c.newPod(namespace, "db")))
	web, db := pods[0], pods[1]
	c.service(t, namespace, "db", "")
	becomes(t, true, web, "db:8080")

	c.policy(t, namespace, "deny", `{podSelector: {}, policyTypes: [Egress]}`)
	becomes(t, false, web, db.Status.PodIP+":8080")
	if got, err := lookup(web, "db"); err == nil {
		t.Errorf("found %v although nothing may leave", got)
	}
	c.policy(t, namespace, "dns", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{
		namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}]}`)
	c.policy(t, namespace, "db", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: http}]}]}`)
	becomes(t, true, web, "db:8080")
	if connects(t, web, db.Status.PodIP+":9090") {
		t.Error("a port that is not allowed is reached")
	}
}

// The first packet of a pod's first process is already subject to policies,
// and allowed by those that let it through.
func TestNetworkPolicyFromTheFirstPacket(t *testing.T) {
	c, ours := useCluster(t)
	theirs := c.namespace(t)
	db := c.start(t, on(1, c.newPod(ours, "db")))[0]
	stranger := c.start(t, on(1, c.newPod(theirs, "probe")))[0]
	c.policy(t, ours, "own", `{podSelector: {}, policyTypes: [Ingress, Egress],
		ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}`)
	becomes(t, false, stranger, db.Status.PodIP+":8080")

	var pods []*corev1.Pod
	for node := range 2 {
		for name, address := range map[string]string{"friend": db.Status.PodIP, "leaver": stranger.Status.PodIP} {
			pod := on(node+1, c.newPod(ours, fmt.Sprint(name, node+1)))
			pod.Spec.Containers[0].Args = []string{address + ":8080"}
			pods = append(pods, pod)
		}
	}
	for _, pod := range c.start(t, pods...) {
		first, err := get(pod, "/first", nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.HasPrefix(pod.Name, "friend"); (first == "connected") != want {
			t.Errorf("first connection of %s on %s: %s; want success: %v", pod.Name, pod.Spec.NodeName, first, want)
		}
	}
}
