package kube

import (
	"context"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

const goodKubeconfig = `
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: u, user: {token: t}}]
`

func TestPoolFollowsTheKubeconfig(t *testing.T) {
	ctx := context.Background()
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme)
	_ = v1alpha1.AddToScheme(scheme)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "east"}, Data: map[string][]byte{"kubeconfig": []byte(goodKubeconfig)}}
	remote := func(name, secret string) *v1alpha1.Cluster {
		return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{
			KubeconfigSecret: &v1alpha1.SecretKeyRef{Namespace: "ops", Name: secret},
		}}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(secret, remote("east", "east"), remote("west", "none"),
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}}).Build()
	pool := NewPool(PoolOptions{Reader: c, Local: &rest.Config{Host: "https://192.0.2.2:6443"}})
	defer pool.Close()
	get := func(name string) *Target {
		t.Helper()
		target, err := pool.Target(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return target
	}

	first := get("east")
	if first.Config.Host != "https://192.0.2.1:6443" || get("local").Config.Host != "https://192.0.2.2:6443" {
		t.Errorf("the clusters are at %s and %s", first.Config.Host, get("local").Config.Host)
	}
	if get("east") != first {
		t.Error("the same kubeconfig gave another target")
	}
	secret.Data["kubeconfig"] = []byte(strings.ReplaceAll(goodKubeconfig, "192.0.2.1", "192.0.2.3"))
	if err := c.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	if second := get("east"); second == first || second.Config.Host != "https://192.0.2.3:6443" {
		t.Error("a new kubeconfig went unnoticed")
	}
	if first.watches.running.Err() == nil {
		t.Error("the old target still watches")
	}
	for name, class := range map[string]fault.Class{"nowhere": fault.NotFound, "west": fault.Invalid} {
		if _, err := pool.Target(ctx, name); fault.ClassOf(err) != class || fault.HintOf(err) == "" {
			t.Errorf("cluster %s: %v is %s", name, err, fault.ClassOf(err))
		}
	}

	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	if err := pool.Start(ctx, queue); err != nil {
		t.Fatal(err)
	}
	pool.notify(types.NamespacedName{Namespace: "team", Name: "shop"})
	if got, _ := queue.Get(); got.String() != "team/shop" {
		t.Errorf("enqueued %s", got)
	}
}

func TestKubeconfigsThatWouldActWithOurRightsAreRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"command":         {"{token: t}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/steal}}"},
		"token file":      {"{token: t}", "{tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}"},
		"key file":        {"{token: t}", "{client-key: /etc/key, client-certificate: /etc/cert}"},
		"authority file":  {`server: "https://192.0.2.1:6443"`, `server: "https://192.0.2.1:6443", certificate-authority: /etc/ca`},
		"unknown context": {"current-context: c", "current-context: d"},
		"nothing":         {goodKubeconfig, ""},
		"not YAML":        {goodKubeconfig, "{secret"},
	} {
		config, err := ParseKubeconfig([]byte(strings.Replace(goodKubeconfig, change[0], change[1], 1)))
		if err == nil || config != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v quotes the contents", name, err)
		}
	}
	if _, err := ParseKubeconfig([]byte(goodKubeconfig)); err != nil {
		t.Errorf("a plain kubeconfig: %v", err)
	}
}

func TestVerbOf(t *testing.T) {
	for _, tt := range [][3]string{
		{"GET", "/api/v1/namespaces/a/pods", "list"},
		{"GET", "/api/v1/namespaces/a/pods/b", "get"},
		{"GET", "/api/v1/namespaces/a/pods/b/log", "get"},
		{"GET", "/api/v1/namespaces", "list"},
		{"GET", "/api/v1/namespaces/a", "get"},
		{"GET", "/api/v1/pods?watch=true", "watch"},
		{"GET", "/apis/apps/v1/deployments", "list"},
		{"GET", "/apis/apps/v1/namespaces/a/deployments/b", "get"},
		{"GET", "/apis/apps/v1", "discovery"},
		{"GET", "/apis", "discovery"},
		{"GET", "/version", "discovery"},
		{"POST", "/api/v1/namespaces", "create"},
		{"DELETE", "/api/v1/namespaces/a", "delete"},
		{"PATCH", "/api/v1/namespaces/a", "patch"},
		{"PATCH", "/api/v1/namespaces/a?dryRun=All", "dry-run"},
	} {
		req, err := http.NewRequestWithContext(context.Background(), tt[0], "https://x"+tt[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := verbOf(req); got != tt[2] {
			t.Errorf("%s %s is %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
}
