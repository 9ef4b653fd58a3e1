package objects

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/localkube/internal/addon/dns"
	"github.com/landfall-dev/landfall/localkube/internal/addon/metrics"
	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol"
	"github.com/landfall-dev/landfall/localkube/internal/addon/provisioner"
)

func params() Params {
	return Params{
		ControlPlaneIP: netip.MustParseAddr("10.20.0.2"),
		DNSServiceIP:   netip.MustParseAddr("10.96.0.10"),
		CABundle:       []byte("-----BEGIN CERTIFICATE-----\n"),
	}
}

func TestRender(t *testing.T) {
	objects, err := Render(params())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n" + string(text))
	}
	golden.Assert(t, out.String(), "objects.golden.yaml")
}

// The manifests repeat names that the add-ons' packages define.
func TestRenderAgreesWithAddons(t *testing.T) {
	objects, err := Render(params())
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{}
	storageClasses := map[string]bool{}
	for _, object := range objects {
		switch object.GetKind() {
		case "ClusterRoleBinding":
			subjects := object.Object["subjects"].([]any)
			bound[subjects[0].(map[string]any)["name"].(string)] = true
		case "StorageClass":
			storageClasses[object.Object["provisioner"].(string)] = true
		}
	}
	wantBound := map[string]bool{dns.User: true, metrics.User: true, netpol.User: true, provisioner.User: true}
	if diff := cmp.Diff(wantBound, bound); diff != "" {
		t.Errorf("bound users (-want +got):\n%s", diff)
	}
	if !storageClasses[provisioner.Name] {
		t.Errorf("no storage class names provisioner %s", provisioner.Name)
	}
}

func TestRenderRefusesIncompleteParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"no control plane": func(p *Params) { p.ControlPlaneIP = netip.Addr{} },
		"IPv6 DNS":         func(p *Params) { p.DNSServiceIP = netip.MustParseAddr("fd00::10") },
		"no CA":            func(p *Params) { p.CABundle = nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := params()
			change(&p)
			if _, err := Render(p); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestApply(t *testing.T) {
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	var mu sync.Mutex
	var applied []string
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchAction)
		var object map[string]any
		if err := json.Unmarshal(patch.GetPatch(), &object); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		applied = append(applied, strings.Trim(patch.GetNamespace()+"/"+patch.GetResource().Resource+"/"+patch.GetName(), "/"))
		return true, &unstructured.Unstructured{Object: object}, nil
	})
	if err := Apply(t.Context(), client, params()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"kube-system/services/kube-dns",
		"kube-system/endpointslices/kube-dns-control-plane",
		"apiservices/v1beta1.metrics.k8s.io",
		"storageclasses/local",
		"clusterrolebindings/localkube:netpol",
	} {
		if !slices.Contains(applied, want) {
			t.Errorf("%s was not applied; applied: %v", want, applied)
		}
	}
}
