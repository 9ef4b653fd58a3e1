package data

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

// earlier is what a folder held before a copy was asked for again. It is
// forgotten only once the new one has begun: one that is refused leaves the
// outcome, or the unfinished copy, as it was.
type earlier struct {
	// unfinished are the files of a copy that is to go on, nil without one.
	unfinished map[string][]byte
}

// prepare writes down the job, so that resume knows it, and sets a finished
// copy aside.
func (f folder) prepare(c *command.Context, job batch.Job, anew bool) (earlier, error) {
	if err := f.idle(); err != nil {
		return earlier{}, err
	}
	var state batch.State
	if err := f.read(batch.StateFile, &state); err != nil && !anew {
		return earlier{}, err
	}
	var before earlier
	switch finished := state.Phase == batch.PhaseSucceeded || state.Phase == batch.PhaseDifferent; {
	case anew || finished:
		if err := f.setAside(); err != nil {
			return earlier{}, err
		}
	case f.begun():
		c.Progress().Note("%s was not finished: going on where it stopped (--anew begins anew)", job.Name)
		before.unfinished = f.files(batch.JobFile, batch.StateFile)
		_ = os.Remove(f.path(batch.StateFile)) // it is no longer so
	}
	job.Key = "" // asked for again
	return before, f.write(batch.JobFile, job)
}

// settle gives the folder back what it held, where the copy never came to do
// anything (kept), and else forgets what was set aside.
func (e earlier) settle(f folder, state batch.State) (kept bool, err error) {
	if _, absent := os.Stat(f.aside()); absent == nil {
		if !f.begun() {
			return true, f.putBack()
		}
		err = os.RemoveAll(f.aside())
	}
	if e.unfinished == nil || copied(state) {
		return false, err
	}
	_ = os.Remove(f.path(batch.StateFile)) // that of the one that was refused
	for name, text := range e.unfinished {
		if writing := os.WriteFile(f.path(name), text, 0o600); writing != nil {
			err = writing
		}
	}
	return true, err
}

// copied says whether any store came as far as copying.
func copied(state batch.State) bool {
	for _, store := range state.Stores {
		if store.Outcome != nil && store.Outcome.Result != nil {
			return true
		}
	}
	return false
}

// begun says whether a journal has a plan.
func (f folder) begun() bool {
	for _, journal := range f.journals() {
		if about, err := os.Stat(journal); err == nil && about.Size() > 0 {
			return true
		}
	}
	return false
}

// idle is an error while another process works with a journal.
func (f folder) idle() error {
	for _, journal := range f.journals() {
		opened, err := datacopy.OpenJournal(journal)
		if fault.ClassOf(err) == fault.Refused {
			return err
		}
		if err == nil {
			_ = opened.Close()
		}
	}
	return nil
}

func (f folder) journals() []string {
	entries, _ := os.ReadDir(string(f))
	var found []string
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == journalSuffix {
			found = append(found, f.path(entry.Name()))
		}
	}
	return found
}

// files reads those that are there.
func (f folder) files(names ...string) map[string][]byte {
	found := map[string][]byte{}
	for _, name := range names {
		if text, err := os.ReadFile(f.path(name)); err == nil {
			found[name] = text
		}
	}
	return found
}

// aside is where an earlier copy waits; its name is no copy's.
func (f folder) aside() string {
	return filepath.Join(filepath.Dir(string(f)), "."+filepath.Base(string(f)))
}

func (f folder) setAside() error {
	if _, err := os.Stat(string(f)); os.IsNotExist(err) {
		return nil
	}
	err := os.RemoveAll(f.aside())
	if err == nil {
		err = os.Rename(string(f), f.aside())
	}
	if err != nil {
		return fmt.Errorf("setting the earlier copy aside: %w", err)
	}
	return nil
}

func (f folder) putBack() error {
	err := os.RemoveAll(string(f))
	if err == nil {
		err = os.Rename(f.aside(), string(f))
	}
	if err != nil {
		return fmt.Errorf("keeping the earlier copy: %w", err)
	}
	return nil
}
