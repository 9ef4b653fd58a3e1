package platform

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

func localPlan() plan {
	return plan{
		project: "default", clusterName: "local", routing: Routing{Domain: "localhost", Port: 8080}, stores: StoreTypes,
		node: "10.101.0.11",
		images: map[string]string{
			imageController: "localhost:5001/landfall/controller@sha256:aa", imageFrontDoor: "localhost:5001/landfall/front-door@sha256:bb",
			imageMariaDB: "localhost:5001/landfall/mariadb@sha256:cc", imageRedis: "localhost:5001/landfall/redis@sha256:dd",
			imageVersityGW: "localhost:5001/landfall/versitygw@sha256:ee",
		},
		mirrors:   "localhost:5001=http://10.101.0.2:5000",
		passwords: passwords{"mysql": "mysqlpassword", "redis": "redispassword", "s3": "s3password"},
	}
}

func objectsOf(t *testing.T, p plan) []*unstructured.Unstructured {
	t.Helper()
	objects, err := p.objects(testScheme(t))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestObjects shows all but the kinds and roles, which are files already.
func TestObjects(t *testing.T) {
	var all strings.Builder
	for _, object := range objectsOf(t, localPlan()) {
		if object.GetKind() == "CustomResourceDefinition" || strings.HasPrefix(object.GetName(), "landfall-") && strings.Contains(object.GetAPIVersion(), "rbac") && object.GetName() != frontDoorName {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(text))
	}
	golden.Assert(t, all.String(), "local.yaml")
}

// TestStoresOfAClusterThatIsThere: nobody knows whether its nodes stay, nor
// whether they are reached.
func TestStoresOfAClusterThatIsThere(t *testing.T) {
	p := localPlan()
	p.node = ""
	for _, object := range objectsOf(t, p) {
		switch {
		case object.GetKind() == "Service":
			if kind, _, _ := unstructured.NestedString(object.Object, "spec", "type"); kind == "NodePort" {
				t.Errorf("Service %s is open at every node", object.GetName())
			}
		case object.GetKind() == "Secret" && object.GetNamespace() == p.project:
			encoded, _, _ := unstructured.NestedString(object.Object, "data", "url")
			address, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil || !strings.Contains(string(address), object.GetName()+".landfall-system.svc:") {
				t.Errorf("store server %s is at %s", object.GetName(), address)
			}
		}
	}
}

func TestPasswordsAreOnlyInSecrets(t *testing.T) {
	p := localPlan()
	for _, object := range objectsOf(t, p) {
		if object.GetKind() == "Secret" {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		for _, password := range p.passwords {
			if strings.Contains(string(text), password) {
				t.Errorf("%s %s shows a password", object.GetKind(), object.GetName())
			}
		}
	}
}

func TestOwnIngressControllerReplacesTheFrontDoor(t *testing.T) {
	p := localPlan()
	p.routing = Routing{Domain: "dev.example.com", IngressClass: "nginx"}
	p.stores = nil
	for _, object := range objectsOf(t, p) {
		switch object.GetKind() {
		case "DaemonSet", "IngressClass", "StatefulSet":
			t.Errorf("%s %s is not needed", object.GetKind(), object.GetName())
		case "Cluster":
			class, _, _ := unstructured.NestedString(object.Object, "spec", "routing", "ingressClassName")
			if class != "nginx" {
				t.Errorf("routing by class %q", class)
			}
		}
	}
	if got := (Options{Routing: p.routing}).imageNames(); !cmp.Equal(got, []string{imageController}) {
		t.Errorf("images %v", got)
	}
}

func TestRemovalEndsWithKindsAndNamespace(t *testing.T) {
	ranks := map[int]int{}
	for _, object := range objectsOf(t, localPlan()) {
		ranks[removalRank(object)]++
	}
	if ranks[1] == 0 || ranks[2] != 1 {
		t.Errorf("kinds %d, namespaces %d", ranks[1], ranks[2])
	}
}

func TestUnknownStoreIsRefused(t *testing.T) {
	err := Options{Stores: []string{"mysql", "oracle"}}.Check()
	if fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("got %v", err)
	}
}

func TestURL(t *testing.T) {
	for _, tt := range []struct {
		routing Routing
		want    string
	}{
		{Routing{Domain: "localhost", Port: 8080}, "http://localhost:8080"},
		{Routing{Domain: "localhost"}, "http://localhost"},
		{Routing{Domain: "x", IngressClass: "nginx"}, ""},
	} {
		if got := tt.routing.url(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.routing, got, tt.want)
		}
	}
}
