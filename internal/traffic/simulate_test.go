package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// simulated is a router in memory, with several instances and all that can go
// wrong. Its fields may be changed by a test at any time through set.
type simulated struct {
	mu        sync.Mutex
	instances []*simulatedInstance
	// lags is how long reading still gives the weight before, and wrote when that
	// was replaced.
	lags   time.Duration
	before Weight
	wrote  time.Time
	// takes is how long a write takes to be in effect.
	takes time.Duration
	// preparations is how many more calls Prepare needs.
	preparations int
	writeErr     error
	writeDelay   time.Duration
	readDelay    time.Duration
	health       map[Side]Health
	description  Description
	finished     bool
	drained      []Side
	writes       []Weight
	wroteAt      []time.Time
	armedFor     []time.Duration
	armErr       error
	armDelay     time.Duration
	urgent       int
}

type simulatedInstance struct {
	name     string
	weight   Weight
	settled  time.Time
	residual int
	down     bool
	deadMan  string
}

func newSimulated(instances int) *simulated {
	s := &simulated{health: map[Side]Health{}, description: Description{Kind: "simulated", Place: "memory"}}
	for i := range instances {
		s.instances = append(s.instances, &simulatedInstance{name: fmt.Sprintf("router-%d", i+1)})
	}
	return s
}

// set changes the router as a test wants.
func (s *simulated) set(change func(*simulated)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// highest is the most that an instance gives the new side.
func (s *simulated) highest() Weight {
	s.mu.Lock()
	defer s.mu.Unlock()
	highest := None
	for _, i := range s.instances {
		highest = max(highest, i.weight)
	}
	return highest
}

func (s *simulated) Describe() Description { return s.description }

func (s *simulated) Prepare(context.Context, Fence) (Preparation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.preparations > 0 {
		s.preparations--
		return Preparation{Step: "lowering the time to live", Wait: time.Second}, nil
	}
	return Preparation{Done: true}, nil
}

func (s *simulated) Read(ctx context.Context) (State, error) {
	if err := s.pass(ctx, func() time.Duration { return s.readDelay }); err != nil {
		return State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var state State
	for _, i := range s.instances {
		read := Instance{Name: i.name, Old: int(All - i.weight), New: int(i.weight), Settled: true, Residual: i.residual, DeadMan: i.deadMan}
		if wait := time.Until(i.settled); wait > 0 {
			read.Settled, read.Waiting = false, "PENDING"
		}
		if time.Since(s.wrote) < s.lags {
			read.Old, read.New = int(All-s.before), int(s.before)
		}
		if i.down {
			read = Instance{Name: i.name, Err: errors.New("connection refused")}
		}
		state.Instances = append(state.Instances, read)
	}
	return state, nil
}

func (s *simulated) Write(ctx context.Context, w Weight, f Fence) error {
	if err := s.pass(ctx, func() time.Duration { return s.writeDelay }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes, s.wroteAt = append(s.writes, w), append(s.wroteAt, time.Now())
	if IsUrgent(ctx) {
		s.urgent++
	}
	if s.writeErr != nil {
		return s.writeErr
	}
	if s.lags > 0 && s.instances[0].weight != w {
		s.before, s.wrote = s.instances[0].weight, time.Now()
	}
	var down error
	for _, i := range s.instances {
		if err := f.Check(); err != nil {
			return err
		}
		if i.down {
			down = fmt.Errorf("%s: connection refused", i.name)
			continue
		}
		i.weight, i.settled, i.deadMan = w, time.Now().Add(s.takes), ""
	}
	return down
}

func (s *simulated) Health(_ context.Context, side Side) (Health, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health[side], nil
}

func (s *simulated) Finish(context.Context, Fence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	return nil
}

func (s *simulated) Drain(_ context.Context, side Side, _ Fence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = append(s.drained, side)
	for _, i := range s.instances {
		i.residual = 0
	}
	return nil
}

func (s *simulated) Arm(ctx context.Context, silence time.Duration, _ Fence) error {
	if err := s.pass(ctx, func() time.Duration { return s.armDelay }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armErr == nil {
		s.armedFor = append(s.armedFor, silence)
	}
	return s.armErr
}

// pass takes as long as a call is to take.
func (s *simulated) pass(ctx context.Context, delay func() time.Duration) error {
	s.mu.Lock()
	wait := delay()
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// simulatedGuard says what a test wants.
type simulatedGuard struct {
	rule  GuardRule
	mu    sync.Mutex
	says  Reading
	delay time.Duration
	read  int
}

func newGuard(rule GuardRule) *simulatedGuard {
	return &simulatedGuard{rule: rule, says: Reading{Answer: result.Holds, Value: "0 %", Bound: "at most 1 %"}}
}

func (g *simulatedGuard) Rule() GuardRule { return g.rule }

func (g *simulatedGuard) Read(ctx context.Context, _ time.Time) Reading {
	g.mu.Lock()
	says, delay := g.says, g.delay
	g.read++
	g.mu.Unlock()
	select {
	case <-ctx.Done():
		return Reading{Reason: "no answer in time"}
	case <-time.After(delay):
		return says
	}
}

func (g *simulatedGuard) say(reading Reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.says = reading
}

// memoryJournal is a journal in memory that can be made to fail.
type memoryJournal struct {
	mu    sync.Mutex
	p     Progress
	saves []Progress
	words []Word
	err   error
	delay time.Duration
}

func (j *memoryJournal) Load(context.Context) (Progress, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.p, nil
}

func (j *memoryJournal) Save(ctx context.Context, p Progress) error {
	j.mu.Lock()
	err, delay := j.err, j.delay
	j.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(delay):
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil:
		return err
	case p.Epoch < j.p.Epoch:
		return ErrTakenOver
	}
	j.p, j.saves = p, append(j.saves, p)
	return nil
}

func (j *memoryJournal) Words(_ context.Context, after int64) ([]Word, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var words []Word
	for _, word := range j.words {
		if word.Serial > after {
			words = append(words, word)
		}
	}
	return words, nil
}

func (j *memoryJournal) say(verb Verb, step int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.words = append(j.words, Word{Serial: int64(len(j.words) + 1), Verb: verb, Step: step, By: "ada"})
}

// memoryRecorder keeps events.
type memoryRecorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *memoryRecorder) Record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}
