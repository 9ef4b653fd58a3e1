package datacopy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestPulse(t *testing.T) {
	pulse := Pulse{Every: 5 * time.Millisecond, Patience: time.Millisecond, Misses: 3}
	untilEnd := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
			return nil
		}
	}
	for name, tt := range map[string]struct {
		alive func(question int64) bool
		says  string
	}{
		"answers":                   {func(int64) bool { return true }, ""},
		"answers often enough":      {func(n int64) bool { return n%3 == 0 }, ""},
		"falls silent":              {func(n int64) bool { return n < 3 }, "the target redis://new has not answered for"},
		"never answered a question": {func(int64) bool { return false }, "the target redis://new has not answered for"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			var mu sync.Mutex
			var notes []string
			closed := make(chan struct{})
			server := Attended{Name: "target redis://new", Close: func() { close(closed) }, Ask: func(context.Context, time.Duration) error {
				if tt.alive(asked.Add(1)) {
					return nil
				}
				return errors.New("timeout")
			}}
			note := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				notes = append(notes, fmt.Sprintf(format, args...))
			}
			err := pulse.Attend(t.Context(), note, untilEnd, server)
			if (err != nil) != (tt.says != "") || err != nil && (!errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), tt.says) || fault.HintOf(err) == "") {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			<-closed
			if mu.Lock(); err != nil && len(notes) < 3 {
				t.Errorf("it was said that %q", notes)
			}
			mu.Unlock()
		})
	}
	broken := errors.New("broken")
	if err := pulse.Attend(t.Context(), nil, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("what goes wrong otherwise: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := pulse.Attend(ended, nil, untilEnd); !errors.Is(err, context.Canceled) {
		t.Errorf("what is ended from outside: %v", err)
	}
}
