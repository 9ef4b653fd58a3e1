package live

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const chartDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: dashboard-server
  labels: {landfall.dev/component: dashboard}
spec:
  selector: {matchLabels: {app: dashboard}}
  template:
    metadata:
      labels: {app: dashboard, app.kubernetes.io/component: primary}
    spec:
      containers: [{name: main, image: localhost:1/none}]
`

// TestComponentOfPodsOfCharts finds the component through the owners: the
// pods' own label means something else to the chart.
func TestComponentOfPodsOfCharts(t *testing.T) {
	cl := kubetest.Client(t, "test")
	namespace := kubetest.Namespace(t)
	deployment := kubetest.Object(t, chartDeployment)
	deployment.SetNamespace(namespace)
	if err := cl.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	var pods corev1.PodList
	kubetest.Eventually(t, func() string {
		if err := cl.List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
			return err.Error()
		}
		if len(pods.Items) == 0 {
			return "no pod yet"
		}
		return ""
	})
	reader, err := New(kubetest.Config(t), Timing{})
	if err != nil {
		t.Fatal(err)
	}
	if got := reader.owners.component(t.Context(), &pods.Items[0]); got != "dashboard" {
		t.Errorf("component %q", got)
	}
	session, err := reader.Open(t.Context(), Options{Namespace: namespace, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(session.Initial) != 1 || session.Initial[0].Origin.Component != "dashboard" {
		t.Errorf("streams %+v", session.Initial)
	}
}
