package datacopy

import (
	"iter"
	"sync"

	"github.com/landfall-dev/landfall/internal/fault"
)

// MemoryJournal is a Journal that ends with its process. The zero value is
// ready.
type MemoryJournal struct {
	mu    sync.RWMutex
	plan  *Plan
	units map[string]*journalUnit
}

type journalUnit struct {
	order   []string
	entries map[string]Entry
}

// Plan implements Journal.
func (j *MemoryJournal) Plan() *Plan {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.plan
}

// Begin implements Journal.
func (j *MemoryJournal) Begin(plan *Plan) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plan != nil && j.plan.ID != plan.ID {
		return fault.New(fault.Refused, "Resume that copy, or begin this one with a journal of its own.",
			"beginning a copy: its journal is of another copy, from %s to %s", j.plan.From, j.plan.To)
	}
	j.plan = plan
	return nil
}

// Record implements Journal.
func (j *MemoryJournal) Record(entry Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.units == nil {
		j.units = map[string]*journalUnit{}
	}
	unit := j.units[entry.Unit]
	if unit == nil {
		unit = &journalUnit{entries: map[string]Entry{}}
		j.units[entry.Unit] = unit
	}
	if _, known := unit.entries[entry.Chunk]; !known {
		unit.order = append(unit.order, entry.Chunk)
	}
	unit.entries[entry.Chunk] = entry
	return nil
}

// Lookup implements Journal.
func (j *MemoryJournal) Lookup(unit, chunk string) (Entry, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if u := j.units[unit]; u != nil {
		entry, ok := u.entries[chunk]
		return entry, ok
	}
	return Entry{}, false
}

// Entries implements Journal. It may be left early, and Record may be called
// meanwhile.
func (j *MemoryJournal) Entries(unit string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		j.mu.RLock()
		var order []string
		if u := j.units[unit]; u != nil {
			order = u.order[:len(u.order):len(u.order)]
		}
		j.mu.RUnlock()
		for _, chunk := range order {
			if entry, ok := j.Lookup(unit, chunk); ok && !yield(entry) {
				return
			}
		}
	}
}

// Close implements Journal.
func (j *MemoryJournal) Close() error { return nil }
