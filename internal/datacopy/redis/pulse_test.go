package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// hearing passes on when a count is reported first, and gathers notes.
type hearing struct {
	progress.Reporter
	mu    sync.Mutex
	notes []string
}

func (h *hearing) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// TestServersThatFallSilent are stopped for good in the middle of a copy, a
// comparison and a plan, and while they are followed: that is said, and given up.
// The copy goes on once the server does.
func TestServersThatFallSilent(t *testing.T) {
	const patience = 200 * time.Millisecond
	tests := []struct{ name, side, way string }{
		{"a source whose keys are listed", "source", "scan"},
		{"a source that sends a snapshot", "source", "replication"},
		{"a target", "target", "scan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, to := storetest.Redis(t, ready...), storetest.Redis(t)
			req := datacopy.Request{From: address(t, from.URL), To: address(t, to.URL), Options: map[string]string{"read-by": tt.way}}
			fill(t, open(t, req.From), "")
			stopped, at := from, req.From
			if tt.side == "target" {
				stopped, at = to, req.To
			}
			journal := &datacopy.MemoryJournal{}
			heard := &hearing{Reporter: storetest.During(func() { stopped.Signal(syscall.SIGSTOP) })}
			began := time.Now()
			_, err := datacopy.Run(t.Context(), redis.Impatient(patience), req, journal, heard)
			wantFailure(t, err, fmt.Sprintf("the %s %s has not answered for", tt.side, at), "resume the copy")
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			heard.mu.Lock()
			if len(heard.notes) != 3 || !strings.Contains(heard.notes[0], "has not answered") {
				t.Errorf("it was said that %q", heard.notes)
			}
			heard.mu.Unlock()
			stopped.Signal(syscall.SIGCONT)
			run(t, req, journal)
		})
	}
}

// TestSilenceEndsComparingAndFollowing, neither of which has an answer then.
func TestSilenceEndsComparingAndFollowing(t *testing.T) {
	const patience = 200 * time.Millisecond
	from, to := storetest.Redis(t, "--notify-keyspace-events", "EA"), storetest.Redis(t)
	req := datacopy.Request{From: address(t, from.URL), To: address(t, to.URL)}
	fill(t, open(t, req.From), "")
	plan := run(t, req, &datacopy.MemoryJournal{}).Plan
	engine := redis.Impatient(patience)

	report, err := engine.Verify(t.Context(), req, plan, nil, storetest.During(func() { to.Signal(syscall.SIGSTOP) }))
	if err != nil || report.Answer() != datacopy.Unknown || !strings.Contains(report.Units[0].Cause, "the target "+req.To.String()+" has not answered for") {
		t.Errorf("comparing gives %+v, %v", report, err)
	}
	to.Signal(syscall.SIGCONT)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	time.AfterFunc(time.Second, func() { from.Signal(syscall.SIGSTOP) })
	defer from.Signal(syscall.SIGCONT)
	_, err = engine.Follow(ctx, req, plan, &datacopy.MemoryJournal{}, make(chan struct{}), progress.Discard)
	wantFailure(t, err, "the source "+req.From.String()+" has not answered for", "Check that the server runs")
}
