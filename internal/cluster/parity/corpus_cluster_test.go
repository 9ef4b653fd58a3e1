package parity

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/cluster/transfer/corpus"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// whole is the corpus on one real cluster, transferred to another.
type whole struct {
	*sides
	name string
}

func newWhole(t *testing.T) *whole {
	t.Helper()
	w := &whole{sides: newSides(t), name: kubetest.Name(t)}
	t.Cleanup(func() { w.clean(w.blue); w.clean(w.green) })
	if err := corpus.Create(w.name, func(u *unstructured.Unstructured) (types.UID, error) { return w.create(u) }); err != nil {
		t.Fatal(err)
	}
	p, err := transfer.Make(t.Context(), w.from, w.to, transfer.Selection{Skip: w.others}, transfer.Options{}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Execute(t.Context(), transfer.Execution{}, progress.Discard); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return w
}

// others leaves out what is not of the corpus.
func (w *whole) others(u *unstructured.Unstructured) string {
	if strings.Contains(u.GetName()+" "+u.GetNamespace(), w.name) {
		return ""
	}
	return "is somebody else's"
}

// create creates an object once its kind is served and what it needs is there.
func (w *whole) create(u *unstructured.Unstructured) (types.UID, error) {
	err := wait.PollUntilContextTimeout(w.Context(), 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		err := w.blue.Create(ctx, u)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "serviceaccount") {
			return false, nil
		}
		return err == nil, err
	})
	return u.GetUID(), err
}

// clean removes the corpus.
func (w *whole) clean(c client.Client) {
	objects, err := corpus.Objects(w.name)
	if err != nil {
		w.Fatal(err)
	}
	for _, u := range objects { // aggregated roles before their parts: their controller would make them again
		_ = c.Delete(context.Background(), u) // what is not there is fine
	}
}

func (w *whole) compare() *Report {
	w.Helper()
	r, err := Compare(w.Context(), w.from, w.to, Options{Skip: w.others}, progress.Discard)
	if err != nil {
		w.Fatal(err)
	}
	// Kinds of other tests come and go meanwhile.
	r.Unknown = slices.DeleteFunc(r.Unknown, func(u transfer.Unreadable) bool { return !strings.Contains(u.What, w.name) })
	r.conclude()
	return r
}

// TestNothingIsFalselyDifferent: a fresh transfer of every built-in kind is
// equal, at once and when the controllers have done what they do.
func TestNothingIsFalselyDifferent(t *testing.T) {
	w := newWhole(t)
	for i := range 2 {
		time.Sleep(time.Duration(2*i) * time.Second)
		r := w.compare()
		if r.Answer != result.Holds {
			t.Fatalf("%s: %s", r.Summary(), strings.Join(r.First(20), "\n"))
		}
		if n := r.Count().Equal; n < 60 {
			t.Errorf("only %d objects were compared", n)
		}
		t.Logf("%s in %s", r.Summary(), r.Took)
	}
	w.changeEach()
}

// changeEach changes one field of every object of the target, the first one that
// its API server takes, and expects each to be found, and nothing else.
func (w *whole) changeEach() {
	w.Helper()
	objects, err := corpus.Objects(w.name)
	if err != nil {
		w.Fatal(err)
	}
	done := map[transfer.Key]place{}
	for _, u := range objects {
		there := &unstructured.Unstructured{}
		there.SetGroupVersionKind(u.GroupVersionKind())
		if w.green.Get(w.Context(), client.ObjectKeyFromObject(u), there) != nil {
			continue // it stays in the source
		}
		if at := w.change(there); at != nil {
			done[transfer.KeyOf(u)] = at
		}
	}
	r := w.compare()
	found := map[transfer.Key]bool{}
	for _, o := range r.Objects {
		at, expected := done[o.Key]
		if !expected || o.State != Different {
			w.Errorf("%s, which nobody changed", o.String("green"))
			continue
		}
		found[o.Key] = true
		for _, d := range o.Differences {
			if !within(d.Path, at) {
				w.Errorf("%s: changed %s, told of %s", o.Key, at, Text(d))
			}
		}
	}
	for k, at := range done {
		if !found[k] {
			w.Errorf("%s: changed %s, and nobody tells", k, at)
		}
	}
	if len(done) < 55 {
		w.Errorf("only %d objects were changed", len(done))
	}
	w.Logf("%d objects were changed, one field each", len(done))
}

// change changes a field that counts and that the API server takes; labels last.
func (w *whole) change(u *unstructured.Unstructured) place {
	var candidates []place
	for _, at := range places(nil, u.Object) {
		switch at[0] {
		case "apiVersion", "kind", "metadata", "status":
		default:
			if at.String() == "spec.manualSelector" {
				continue // it decides whether the selector is portable
			}
			candidates = append(candidates, at)
		}
	}
	slices.SortStableFunc(candidates, func(a, b place) int { return len(b) - len(a) })
	for _, at := range append(candidates[:min(10, len(candidates))], place{"metadata", "labels", "changed"}) {
		other := changed(u, at)
		if at[0] == "metadata" {
			other = u.DeepCopy()
			labels := other.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels["changed"] = "yes"
			other.SetLabels(labels)
		}
		if len(compared(Options{}, u, other).Objects) == 0 {
			continue
		}
		if w.green.Update(w.Context(), other) == nil && len(compared(Options{}, u, other).Objects) > 0 {
			return at
		}
	}
	return nil
}
