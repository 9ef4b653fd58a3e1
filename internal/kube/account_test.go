package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// The account that Kubernetes makes in every namespace is added to without
// adoption, keeps what others put on it, and stays when the environment does not
// add to it any more.
func TestDefaultAccountIsAddedToAndGivenBack(t *testing.T) {
	target := testTarget(t)
	ctx := testContext(t)
	ns := kubetest.Namespace(t)
	somebody := kubetest.Client(t, "somebody")
	account := &corev1.ServiceAccount{}
	read := func() *corev1.ServiceAccount {
		t.Helper()
		if err := somebody.Get(ctx, client.ObjectKey{Namespace: ns, Name: "default"}, account); err != nil {
			t.Fatal(err)
		}
		return account
	}
	kubetest.Eventually(t, func() string {
		if err := somebody.Get(ctx, client.ObjectKey{Namespace: ns, Name: "default"}, account); err != nil {
			return err.Error()
		}
		return ""
	})
	before := read().UID
	account.Annotations = map[string]string{"example.com/role": "reader"}
	if err := somebody.Update(ctx, account); err != nil {
		t.Fatal(err)
	}

	owner := testOwner("shop")
	ours := in(ns, kubetest.Objects(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, imagePullSecrets: [{name: registry}]}"))
	for _, verb := range []func(){
		func() { apply(t, target, ours, ApplyOptions{Owner: owner}) },
		func() {
			if _, err := target.Heal(ctx, ours, owner); err != nil {
				t.Fatal(err)
			}
		},
	} {
		verb()
		if got := read(); len(got.ImagePullSecrets) != 1 || got.Annotations["example.com/role"] != "reader" {
			t.Errorf("pulls with %v, annotations %v", got.ImagePullSecrets, got.Annotations)
		}
	}
	differences, err := target.Diff(ctx, ours, DiffOptions{Owner: owner, Namespace: ns, Proof: true})
	if err != nil || len(differences) > 0 {
		t.Errorf("differences %v, %v", differences, err)
	}
	// Another environment's is not ours to add to.
	if _, err := target.Apply(ctx, ours, ApplyOptions{Owner: testOwner("other")}); err == nil || !strings.Contains(err.Error(), "team/shop") {
		t.Errorf("another environment: %v", err)
	}

	changes, err := target.Prune(ctx, refsOf(ours), owner)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("ServiceAccount NS/default skipped: the account of the namespace stays, without what was added to it", story(changes, ns)); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
	got := read()
	if got.UID != before || len(got.ImagePullSecrets) > 0 || got.Labels[v1alpha1.LabelEnvironment] != "" || got.Annotations["example.com/role"] != "reader" {
		t.Errorf("given back: pulls with %v, labels %v, annotations %v", got.ImagePullSecrets, got.Labels, got.Annotations)
	}
	apply(t, target, []*unstructured.Unstructured{ours[0]}, ApplyOptions{Owner: testOwner("other")})
}
