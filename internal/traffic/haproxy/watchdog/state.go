package watchdog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/fault"
	runtime "github.com/landfall-dev/landfall/internal/haproxy"
)

// state is the content of the state file.
type state struct {
	// Boot is the start of the machine that deadlines count from.
	Boot     string            `json:"boot"`
	Backends map[string]record `json:"backends"`
}

func readState(file string) (state, error) {
	const hint = "Look at the weights that HAProxy has, then remove the file: the watchdog begins anew."
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("reading the watchdog's state: %w", err)
	}
	var kept state
	if err := json.Unmarshal(content, &kept); err != nil {
		return state{}, fault.New(fault.Failed, hint, "reading the watchdog's state in %s: %w", file, err)
	}
	for backend, record := range kept.Backends {
		if err := record.Pair.Validate(); err != nil || record.Pair.Backend != backend || record.Silence < 0 || record.Deadline < 0 {
			return state{}, fault.New(fault.Failed, hint, "reading the watchdog's state in %s: backend %q is none that it would have written", file, backend)
		}
	}
	return kept, nil
}

// save writes the state file if it would change. The caller holds the lock.
func (w *Watchdog) save() error {
	kept := state{Boot: w.options.BootID, Backends: map[string]record{}}
	for backend, post := range w.posts {
		kept.Backends[backend] = post.record
	}
	content, err := json.MarshalIndent(kept, "", "  ")
	if err != nil || bytes.Equal(content, w.saved) {
		return err
	}
	if err := runtime.ReplaceFile(w.options.State, content); err != nil {
		return fault.Wrap(fault.Failed, fmt.Errorf("keeping the watchdog's state: %w", err), "Let the watchdog write the folder of --state.")
	}
	w.saved = content
	return nil
}

// keep saves where nobody could be told that it failed.
func (w *Watchdog) keep() {
	if err := w.save(); err != nil {
		w.options.Log.Error("keeping the watchdog's state", "error", err)
	}
}

// sinceBoot reads a clock that goes on while the machine sleeps and that nobody
// can set.
func sinceBoot() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("reading the time since the boot: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

func bootID() (string, error) {
	content, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading which boot this is: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
