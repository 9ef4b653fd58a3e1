package mysql

import (
	"context"
	"slices"
	"sync"
)

// places let no more workers load rows at once than the target has processors
// for: more of them would stand in each other's way, at the pages of one table
// most of all. So a place that is free goes to the table with the fewest. nil
// lets all in at once. Safe for concurrent use.
type places struct {
	number int

	mu      sync.Mutex
	free    int
	loading map[*unit]int
	// waiting are in the order in which they came.
	waiting []*guest
}

// guest waits for a place; its door is closed when it has one.
type guest struct {
	unit *unit
	door chan struct{}
}

// fewestPlaces are two: one works while the other waits for the disk.
const fewestPlaces = 2

// places are for so many workers; nil when there is room for all, or the server
// does not tell.
func (s *server) places(workers int) *places {
	number := max(s.processors, fewestPlaces)
	if s.processors == 0 || number >= workers {
		return nil
	}
	return &places{number: number, free: number, loading: map[*unit]int{}}
}

// share is how many of the workers a table gets while others need some, too:
// there are chunks of as many tables as there are places.
func (p *places) share(workers int) int {
	if p == nil {
		return workers
	}
	return (workers + p.number - 1) / p.number
}

// room says whether one more may do other work at the target, beside so many.
func (p *places) room(busy int) bool { return p == nil || busy < p.number }

// enter waits for a place.
func (p *places) enter(ctx context.Context, u *unit) error {
	if p == nil {
		return nil
	}
	g := &guest{unit: u, door: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, g)
	p.admit()
	p.mu.Unlock()
	select {
	case <-g.door:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, g); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else {
		p.release(u)
	}
	return ctx.Err()
}

// leave gives back what enter took.
func (p *places) leave(u *unit) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(u)
}

func (p *places) release(u *unit) {
	p.free++
	p.loading[u]--
	p.admit()
}

// admit gives free places to those who wait.
func (p *places) admit() {
	for p.free > 0 && len(p.waiting) > 0 {
		next := 0
		for i, g := range p.waiting {
			if p.loading[g.unit] < p.loading[p.waiting[next].unit] {
				next = i
			}
		}
		g := p.waiting[next]
		p.waiting = slices.Delete(p.waiting, next, next+1)
		p.free--
		p.loading[g.unit]++
		close(g.door)
	}
}
