package velero

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// sides are two real clusters with Velero's kinds, and something that behaves
// like Velero in a namespace of both.
type sides struct {
	t         *testing.T
	from, to  *transfer.Cluster
	namespace string
	// restoreEnds is the phase that restores end in.
	restoreEnds string
	// messages that a restore leaves.
	messages map[string]result
	restores atomic.Int64
}

func newSides(t *testing.T) *sides {
	t.Helper()
	s := &sides{t: t, namespace: kubetest.Name(t), restoreEnds: completed}
	var err error
	if s.from, err = transfer.Connect("blue", kubetest.Config(t)); err != nil {
		t.Fatal(err)
	}
	if s.to, err = transfer.Connect("green", kubetest.SecondConfig(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*transfer.Cluster{s.from, s.to} {
		install(t, c)
		namespaces := c.Objects(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, "")
		if _, err := namespaces.Create(t.Context(), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+s.namespace+"}}"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = namespaces.Delete(context.Background(), s.namespace, metav1.DeleteOptions{}) })
	}
	return s
}

// install puts Velero's own definitions into a cluster, where they stay: other
// tests may use them at the same moment.
func install(t *testing.T, c *transfer.Cluster) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	definitions := c.Objects(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}, "")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, definition := range kubetest.Objects(t, string(content)) {
			if _, err := definitions.Create(t.Context(), definition, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
	}
	kubetest.Eventually(t, func() string {
		for _, r := range []schema.GroupVersionResource{backups, restores, locations, downloads} {
			if _, err := c.Objects(r, "").List(context.Background(), metav1.ListOptions{Limit: 1}); err != nil {
				return err.Error()
			}
		}
		return ""
	})
}

// location gives a cluster a place for backups.
func (s *sides) location(c *transfer.Cluster, bucket string) {
	s.t.Helper()
	u := kubetest.Object(s.t, "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: default, namespace: "+s.namespace+"}, spec: {provider: aws, objectStorage: {bucket: "+bucket+"}}}")
	made, err := c.Objects(locations, s.namespace).Create(s.t.Context(), u, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.set(c, locations, *made, map[string]any{"phase": "Available"})
}

// set writes a status as Velero does: a patch of the object itself.
func (s *sides) set(c *transfer.Cluster, r schema.GroupVersionResource, u unstructured.Unstructured, status map[string]any) {
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		s.t.Error(err)
		return
	}
	api := c.Objects(r, s.namespace)
	if _, err := api.Patch(context.Background(), u.GetName(), "application/merge-patch+json", patch, metav1.PatchOptions{}); client.IgnoreNotFound(err) != nil {
		s.t.Error(err)
	}
}

// serve is Velero: phases one after the other, and backups that show up on the
// other side.
func (s *sides) serve() {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		zipped := gzip.NewWriter(w)
		_ = json.NewEncoder(zipped).Encode(s.messages)
		_ = zipped.Close()
	}))
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	s.t.Cleanup(func() { stop(); <-over; store.Close() })
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			s.step(ctx, store.URL)
			time.Sleep(100 * time.Millisecond)
		}
	}()
}

func (s *sides) step(ctx context.Context, url string) {
	s.each(ctx, s.from, backups, func(u unstructured.Unstructured) {
		switch text(u, "status", "phase") {
		case "":
			s.set(s.from, backups, u, map[string]any{"phase": "InProgress", "progress": map[string]any{"totalItems": 4, "itemsBackedUp": 1}})
		case "InProgress":
			s.set(s.from, backups, u, map[string]any{"phase": completed, "progress": map[string]any{"totalItems": 4, "itemsBackedUp": 4}})
		case completed:
			copied := u.DeepCopy()
			copied.SetResourceVersion("")
			copied.SetUID("")
			_, _ = s.to.Objects(backups, s.namespace).Create(ctx, copied, metav1.CreateOptions{})
		}
	})
	s.each(ctx, s.to, restores, func(u unstructured.Unstructured) {
		switch text(u, "status", "phase") {
		case "":
			s.restores.Add(1)
			s.set(s.to, restores, u, map[string]any{"phase": "InProgress", "progress": map[string]any{"totalItems": 4, "itemsRestored": 2}})
		case "InProgress":
			status := map[string]any{"phase": s.restoreEnds, "progress": map[string]any{"totalItems": 4, "itemsRestored": 4}}
			if s.restoreEnds != completed {
				status["errors"], status["warnings"] = 1, 1
			}
			s.set(s.to, restores, u, status)
		}
	})
	s.each(ctx, s.to, downloads, func(u unstructured.Unstructured) {
		s.set(s.to, downloads, u, map[string]any{"phase": "Processed", "downloadURL": url})
	})
}

