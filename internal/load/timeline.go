package load

import (
	"slices"
	"time"
)

// second is one second of the time line while it grows.
type second struct {
	// missing requests have not come to their end.
	missing int64
	sides   map[string]*moment
}

func (s *second) add(o Outcome, side string, latency time.Duration) {
	m := s.sides[side]
	if m == nil {
		m = &moment{}
		s.sides[side] = m
	}
	m.Requests++
	switch {
	case o.Lost():
		m.Lost++
	case o.Bad():
		m.Errors++
	}
	m.latencies = append(m.latencies, latency)
	if s.missing == 0 {
		s.settle()
	}
}

// settle turns what is complete into figures, and lets go of the rest.
func (s *second) settle() {
	for _, m := range s.sides {
		m.Moment = m.moment()
		m.latencies = nil
	}
}

// moment is a Moment that still has its latencies.
type moment struct {
	Moment
	latencies []time.Duration
}

func (m *moment) moment() Moment {
	if len(m.latencies) == 0 {
		return m.Moment
	}
	sorted := slices.Sorted(slices.Values(m.latencies))
	at := func(percent int) time.Duration { return sorted[(len(sorted)*percent+99)/100-1].Round(time.Microsecond) }
	result := m.Moment
	result.P50, result.P95, result.Max = at(50), at(95), at(100)
	return result
}
