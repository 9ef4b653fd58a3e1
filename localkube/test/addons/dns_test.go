package addons

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func lookup(pod *corev1.Pod, name string) ([]string, error) {
	answer, err := get(pod, "/lookup", url.Values{"name": {name}})
	addresses := strings.Fields(answer)
	slices.Sort(addresses)
	return addresses, err
}

func (c *cluster) service(t *testing.T, namespace, name, clusterIP string) *corev1.Service {
	t.Helper()
	service, err := c.client.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			ClusterIP: clusterIP,
			Selector:  map[string]string{"app": name},
			Ports:     []corev1.ServicePort{{Name: "http", Port: 8080}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func TestDNS(t *testing.T) {
	c, namespace := useCluster(t)
	web := c.service(t, namespace, "web", "")
	c.service(t, namespace, "db", corev1.ClusterIPNone)
	replicas := int32(2)
	template := c.newPod(namespace, "db")
	_, err := c.client.AppsV1().StatefulSets(namespace).Create(t.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: "db", Replicas: &replicas, PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector: &metav1.LabelSelector{MatchLabels: template.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	asker := c.start(t, c.newPod(namespace, "asker"))[0]
	db0 := c.waitRunning(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "db-0"}})
	db1 := c.waitRunning(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "db-1"}})
	both := []string{db0.Status.PodIP, db1.Status.PodIP}
	slices.Sort(both)

	for name, want := range map[string][]string{
		"web":                  {web.Spec.ClusterIP},
		"web." + namespace:     {web.Spec.ClusterIP},
		"kubernetes.default":   {c.clusterIP(t, "default", "kubernetes")},
		"db":                   both,
		"db-0.db":              {db0.Status.PodIP},
		"db-1.db." + namespace: {db1.Status.PodIP},
		"localhost":            {"127.0.0.1", "::1"},
		"web." + namespace + ".svc.cluster.local.": {web.Spec.ClusterIP},
	} {
		eventually(t, 20*time.Second, name+" is found", func() (string, bool) {
			got, err := lookup(asker, name)
			return strings.Join(got, " ") + errorText(err), err == nil && slices.Equal(got, want)
		})
	}
	for _, name := range []string{"absent", "absent." + namespace + ".svc.cluster.local."} {
		if got, err := lookup(asker, name); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %v, %v; want that there is no such host", name, got, err)
		}
	}
}

// A name server of the machine that does not answer must not hold the cluster's
// own names up.
func TestDNSWaitsForNoDeadNameServer(t *testing.T) {
	c, namespace := useCluster(t)
	c.service(t, namespace, "web", "")
	asker := c.start(t, c.newPod(namespace, "asker"))[0]
	eventually(t, 20*time.Second, "web is found", func() (string, bool) {
		_, err := lookup(asker, "web")
		return errorText(err), err == nil
	})
	start := time.Now()
	const times = 50
	for range times {
		if _, err := lookup(asker, "web"); err != nil {
			t.Fatal(err)
		}
	}
	each := time.Since(start) / times
	t.Logf("a lookup takes %s", each)
	// Waiting for a dead name server takes seconds.
	if each > time.Second {
		t.Errorf("a lookup takes %s", each)
	}
}

func (c *cluster) clusterIP(t *testing.T, namespace, name string) string {
	t.Helper()
	service, err := c.client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service.Spec.ClusterIP
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return " error: " + err.Error()
}
