package batch

import (
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/fault"
)

// What a store of a job is at.
const (
	StateWaiting   = "waiting"
	StatePlanning  = "planning"
	StateCopying   = "copying"
	StateFollowing = "following"
	StateVerifying = "verifying"
	StateDone      = "done"
	StateFailed    = "failed"
)

// What a job as a whole is at.
const (
	PhaseRunning   = "running"
	PhaseSucceeded = "succeeded"
	PhaseDifferent = "different"
	PhaseFailed    = "failed"
)

// State is how far a job is. It holds no secrets.
type State struct {
	Name    string    `json:"name"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Action  Action    `json:"action,omitempty"`
	Phase   string    `json:"phase"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Message says what is wrong, Class and Hint as faults have them.
	Message string       `json:"message,omitempty"`
	Class   string       `json:"class,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	Stores  []StoreState `json:"stores"`
	// Draft is what Suggest wrote.
	Draft string `json:"draft,omitempty"`
}

// StoreState is how far one store is.
type StoreState struct {
	Name  string        `json:"name"`
	Kind  datacopy.Kind `json:"kind"`
	State string        `json:"state"`
	From  string        `json:"from"`
	To    string        `json:"to"`
	// Masked says that rules of the mask apply.
	Masked  bool            `json:"masked,omitempty"`
	Answer  datacopy.Answer `json:"answer,omitempty"`
	Message string          `json:"message,omitempty"`
	Units   []UnitState     `json:"units,omitempty"`
	// Review is what Check found.
	Review *mask.Review `json:"review,omitempty"`
	// Outcome has everything, once there is an outcome.
	Outcome *datacopy.Outcome `json:"outcome,omitempty"`
}

// UnitState is how far one table, database or bucket is.
type UnitState struct {
	Name  string `json:"name"`
	Noun  string `json:"noun"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Bytes int64  `json:"bytes"`
}

// Share of the job that is copied, 0 to 1, by bytes where they are known.
func (s State) Share() float64 {
	var done, all float64
	for _, store := range s.Stores {
		for _, unit := range store.Units {
			weight := float64(max(unit.Bytes, 1))
			all += weight
			if store.State == StateDone || store.State == StateVerifying || store.State == StateFollowing {
				done += weight
			} else if unit.Total > 0 {
				done += weight * min(1, float64(unit.Done)/float64(unit.Total))
			}
		}
	}
	if all == 0 {
		return 0
	}
	return done / all
}

// Answer is the worst of all stores.
func (s State) Answer() datacopy.Answer {
	answer := datacopy.Equal
	for _, store := range s.Stores {
		switch store.Answer {
		case datacopy.Equal:
		case datacopy.Different:
			return datacopy.Different
		default:
			answer = datacopy.Unknown
		}
	}
	if len(s.Stores) == 0 {
		return datacopy.Unknown
	}
	return answer
}

// Err is the error that the job ended with, as far as the state tells it.
func (s State) Err() error {
	class := fault.Failed
	switch s.Phase {
	case PhaseSucceeded, PhaseRunning:
		return nil
	case PhaseDifferent:
		class = fault.NotHolding
	}
	for _, known := range []fault.Class{fault.Invalid, fault.NotFound, fault.Refused} {
		if s.Class == known.String() {
			class = known
		}
	}
	return fault.New(class, s.Hint, "%s", s.Message)
}

// Tracker keeps the state of a job while it runs. Safe for concurrent use; the
// zero value is ready.
type Tracker struct {
	mu    sync.Mutex
	now   State
	units map[string]map[string]int // by store and name, where in the state
}

// State is a copy of how far the job is now.
func (t *Tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := t.now
	state.Stores = make([]StoreState, len(t.now.Stores))
	for i, store := range t.now.Stores {
		store.Units = append([]UnitState(nil), store.Units...)
		state.Stores[i] = store
	}
	return state
}

func (t *Tracker) begin(job Job, tasks []task, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = State{Name: job.Name, From: job.From, To: job.To, Action: job.Action, Phase: PhaseRunning, Started: now}
	t.units = map[string]map[string]int{}
	for _, task := range tasks {
		t.now.Stores = append(t.now.Stores, StoreState{
			Name: task.name, Kind: task.request.From.Kind(), State: StateWaiting,
			From: task.request.From.String(), To: task.request.To.String(), Masked: task.mask != nil,
		})
	}
}

func (t *Tracker) end(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Ended, t.now.Phase = now, PhaseSucceeded
	if err == nil {
		return
	}
	t.now.Phase, t.now.Message, t.now.Hint = PhaseFailed, err.Error(), fault.HintOf(err)
	t.now.Class = fault.ClassOf(err).String()
	if fault.ClassOf(err) == fault.NotHolding {
		t.now.Phase = PhaseDifferent
	}
}

// of changes a store's state.
func (t *Tracker) of(store string, change func(*StoreState)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.now.Stores {
		if t.now.Stores[i].Name == store {
			change(&t.now.Stores[i])
		}
	}
}

func (t *Tracker) state(store, state string) {
	t.of(store, func(s *StoreState) { s.State = state })
}

func (t *Tracker) failed(store string, err error) {
	t.of(store, func(s *StoreState) { s.State, s.Message, s.Answer = StateFailed, err.Error(), datacopy.Unknown })
}

func (t *Tracker) planned(store string, plan *datacopy.Plan) {
	t.of(store, func(s *StoreState) {
		s.Units = nil
		index := make(map[string]int, len(plan.Units))
		for i, unit := range plan.Units {
			index[unit.Name] = i
			s.Units = append(s.Units, UnitState{Name: unit.Name, Noun: unit.Noun, Total: unit.Count, Bytes: unit.Bytes})
		}
		t.units[store] = index
	})
}

// concluded notes what came of a store.
func (t *Tracker) concluded(store string, outcome *datacopy.Outcome, err error) {
	t.of(store, func(s *StoreState) {
		s.Outcome, s.State = outcome, StateDone
		if err != nil {
			s.State, s.Message, s.Answer = StateFailed, err.Error(), datacopy.Unknown
		}
		if outcome != nil && outcome.Report != nil {
			s.Answer = outcome.Report.Answer()
		}
	})
}

// count notes how far a unit is.
func (t *Tracker) count(store, unit string, done, total int64) {
	t.of(store, func(s *StoreState) {
		if s.State != StateCopying {
			return
		}
		if at, known := t.units[store][unit]; known {
			s.Units[at].Done = done
			if total > 0 {
				s.Units[at].Total = total
			}
		}
	})
}

func (t *Tracker) draft(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Draft = text
}
