package traffic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FileJournal keeps the journal of a migration in a folder, for migrations that
// run without a cluster. Processes on one machine may share it: a file lock
// keeps their writes apart. Its methods may be called at once.
type FileJournal struct {
	folder string
	// version is that of the file when this process last read or wrote it.
	version int64
}

// OpenFileJournal opens the journal in a folder, which it makes if there is none.
func OpenFileJournal(folder string) (*FileJournal, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of a journal: %w", err)
	}
	return &FileJournal{folder: folder}, nil
}

// journalFile is what the file says.
type journalFile struct {
	// Version grows with each save.
	Version  int64    `json:"version"`
	Progress Progress `json:"progress"`
}

// Load reads the progress.
func (j *FileJournal) Load(context.Context) (Progress, error) {
	unlock, err := j.lock()
	if err != nil {
		return Progress{}, err
	}
	defer unlock()
	file, err := j.read()
	j.version = file.Version
	return file.Progress, err
}

// Save replaces the progress; it is on the disk when Save returns.
func (j *FileJournal) Save(_ context.Context, p Progress) error {
	unlock, err := j.lock()
	if err != nil {
		return err
	}
	defer unlock()
	file, err := j.read()
	if err != nil {
		return err
	}
	if file.Version != j.version {
		return ErrTakenOver
	}
	if err := j.write(journalFile{Version: file.Version + 1, Progress: p}); err != nil {
		return fmt.Errorf("saving the journal: %w", err)
	}
	j.version++
	return nil
}

// Words gives what was said after a serial number.
func (j *FileJournal) Words(_ context.Context, after int64) ([]Word, error) {
	text, err := os.ReadFile(j.wordsPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the words of a journal: %w", err)
	}
	return wordsIn(text, after)
}

func wordsIn(text []byte, after int64) ([]Word, error) {
	var words []Word
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var word Word
		// Half a line is one that is being written: it is heard the next time.
		if err := json.Unmarshal(lines.Bytes(), &word); err == nil && word.Serial > after {
			words = append(words, word)
		}
	}
	return words, lines.Err()
}

// Say adds a word, whose serial number it sets.
func (j *FileJournal) Say(word Word) error {
	unlock, err := j.lock()
	if err != nil {
		return err
	}
	defer unlock()
	text, err := os.ReadFile(j.wordsPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the words of a journal: %w", err)
	}
	said, err := wordsIn(text, 0)
	if err != nil {
		return err
	}
	word.Serial = 1
	if len(said) > 0 {
		word.Serial = said[len(said)-1].Serial + 1
	}
	line, err := json.Marshal(word)
	if err != nil {
		return fmt.Errorf("writing a word: %w", err)
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		line = append([]byte("\n"), line...) // somebody died in the middle of a word
	}
	file, err := os.OpenFile(j.wordsPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing a word: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

func (j *FileJournal) path() string      { return filepath.Join(j.folder, "progress.json") }
func (j *FileJournal) wordsPath() string { return filepath.Join(j.folder, "words.jsonl") }

func (j *FileJournal) read() (journalFile, error) {
	var file journalFile
	text, err := os.ReadFile(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return file, fmt.Errorf("reading the journal: %w", err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return file, fmt.Errorf("reading the journal %s: %w", j.path(), err)
	}
	return file, nil
}

// write puts the file in place of the old one, whole or not at all.
func (j *FileJournal) write(file journalFile) error {
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	temporary := j.path() + ".new"
	out, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, j.path()); err != nil {
		return err
	}
	return syncFolder(j.folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// lock keeps other processes, and other users of this one, away.
func (j *FileJournal) lock() (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(j.folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the journal: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the journal: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}
