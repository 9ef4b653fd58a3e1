package mysql

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestPlacesByProcessors(t *testing.T) {
	for _, tt := range []struct{ processors, workers, want int }{
		{0, 4, 0}, {1, 4, 2}, {2, 4, 2}, {3, 4, 3}, {4, 4, 0}, {64, 4, 0}, {2, 1, 0}, {2, 2, 0}, {2, 8, 2},
	} {
		got := 0
		if p := (&server{processors: tt.processors}).places(tt.workers); p != nil {
			got = p.number
		}
		if got != tt.want {
			t.Errorf("%d processors, %d workers: %d places, want %d", tt.processors, tt.workers, got, tt.want)
		}
	}
}

// TestPlacesGoToTheTableWithTheFewest has two places, both with orders, while
// orders and events wait.
func TestPlacesGoToTheTableWithTheFewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders, events := &unit{table: &table{Name: "orders"}}, &unit{table: &table{Name: "events"}}
		p := (&server{processors: 2}).places(5)
		var entered []string
		enter := func(ctx context.Context, u *unit) {
			go func() {
				if err := p.enter(ctx, u); err == nil {
					entered = append(entered, u.table.Name)
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		gone, goAway := context.WithCancel(t.Context())
		for _, u := range []*unit{orders, orders, orders} {
			enter(t.Context(), u)
		}
		enter(gone, events)
		enter(t.Context(), events)
		if diff := cmp.Diff([]string{"orders", "orders"}, entered); diff != "" {
			t.Errorf("those with a place (-want +got):\n%s", diff)
		}
		goAway()
		synctest.Wait()
		for _, u := range []*unit{orders, events, orders, orders} {
			p.leave(u)
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{"orders", "orders", "events", "orders"}, entered); diff != "" {
			t.Errorf("the order in which places went (-want +got):\n%s", diff)
		}
		if p.free != 2 || len(p.waiting) != 0 {
			t.Errorf("%d places are free and %d wait at the end, want 2 and none", p.free, len(p.waiting))
		}
	})
}

// TestTasksInTheirOrder has four workers and two places: the first two tables
// get two workers each, and who would wait for indexes compares.
func TestTasksInTheirOrder(t *testing.T) {
	c := &copier{journal: &datacopy.MemoryJournal{}, reporter: progress.Discard, proof: &proof{}}
	c.loading = (&server{processors: 2}).places(4)
	q := &queue{copier: c, share: c.loading.share(4)}
	q.wake.L = &q.mu
	byName := map[string]*unit{}
	for _, name := range []string{"a", "b", "c"} {
		u := &unit{table: &table{Name: name, Key: []string{"id"}}}
		u.splitter = &splitter{table: u.table, journal: c.journal, turn: make(chan struct{}, 1)}
		byName[name], q.units = u, append(q.units, u)
	}
	next := func(want string) task {
		t.Helper()
		picked, more := q.next(t.Context())
		if got := shown(picked, more); got != want {
			t.Fatalf("next is %s, want %s", got, want)
		}
		return picked
	}
	over := func(name string) {
		k := chunk{limit: 1}
		byName[name].splitter.turn <- struct{}{}
		if err := byName[name].splitter.end(&k, nil); err != nil {
			t.Fatal(err)
		}
	}
	a1, a2, b1, b2 := next("chunk of a"), next("chunk of a"), next("chunk of b"), next("chunk of b")
	over("a")
	q.end(a1)
	c1 := next("chunk of c")
	q.end(a2)
	indexA := next("indexes of a")
	over("b")
	over("c")
	q.end(b1)
	q.end(c1)
	indexC := next("indexes of c")
	q.end(indexA)
	proofA := next("comparison of a")
	q.end(b2)
	indexB := next("indexes of b")
	q.end(proofA)
	q.end(indexC)
	q.end(indexB)
	next("nothing")
	if len(q.unproven) != 2 {
		t.Errorf("%d chunks are left to verifying, want those of b and c", len(q.unproven))
	}
}

func shown(t task, more bool) string {
	switch {
	case !more:
		return "nothing"
	case t.index:
		return "indexes of " + t.unit.table.Name
	case t.proof != nil:
		return "comparison of " + t.unit.table.Name
	}
	return "chunk of " + t.unit.table.Name
}
