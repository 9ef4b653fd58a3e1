package parity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
)

// A controller that sees the newest specification a moment later delays an
// answer; it does not decide it.
func TestControllersCatchUp(t *testing.T) {
	deployment := func(observed int) string {
		return fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "generation": 2},
			"spec": {"replicas": 3}, "status": {"observedGeneration": %d, "readyReplicas": %d}}`, observed, 3*(observed-1))
	}
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/apps/v1/namespaces/shop/deployments/web" {
			http.NotFound(w, r)
			return
		}
		asked++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, deployment(min(asked, 2)))
	}))
	defer server.Close()
	cluster, err := transfer.Connect("green", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c := newComparison(cluster, cluster, Options{}, nil)
	web := &unstructured.Unstructured{}
	if err := web.UnmarshalJSON([]byte(deployment(1))); err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	c.to.serves = map[schema.GroupKind]transfer.Resource{kind: {GroupVersionResource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}}
	c.to.note(web)
	if c.behind() != 1 {
		t.Fatalf("%d workloads are behind, want 1", c.behind())
	}
	if err := c.catchUp(t.Context(), progress.Discard); err != nil {
		t.Fatal(err)
	}
	got := c.to.all()[transfer.Key{Kind: kind, Namespace: "shop", Name: "web"}]
	if !got.observed || got.Ready != 3 || asked != 2 {
		t.Errorf("after %d questions: %+v", asked, got)
	}
}
