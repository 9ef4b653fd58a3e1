package datacopy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/landfall-dev/landfall/internal/fault"
)

// FileJournal is a Journal in one file that is only ever appended to: a line
// for the plan, then one for each entry, each with its checksum before it. A
// last line that a crash left torn is cut off when the file is opened again;
// a damaged line elsewhere is an error. Concurrent Records share one fsync.
type FileJournal struct {
	MemoryJournal
	file *os.File

	mu     sync.Mutex
	flush  *sync.Cond
	buffer bytes.Buffer
	// written counts lines put into the buffer, synced those on disk.
	written, synced uint64
	syncing         bool
	err             error
}

// journalLine is a line of the file: one of the two is set.
type journalLine struct {
	Plan  *Plan  `json:"plan,omitempty"`
	Entry *Entry `json:"e,omitempty"`
}

// OpenJournal opens or creates the journal at path, and its folder. A journal
// that another process has open is an error of class fault.Refused.
func OpenJournal(path string) (*FileJournal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fault.New(fault.Refused, "Wait for that copy, or end it.",
			"opening the journal %s: another process is working with it", path)
	}
	j := &FileJournal{file: file}
	j.flush = sync.NewCond(&j.mu)
	if err := j.load(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("reading the journal %s: %w", path, err)
	}
	return j, nil
}

// load reads what is there and cuts off a torn end.
func (j *FileJournal) load() error {
	reader := bufio.NewReaderSize(j.file, 1<<20)
	var good int64
	for number := 1; ; number++ {
		text, err := reader.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(text) == 0 {
			break
		}
		line, bad := parseLine(text)
		if bad != nil {
			if _, more := reader.Peek(1); more == nil {
				return fault.New(fault.Failed, "Begin the copy anew, with a journal of its own.", "line %d: %w", number, bad)
			}
			break
		}
		if err := j.remember(line); err != nil {
			return err
		}
		good += int64(len(text))
	}
	if err := j.file.Truncate(good); err != nil {
		return err
	}
	_, err := j.file.Seek(good, io.SeekStart)
	return err
}

func (j *FileJournal) remember(line journalLine) error {
	if line.Plan != nil {
		return j.MemoryJournal.Begin(line.Plan)
	}
	return j.MemoryJournal.Record(*line.Entry)
}

// parseLine reads "CRC32 JSON\n".
func parseLine(text []byte) (journalLine, error) {
	var line journalLine
	sum, body, found := bytes.Cut(text, []byte(" "))
	if !found || !bytes.HasSuffix(body, []byte("\n")) {
		return line, errors.New("it is incomplete")
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || len(sum) != 8 || uint32(want) != crc32.ChecksumIEEE(body) {
		return line, errors.New("its checksum does not hold")
	}
	if err := json.Unmarshal(body, &line); err != nil {
		return line, err
	}
	if (line.Plan == nil) == (line.Entry == nil) {
		return line, errors.New("it is neither a plan nor an entry")
	}
	return line, nil
}

func formatLine(line journalLine) ([]byte, error) {
	body, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body), nil
}

// Begin implements Journal. The plan outlives the process from now on, and the
// machine from the first entry on: before that there is nothing to go on with,
// and no copy waits for a disk that is busy.
func (j *FileJournal) Begin(plan *Plan) error {
	known := j.Plan() != nil
	if err := j.MemoryJournal.Begin(plan); err != nil || known {
		return err
	}
	text, err := formatLine(journalLine{Plan: plan})
	if err == nil {
		_, err = j.file.Write(text)
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// Record implements Journal.
func (j *FileJournal) Record(entry Entry) error {
	if err := j.append(journalLine{Entry: &entry}); err != nil {
		return err
	}
	return j.MemoryJournal.Record(entry)
}

// append writes a line and returns when it is on disk. Whoever finds nobody
// syncing writes the lines of all that wait.
func (j *FileJournal) append(line journalLine) error {
	text, err := formatLine(line)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer.Write(text)
	j.written++
	mine := j.written
	for j.synced < mine && j.err == nil {
		if j.syncing {
			j.flush.Wait()
			continue
		}
		j.sync()
	}
	return j.err
}

// sync writes the buffer out. It is called with mu held and gives it up
// meanwhile. After a failed write the journal accepts nothing more, since the
// end of the file is not known.
func (j *FileJournal) sync() {
	batch, upTo := bytes.Clone(j.buffer.Bytes()), j.written
	j.buffer.Reset()
	j.syncing = true
	j.mu.Unlock()
	_, err := j.file.Write(batch)
	if err == nil {
		err = syscall.Fdatasync(int(j.file.Fd()))
	}
	j.mu.Lock()
	j.syncing, j.synced = false, upTo
	if err != nil {
		j.err = fmt.Errorf("writing the journal: %w", err)
	}
	j.flush.Broadcast()
}

// Close implements Journal.
func (j *FileJournal) Close() error { return j.file.Close() }
