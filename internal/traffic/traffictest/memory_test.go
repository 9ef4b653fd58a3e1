package traffictest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// place is a router's world in memory: what a right one is like, so that the
// suite is tested too.
type place struct {
	mu       sync.Mutex
	weight   traffic.Weight
	epoch    int64
	prepared bool
	// zero: both sides have weight 0.
	zero     bool
	trouble  error
	cut      bool
	broken   map[traffic.Side]bool
	counters map[traffic.Side]traffic.Counters
	sent     float64
	now      time.Time
	deadline time.Time
}

// memory is a traffic.Router over a place.
type memory struct {
	*place
	unknown bool
}

func (m *memory) Describe() traffic.Description {
	return traffic.Description{Kind: "memory", Place: "here"}
}

// enter locks the place, or says why not.
func (m *memory) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	if m.trouble != nil {
		defer m.mu.Unlock()
		return nil, m.trouble
	}
	return m.mu.Unlock, nil
}

// change locks the place for a process that may write.
func (m *memory) change(ctx context.Context, f traffic.Fence) (leave func(), err error) {
	leave, err = m.enter(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		leave()
		return nil, err
	}
	if f.Epoch() < m.epoch {
		leave()
		return nil, fault.New(fault.Refused, "", "another process has taken over")
	}
	m.epoch = f.Epoch()
	return leave, nil
}

func (m *memory) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	leave, err := m.change(ctx, f)
	if err != nil {
		return traffic.Preparation{}, err
	}
	defer leave()
	if m.unknown {
		return traffic.Preparation{}, fault.New(fault.Invalid, "Create it.", "there is no new side")
	}
	if m.prepared {
		return traffic.Preparation{Done: true, Step: "ready"}, nil
	}
	m.prepared = true
	return traffic.Preparation{Step: "added the new side"}, nil
}

func (m *memory) Read(ctx context.Context) (traffic.State, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return traffic.State{}, err
	}
	defer leave()
	if m.zero {
		return traffic.State{Instances: []traffic.Instance{{Name: "here", Settled: true}}}, nil
	}
	return traffic.State{Instances: []traffic.Instance{{Name: "here", Old: int(traffic.All - m.weight), New: int(m.weight), Settled: true}}}, nil
}

func (m *memory) Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error {
	leave, err := m.change(ctx, f)
	if err != nil {
		return err
	}
	defer leave()
	m.weight = w
	if m.cut {
		return errors.New("connection reset")
	}
	return nil
}

func (m *memory) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return traffic.Health{}, err
	}
	defer leave()
	return traffic.Health{Known: true, Healthy: !m.broken[side], Reason: "so it is"}, nil
}

func (m *memory) Finish(ctx context.Context, f traffic.Fence) error {
	leave, err := m.change(ctx, f)
	if err == nil {
		leave()
	}
	return err
}

func (m *memory) Counters(ctx context.Context) (map[traffic.Side]traffic.Counters, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return map[traffic.Side]traffic.Counters{traffic.Old: m.counters[traffic.Old], traffic.New: m.counters[traffic.New]}, nil
}

func (m *memory) Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error {
	leave, err := m.change(ctx, f)
	if err != nil {
		return err
	}
	defer leave()
	if side == traffic.New && m.weight > traffic.None || side == traffic.Old && m.weight < traffic.All {
		return fault.New(fault.Refused, "", "the side has weight")
	}
	return nil
}

func (m *memory) Pin(side traffic.Side) string { return "ask for " + string(side) }

func (m *memory) Arm(ctx context.Context, silence time.Duration, f traffic.Fence) error {
	leave, err := m.change(ctx, f)
	if err != nil {
		return err
	}
	defer leave()
	m.deadline = time.Time{}
	if silence > 0 {
		m.deadline = m.now.Add(silence)
	}
	return nil
}

func (p *place) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// serve spreads requests evenly, as HAProxy does.
func (p *place) serve(n int, side traffic.Side) (map[traffic.Side]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := map[traffic.Side]int{}
	for range n {
		to := side
		if to == "" {
			to = traffic.Old
			before := math.Floor(p.sent)
			p.sent += float64(p.weight) / float64(traffic.All)
			if math.Floor(p.sent+1e-9) > before {
				to = traffic.New
				p.sent = math.Round(p.sent*100) / 100
			}
		}
		counts[to]++
		c := p.counters[to]
		c.Requests++
		p.counters[to] = c
	}
	return counts, nil
}

func (p *place) advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
	if !p.deadline.IsZero() && !p.now.Before(p.deadline) {
		p.weight = traffic.None
	}
}

func newPair(*testing.T) *Pair {
	p := &place{broken: map[traffic.Side]bool{}, counters: map[traffic.Side]traffic.Counters{}}
	return &Pair{
		Router:        &memory{place: p},
		Again:         func() traffic.Router { return &memory{place: p} },
		Unknown:       func() traffic.Router { return &memory{place: p, unknown: true} },
		ForeignChange: func(w traffic.Weight) { p.with(func() { p.weight = w }) },
		Deny:          func() { p.with(func() { p.trouble = fault.New(fault.Refused, "Ask for it.", "permission denied") }) },
		Throttle: func() {
			p.with(func() { p.trouble = &traffic.Throttled{After: time.Second, Err: errors.New("too many requests")} })
		},
		Cut:    func() { p.with(func() { p.cut = true }) },
		Garble: func() { p.with(func() { p.trouble = errors.New("not understood") }) },
		Break:  func(side traffic.Side) { p.with(func() { p.broken[side] = true }) },
		Restore: func() {
			p.with(func() { p.trouble, p.cut = nil, false })
		},
		Serve:          func(n int) (map[traffic.Side]int, error) { return p.serve(n, "") },
		ServePinned:    p.serve,
		Advance:        p.advance,
		Silence:        p.advance,
		ComparesEpochs: true,
	}
}

func TestARightRouterPasses(t *testing.T) {
	Run(t, Harness{New: newPair})
}

func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		n         int
		w         traffic.Weight
		low, high int
	}{
		{2000, 0, 0, 0}, {2000, 100, 2000, 2000},
		// The quantiles 0.0005 and 0.9995, computed apart by summing up from below.
		{2000, 1, 7, 36}, {1000, 50, 448, 552}, {100, 10, 2, 21},
	} {
		if low, high := Bounds(tt.n, tt.w); low != tt.low || high != tt.high {
			t.Errorf("%d requests at %d %%: %d to %d, want %d to %d", tt.n, tt.w, low, high, tt.low, tt.high)
		}
	}
}
