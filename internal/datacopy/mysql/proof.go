package mysql

import (
	"context"
	"sync"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Prove implements datacopy.Prover: workers that would wait for indexes compare
// chunks of tables that are complete. What is added to a target after its tables
// (foreign keys, triggers, the other objects) changes no rows.
func (e *Engine) Prove(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter, copied func()) (*datacopy.Result, *datacopy.Report, error) {
	p := &proof{}
	result, err := e.copy(ctx, req, plan, journal, reporter, p)
	if err != nil {
		return result, nil, err
	}
	copied()
	report, err := e.verify(ctx, req, plan, journal, reporter, p)
	return result, report, err
}

// proof has the chunks that the target's server was seen to hold as they were
// sent. nil has none and takes none. Safe for concurrent use.
type proof struct {
	mu     sync.Mutex
	chunks map[chunkID]digest
}

type chunkID struct{ table, chunk string }

// begin forgets everything: another pass may send chunks again.
func (p *proof) begin() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chunks = map[chunkID]digest{}
}

func (p *proof) add(t *table, c chunk, sum digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chunks[chunkID{t.Name, c.name()}] = sum
}

func (p *proof) of(t *table, c chunk) (digest, bool) {
	if p == nil {
		return digest{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sum, ok := p.chunks[chunkID{t.Name, c.name()}]
	return sum, ok
}

// unproven gives the chunks of a complete table as tasks; none where nobody
// wants a proof.
func (c *copier) unproven(u *unit) []task {
	if c.proof == nil {
		return nil
	}
	all, err := newSplitter(u.table, 1, c.journal)
	if err != nil {
		return nil // verifying says so
	}
	var tasks []task
	for _, k := range all.known {
		tasks = append(tasks, task{unit: u, proof: &k})
	}
	return tasks
}

// prove compares a chunk with what was sent. One that differs, or cannot be
// looked at now, is left to verifying, which says why.
func (w *worker) prove(ctx context.Context, u *unit, c chunk) {
	entry, sent := w.copier.journal.Lookup(u.table.rowsUnit(), c.name())
	if !sent || w.connected(ctx) != nil {
		return
	}
	there, err := digestOf(ctx, w.target, u.table, c.condition(u.table))
	if err == nil && there.String() == entry.Digest {
		w.copier.proof.add(u.table, c, there)
	}
}
