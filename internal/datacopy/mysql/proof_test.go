package mysql

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// testProofs: what a copy compared on its way is what the target holds, counts
// in the report of that copy, and in no other.
func testProofs(t *testing.T, servers pair) {
	req := filled(t, servers)
	plan, err := New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	journal, p := &datacopy.MemoryJournal{}, &proof{}
	if _, err := New().copy(t.Context(), req, plan, journal, progress.Discard, p); err != nil {
		t.Fatal(err)
	}
	c := &copier{req: req, journal: journal, proof: p}
	if c.to, err = open(t.Context(), req.To, "target"); err != nil {
		t.Fatal(err)
	}
	d, err := readDetail(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.begin()
	run(t, connectTo(t, req.To), "UPDATE people SET note = 'changed' WHERE id = 3")
	w := &worker{copier: c}
	defer w.close()
	tasks := c.unproven(&unit{table: d.Schema.Tables[0]})
	if len(tasks) < 3 {
		t.Fatalf("the table has %d chunks, which tests nothing", len(tasks))
	}
	for i, task := range tasks {
		w.prove(t.Context(), task.unit, *task.proof)
		if _, proven := p.of(task.unit.table, *task.proof); proven != (i > 0) {
			t.Errorf("chunk %d is proven: %t; the row that was changed is in the first", i, proven)
		}
	}
	run(t, connectTo(t, req.To), "UPDATE people SET note = 'changed' WHERE id = 20000 * 3")
	report := func(p *proof) *datacopy.UnitReport {
		t.Helper()
		all, err := New().verify(t.Context(), req, plan, journal, progress.Discard, p)
		if err != nil {
			t.Fatal(err)
		}
		return &all.Units[len(all.Units)-1]
	}
	if got := report(p); got.Answer != datacopy.Different || len(got.Differences) != 1 || got.TargetCount != 20_000 {
		t.Errorf("with a proof of all chunks but the first: %+v, want only the row of the first", got)
	}
	if got := report(nil); len(got.Differences) != 2 {
		t.Errorf("without the proof: %+v, want both rows", got)
	}
}
