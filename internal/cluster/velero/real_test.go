package velero

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// real is Velero itself, a server for each of two clusters, that share a folder.
type real struct {
	*sides
	binary, store, url string
}

func newReal(t *testing.T) *real {
	t.Helper()
	if os.Getenv("LANDFALL_TEST_VELERO") == "" {
		t.Skip("takes minutes, as Velero looks for backups once a minute: run `make test-velero`")
	}
	binary, err := exec.LookPath("velero")
	if err != nil {
		t.Fatalf("run `make test-velero`, which builds Velero: %v", err)
	}
	r := &real{sides: newSides(t), binary: binary, store: t.TempDir()}
	files := httptest.NewServer(http.FileServer(http.Dir(r.store)))
	t.Cleanup(files.Close)
	r.url = files.URL
	r.server(r.from, os.Getenv(kubetest.EnvKubeconfig))
	r.server(r.to, os.Getenv(kubetest.EnvSecondKubeconfig))
	return r
}

// server runs Velero for a cluster until the test ends.
func (r *real) server(c *transfer.Cluster, kubeconfig string) {
	t := r.t
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), r.binary, "install", "--crds-only", "--kubeconfig", kubeconfig).CombinedOutput(); err != nil {
		t.Fatalf("installing Velero's kinds: %v: %s", err, out)
	}
	// Velero looks at its own Deployment while it restores.
	r.object(c, r.namespace, kubetest.Object(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: velero}, spec: {replicas: 0, selector: {matchLabels: {app: velero}}, template: {metadata: {labels: {app: velero}}, spec: {containers: [{name: velero, image: registry.example/velero:1}]}}}}"))
	cmd := exec.Command(r.binary, "server", "--kubeconfig", kubeconfig, "--namespace", r.namespace, "--plugin-dir", filepath.Join(filepath.Dir(r.binary), "velero-plugins"),
		"--backup-sync-period", "1s", "--store-validation-frequency", "1s", "--client-qps", "200", "--client-burst", "400", "--metrics-address", servertest.FreeAddress(t), "--profiler-address", servertest.FreeAddress(t))
	// Its plugins end with it only where it ends in order.
	t.Cleanup(servertest.Run(t, cmd, nil).Stop)
}

// soon is when a Velero that said nothing is taken for dead.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// place gives a cluster a place for backups, and waits for what Velero says of it.
func (r *real) place(c *transfer.Cluster, path, phase string) {
	r.t.Helper()
	u := kubetest.Object(r.t, fmt.Sprintf(`{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: default, namespace: %s},
		spec: {provider: landfall.dev/folder, default: true, objectStorage: {bucket: backups}, config: {path: %q, url: %q}}}`, r.namespace, path, r.url))
	if _, err := c.Objects(locations, r.namespace).Create(r.t.Context(), u, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	kubetest.Eventually(r.t, func() string {
		u, err := c.Objects(locations, r.namespace).Get(context.Background(), "default", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if now := text(*u, "status", "phase"); now != phase {
			return "the place for backups of " + c.Name + " is " + now
		}
		return ""
	})
}

var kinds = map[string]schema.GroupVersionResource{
	"Namespace": {Version: "v1", Resource: "namespaces"}, "ConfigMap": {Version: "v1", Resource: "configmaps"},
	"Secret": {Version: "v1", Resource: "secrets"}, "Service": {Version: "v1", Resource: "services"},
	"ResourceQuota": {Version: "v1", Resource: "resourcequotas"}, "Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
	"CronJob": {Group: "batch", Version: "v1", Resource: "cronjobs"},
}

// create makes a namespace with objects in a cluster, which goes with the test.
func (r *real) create(c *transfer.Cluster, namespace, objects string) {
	r.t.Helper()
	all := append(kubetest.Objects(r.t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}"), kubetest.Objects(r.t, objects)...)
	for _, u := range all {
		in := namespace
		if u.GetKind() == "Namespace" {
			in = ""
		}
		r.object(c, in, u)
	}
	r.gone(c, namespace)
}

func (r *real) object(c *transfer.Cluster, namespace string, u *unstructured.Unstructured) {
	r.t.Helper()
	if _, err := c.Objects(kinds[u.GetKind()], namespace).Create(r.t.Context(), u, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// gone removes a namespace at the end.
func (r *real) gone(c *transfer.Cluster, namespace string) {
	r.t.Cleanup(func() {
		_ = c.Objects(kinds["Namespace"], "").Delete(context.Background(), namespace, metav1.DeleteOptions{})
	})
}

// there tells whether a cluster has an object.
func (r *real) there(c *transfer.Cluster, kind, namespace, name string) bool {
	r.t.Helper()
	_, err := c.Objects(kinds[kind], namespace).Get(r.t.Context(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		r.t.Fatal(err)
	}
	return err == nil
}

const shop = kubetest.Shop + `---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {key: secret}
`

// TestRealVelero carries a namespace from cluster to cluster under another name,
// and says what Velero says of it: of what was there and differs, and of what the
// target refused.
func TestRealVelero(t *testing.T) {
	r := newReal(t)
	from, to := kubetest.Name(t), kubetest.Name(t)
	r.create(r.from, from, shop)
	r.place(r.from, r.store, "Available")
	r.place(r.to, r.store, "Available")

	report, err := r.carry(soon(t), Options{Namespaces: []string{from}, Rename: map[string]string{from: to}, Without: []string{"cronjobs.batch"}})
	r.gone(r.to, to)
	if err != nil {
		t.Fatal(err)
	}
	if report.Backup.Phase != completed || report.Restore.Phase != completed || report.Restore.Items < 4 {
		t.Errorf("the report is %+v", report)
	}
	for _, kind := range []string{"ConfigMap settings", "Secret key", "Service web", "Deployment web"} {
		if what, name, _ := strings.Cut(kind, " "); !r.there(r.to, what, to, name) {
			t.Errorf("%s did not arrive", kind)
		}
	}
	if r.there(r.to, "CronJob", to, "nightly") {
		t.Error("the CronJob arrived, which was left out")
	}

	// Again, into a namespace that has another ConfigMap of that name, and no room.
	full := kubetest.Name(t)
	r.create(r.to, full, `
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: green}}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: full}, spec: {hard: {services: "0"}}}
`)
	report, err = r.carry(soon(t), Options{Namespaces: []string{from}, Rename: map[string]string{from: full}})
	if fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "exceeded quota: full") {
		t.Fatalf("got %v", err)
	}
	if report.Restore.Phase != "PartiallyFailed" || report.Restore.Errors == 0 || report.Restore.Warnings == 0 {
		t.Errorf("the report is %+v", report)
	}
	if !slices.ContainsFunc(report.Messages, func(m Message) bool {
		return m.Severity == Warning && m.Namespace == full && strings.Contains(m.Text, "settings")
	}) {
		t.Errorf("no warning is of the ConfigMap that was there: %+v", report.Messages)
	}
}

// TestRealVeleroWithoutAPlace: where one side cannot use the place, nothing
// begins.
func TestRealVeleroWithoutAPlace(t *testing.T) {
	r := newReal(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.place(r.from, r.store, "Available")
	r.place(r.to, filepath.Join(file, "below"), "Unavailable")
	if _, err := r.carry(soon(t), Options{}); fault.ClassOf(err) != fault.Refused {
		t.Errorf("got %v, want a refusal", err)
	}
}
