package kube

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func node(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "blue-1"},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: ready, Message: "no network"},
		}},
	}
}

func lease(renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: "blue-1"},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: renewed}},
	}
}

func TestWaitNode(t *testing.T) {
	started := time.Now()
	for _, c := range []struct {
		name  string
		ready corev1.ConditionStatus
		lease time.Time
		says  string
	}{
		{"ready since its start", corev1.ConditionTrue, started.Add(time.Second), ""},
		{"ready before its start", corev1.ConditionTrue, started.Add(-time.Second), "has not been heard of"},
		{"not ready", corev1.ConditionFalse, started.Add(time.Second), "no network"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clientset := fake.NewClientset(node(c.ready), lease(c.lease))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := (&Client{clientset: clientset}).WaitNode(ctx, "blue-1", "10.100.128.0/24", started)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			got, err := clientset.CoreV1().Nodes().Get(t.Context(), "blue-1", metav1.GetOptions{})
			if err != nil || got.Spec.PodCIDR != "10.100.128.0/24" {
				t.Errorf("pod network %q, %v", got.Spec.PodCIDR, err)
			}
		})
	}
}

func TestDeleteNode(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}, Spec: corev1.PodSpec{NodeName: "blue-1"}}
	clientset := fake.NewClientset(node(corev1.ConditionTrue), pod)
	client := &Client{clientset: clientset}
	for range 2 { // absent is a success
		if err := client.DeleteNode(t.Context(), "blue-1"); err != nil {
			t.Fatal(err)
		}
	}
	if nodes, _ := clientset.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); len(nodes.Items) != 0 {
		t.Errorf("left: %v", nodes.Items)
	}
	// While the node is there, a DaemonSet makes its pods again.
	var deleted []string
	for _, action := range clientset.Actions() {
		if action.GetVerb() == "delete" {
			deleted = append(deleted, action.GetResource().Resource)
		}
	}
	if want := []string{"nodes", "pods", "nodes"}; !slices.Equal(deleted, want) {
		t.Errorf("deleted %v, want %v", deleted, want)
	}
	if pods, _ := clientset.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); len(pods.Items) != 0 {
		t.Errorf("left: %v", pods.Items)
	}
}

func TestWaitHTTP(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := WaitHTTP(t.Context(), server.URL); err != nil || asked.Load() != 3 {
		t.Errorf("%v after %d times", err, asked.Load())
	}
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := WaitHTTP(ctx, server.URL); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody answers: %v", err)
	}
}
