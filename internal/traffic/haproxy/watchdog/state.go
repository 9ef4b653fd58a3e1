package watchdog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/fault"
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
	if err := replaceFile(w.options.State, content); err != nil {
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

// writeServerState has HAProxy's server-state-file say what is so now.
func (w *Watchdog) writeServerState(ctx context.Context) error {
	reply, err := w.options.HAProxy.Ask(ctx, "show servers state")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(reply, "1\n# ") || !strings.HasSuffix(reply, "\n\n") {
		return errors.New("reading HAProxy's server states: the reply was cut short")
	}
	if err := replaceFile(w.options.ServerState, []byte(reply)); err != nil {
		return fmt.Errorf("writing HAProxy's server-state-file: %w", err)
	}
	return nil
}

// replaceFile puts whole content in a file's place, also when the machine stops
// in between.
func replaceFile(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
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