func (s *sides) each(ctx context.Context, c *transfer.Cluster, r schema.GroupVersionResource, visit func(unstructured.Unstructured)) {
	list, err := c.Objects(r, s.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return // the test is over
	}
	for _, u := range list.Items {
		visit(u)
	}
}

func (s *sides) carry(ctx context.Context, o Options) (*Report, error) {
	o.Namespace = s.namespace
	return Carry(ctx, s.from, s.to, o, progress.Discard)
}

func TestCarry(t *testing.T) {
	s := newSides(t)
	s.location(s.from, "shared")
	s.location(s.to, "shared")
	s.serve()
	report, err := s.carry(t.Context(), Options{Namespaces: []string{"shop"}, Rename: map[string]string{"shop": "store"}, Without: []string{"cronjobs.batch"}})
	if err != nil {
		t.Fatal(err)
	}
	if report.Backup.Items != 4 || report.Restore.Items != 4 || report.Restore.Phase != completed || report.Location != "default" {
		t.Errorf("the report is %+v", report)
	}
	made, err := s.to.Objects(restores, s.namespace).Get(t.Context(), report.Restore.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mapping, _, _ := unstructured.NestedStringMap(made.Object, "spec", "namespaceMapping")
	if diff := cmp.Diff(map[string]string{"shop": "store"}, mapping); diff != "" {
		t.Error(diff)
	}
	backup, err := s.from.Objects(backups, s.namespace).Get(t.Context(), report.Backup.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	without, _, _ := unstructured.NestedStringSlice(backup.Object, "spec", "excludedResources")
	if diff := cmp.Diff([]string{"cronjobs.batch"}, without); diff != "" {
		t.Error(diff)
	}
}

// What Velero says is shown as ours, and what it could not carry is a failure.
func TestPartialFailureHasItsMessages(t *testing.T) {
	s := newSides(t)
	s.location(s.from, "shared")
	s.location(s.to, "shared")
	s.restoreEnds = "PartiallyFailed"
	s.messages = map[string]result{
		"errors":   {Namespaces: map[string][]string{"shop": {"error restoring services/web: port is taken"}}},
		"warnings": {Cluster: []string{"could not restore crd: it exists"}},
	}
	s.serve()
	report, err := s.carry(t.Context(), Options{})
	if fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "namespace shop: error restoring services/web: port is taken") {
		t.Fatalf("got %v", err)
	}
	want := []Message{
		{Severity: Error, Of: "restore", Namespace: "shop", Text: "error restoring services/web: port is taken"},
		{Severity: Warning, Of: "restore", Text: "could not restore crd: it exists"},
	}
	if diff := cmp.Diff(want, report.Messages); diff != "" {
		t.Error(diff)
	}
}

// A run that was broken off goes on with the same backup; the next one after
// the end makes another.
func TestCarryGoesOn(t *testing.T) {
	s := newSides(t)
	s.location(s.from, "shared")
	s.location(s.to, "shared")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.carry(ctx, Options{}); err == nil {
		t.Fatal("it came to an end without Velero")
	}
	s.serve()
	first, err := s.carry(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.carry(t.Context(), Options{Clock: func() time.Time { return time.Now().Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.from.Objects(backups, s.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Items) != 2 || first.Backup.Name == second.Backup.Name || s.restores.Load() != 2 {
		t.Errorf("%d backups and %d restores of two runs to the end", len(made.Items), s.restores.Load())
	}
}

func TestNoPlaceInCommonIsRefused(t *testing.T) {
	s := newSides(t)
	s.location(s.from, "one")
	s.location(s.to, "other")
	if _, err := s.carry(t.Context(), Options{}); fault.ClassOf(err) != fault.Refused {
		t.Errorf("got %v, want a refusal", err)
	}
	if shares, err := Shares(t.Context(), s.from, s.to, s.namespace); shares || err != nil {
		t.Errorf("they share a place: %v, %v", shares, err)
	}
}
