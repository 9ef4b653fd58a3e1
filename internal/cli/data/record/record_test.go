package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
)

// cluster has the ConfigMaps that the controller makes.
func cluster(t *testing.T, funcs interceptor.Funcs) client.Client {
	t.Helper()
	objects := []client.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "c"}}}
	for n := range batch.Segments {
		objects = append(objects, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: batch.SegmentName("c", n)}})
	}
	return fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

func open(t *testing.T, cl client.Client) *Record {
	t.Helper()
	r, err := Open(t.Context(), cl, "team", "c")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func journalOf(t *testing.T, r *Record, store string) datacopy.Journal {
	t.Helper()
	j, err := r.Journal(store)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestWhatIsRecordedSurvives a process that ends without a word, by many
// workers and over several segments.
func TestWhatIsRecordedSurvives(t *testing.T) {
	cl := cluster(t, interceptor.Funcs{})
	first := open(t, cl)
	if err := journalOf(t, first, "db").Begin(&datacopy.Plan{ID: "p1"}); err != nil {
		t.Fatal(err)
	}
	// Digests that do not compress fill segments soon.
	digest := func(worker, i int) string {
		var b strings.Builder
		for n := range 200 {
			fmt.Fprintf(&b, "%08x", uint32(worker*7919+i*104729+n*15485863)*2654435761)
		}
		return b.String()
	}
	const workers, each = 8, 45
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			j, err := first.Journal([]string{"db", "cache"}[worker%2])
			for i := 0; err == nil && i < each; i++ {
				err = j.Record(datacopy.Entry{Unit: "u", Chunk: fmt.Sprintf("%d/%d", worker, i), Count: int64(i), Digest: digest(worker, i)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	second := open(t, cl)
	if second.number == 0 {
		t.Error("all went into one segment: the test does not turn over")
	}
	if plan := journalOf(t, second, "db").Plan(); plan == nil || plan.ID != "p1" {
		t.Errorf("the plan is %v", plan)
	}
	for worker := range workers {
		j := journalOf(t, second, []string{"db", "cache"}[worker%2])
		for i := range each {
			if entry, ok := j.Lookup("u", fmt.Sprintf("%d/%d", worker, i)); !ok || entry.Count != int64(i) || entry.Digest != digest(worker, i) {
				t.Fatalf("worker %d, chunk %d: %v", worker, i, ok)
			}
		}
	}
	if err := journalOf(t, second, "db").Record(datacopy.Entry{Unit: "u", Chunk: "more"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := journalOf(t, open(t, cl), "db").Lookup("u", "more"); !ok {
		t.Error("what the second process recorded is lost")
	}
}

// TestAnotherProcessEndsTheFirst: two never write the same journal.
func TestAnotherProcessEndsTheFirst(t *testing.T) {
	cl := cluster(t, interceptor.Funcs{})
	first, second := open(t, cl), open(t, cl)
	if err := journalOf(t, second, "db").Record(datacopy.Entry{Unit: "u", Chunk: "2"}); err != nil {
		t.Fatal(err)
	}
	err := journalOf(t, first, "db").Record(datacopy.Entry{Unit: "u", Chunk: "1"})
	if err == nil || !strings.Contains(err.Error(), "another process works on this copy") {
		t.Errorf("got %v", err)
	}
	if _, known := journalOf(t, first, "db").Lookup("u", "1"); known {
		t.Error("what was not stored counts as done")
	}
}

// TestAnAPIServerAwayIsWaitedFor: errors that pass, and an answer that was lost
// on the way, are no harm.
func TestAnAPIServerAwayIsWaitedFor(t *testing.T) {
	failures := 0
	cl := cluster(t, interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		failures++
		switch failures {
		case 1:
			return errors.New("connection refused")
		case 2:
			if err := c.Update(ctx, o.DeepCopyObject().(client.Object), opts...); err != nil {
				return err
			}
			return errors.New("connection lost") // it was stored
		}
		return c.Update(ctx, o, opts...)
	}})
	r := open(t, cl)
	for i := range 3 {
		if err := journalOf(t, r, "db").Record(datacopy.Entry{Unit: "u", Chunk: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if failures < 3 {
		t.Fatalf("only %d updates were tried", failures)
	}
	for i := range 3 {
		if _, ok := journalOf(t, open(t, cl), "db").Lookup("u", fmt.Sprint(i)); !ok {
			t.Errorf("entry %d is lost", i)
		}
	}
}
