package supervisor

import (
	"sync"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/child"
)

// Report is what the supervisor tells of itself over its socket.
type Report struct {
	// PID and Build are the supervisor's process and executable.
	PID   int    `json:"pid"`
	Build string `json:"build"`
	// Generation counts the changes of the desired state that were seen;
	// Converged is the last one that was reached in full.
	Generation int `json:"generation"`
	Converged  int `json:"converged"`
	// Settled says that the cluster has its ports and networks: from then on
	// others see that they are taken.
	Settled bool `json:"settled"`
	// Steps are those of the present or last attempt, in order of beginning.
	Steps []Step `json:"steps"`
	// Error says why the last attempt failed; another one follows by itself.
	Error     string         `json:"error,omitempty"`
	Processes []child.Status `json:"processes,omitempty"`
}

// Step is one named step on the way to the desired state.
type Step struct {
	Name  string        `json:"name"`
	Took  time.Duration `json:"took"`
	Done  bool          `json:"done"`
	Error string        `json:"error,omitempty"`
}

// board collects the report. It is safe for concurrent use.
type board struct {
	mu     sync.Mutex
	report Report
}

// begin starts an attempt to reach the newest generation.
func (b *board) begin() (generation int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Steps, b.report.Error = nil, ""
	return b.report.Generation
}

func (b *board) finish(generation int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.report.Error = err.Error()
		return
	}
	b.report.Converged = generation
}

func (b *board) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Settled = true
}

// change notes that the desired state has changed.
func (b *board) change() (generation int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Generation++
	return b.report.Generation
}

// step runs fn as a named step.
func (b *board) step(name string, fn func() error) error {
	started := time.Now()
	b.mu.Lock()
	b.report.Steps = append(b.report.Steps, Step{Name: name})
	index := len(b.report.Steps) - 1
	b.mu.Unlock()

	err := fn()

	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.report.Steps[index]
	s.Took, s.Done = time.Since(started), true
	if err != nil {
		s.Error = err.Error()
	}
	return err
}

func (b *board) snapshot() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.report
	r.Steps = append([]Step(nil), r.Steps...)
	return r
}
