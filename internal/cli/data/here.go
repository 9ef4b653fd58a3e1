package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/datacopy/engines"
	"github.com/landfall-dev/landfall/internal/fault"
)

// folder keeps what a copy by this machine leaves: job.json (with the addresses
// as they were given, for resume, hence for nobody else to read), a journal for
// each store, state.json and the evidence.
type folder string

// copies is where the folders are: below $XDG_STATE_HOME.
func copies(c *command.Context) (string, error) {
	state := c.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the folder of copies: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "landfall", "copies"), nil
}

func folderOf(c *command.Context, name string) (folder, error) {
	all, err := copies(c)
	if err == nil && (name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".")) {
		err = fault.New(fault.Invalid, "`landfall data status` shows the names.", "the name %q is no copy's", name)
	}
	return folder(filepath.Join(all, name)), err
}

func (f folder) path(file string) string { return filepath.Join(string(f), file) }

// read decodes a file of the folder; an absent one leaves value as it is.
func (f folder) read(file string, value any) error {
	text, err := os.ReadFile(f.path(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path(file), err)
	}
	return nil
}

// write replaces a file of the folder as a whole, readable by its owner only.
func (f folder) write(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = os.MkdirAll(string(f), 0o700)
	}
	if err == nil {
		err = os.WriteFile(f.path(file+".new"), append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(f.path(file+".new"), f.path(file))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.path(file), err)
	}
	return nil
}

func (f folder) journal(store string) (datacopy.Journal, error) {
	return datacopy.OpenJournal(f.path(store + journalSuffix))
}

const journalSuffix = ".journal"

// how a job is run in this process.
type how struct {
	// anew forgets an unfinished copy.
	anew bool
	// follow the source's changes until cut-over, which comes by itself
	// (cutover) or by `landfall data cutover`.
	follow, cutover bool
}

// runHere does a job in this process. A copy that was not finished goes on; a
// finished one begins anew.
func runHere(ctx context.Context, c *command.Context, job batch.Job, how how) (batch.State, error) {
	options := batch.Options{Engines: engines.For, Reporter: c.Progress(), Clock: c.Clock, Track: &batch.Tracker{}}
	if job.Action != batch.Copy {
		state, err := batch.Run(ctx, job, options)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fault.New(fault.Failed, "Ask again with a longer --timeout.", "%s: not done in the time that --timeout gave", job.Action)
		}
		return state, err
	}
	f, err := folderOf(c, job.Name)
	if err != nil {
		return batch.State{}, err
	}
	before, err := f.prepare(c, job, how.anew)
	if err != nil {
		return batch.State{}, err
	}
	options.Journal = f.journal
	if how.follow {
		options.Cutover = f.cutover(ctx, how.cutover)
	}
	stop := f.publish(options.Track)
	state, err := batch.Run(ctx, job, options)
	stop()
	if kept, failed := before.settle(f, state); kept || failed != nil {
		return state, errors.Join(err, failed)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return state, fault.New(fault.Failed, "`landfall data resume "+job.Name+"` goes on.", "copying data: not done in the time that --timeout gave; what was copied so far stays")
	}
	if ctx.Err() != nil {
		return state, fmt.Errorf("interrupted: what was copied so far stays, `landfall data resume %s` goes on: %w", job.Name, context.Canceled)
	}
	if writing := f.conclude(state); err == nil {
		err = writing
	}
	return state, err
}

// publish writes the state every moment, for `landfall data status` in another
// terminal, until the function that it gives is called.
func (f folder) publish(track *batch.Tracker) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ended:
				return
			case <-time.After(publishEvery):
			}
			if state := track.State(); len(state.Stores) > 0 && state.Phase == batch.PhaseRunning {
				_ = f.write(batch.StateFile, state) // it is only shown
			}
		}
	}()
	return func() { close(ended); <-done }
}

// conclude keeps state and evidence. The addresses are needed no more once all
// is done.
func (f folder) conclude(state batch.State) error {
	if err := f.write(batch.StateFile, state); err != nil {
		return err
	}
	if err := state.Evidence().WriteFile(f.path(batch.EvidenceHTML)); err != nil {
		return err
	}
	if err := state.Evidence().WriteFile(f.path(batch.EvidenceJSON)); err != nil {
		return err
	}
	if state.Phase == batch.PhaseSucceeded {
		return os.Remove(f.path(batch.JobFile))
	}
	return nil
}
