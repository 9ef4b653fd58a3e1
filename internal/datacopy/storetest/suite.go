// Package storetest is the conformance suite that every datacopy.Engine
// passes, against real servers. Start at Run.
package storetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Store is what the suite does to a store beside the engine. Records are
// whatever a store keeps: rows, keys, objects; each has a number.
type Store interface {
	// Pair gives the addresses of two empty stores, on servers that run until
	// the test ends.
	Pair(t *testing.T) (from, to string)
	// Fill puts records 1 to count into a store.
	Fill(t *testing.T, address datacopy.Address, count int)
	// Count says how many records are there.
	Count(t *testing.T, address datacopy.Address) int
	// Change changes the value of one record and gives its key as reports show
	// it; Remove and Add do what they say.
	Change(t *testing.T, address datacopy.Address, number int) (key string)
	Remove(t *testing.T, address datacopy.Address, number int) (key string)
	Add(t *testing.T, address datacopy.Address, number int) (key string)
}

// Suite is one engine under test.
type Suite struct {
	Engine datacopy.Engine
	Store  Store
	// Records are enough for many chunks of ChunkBytes.
	Records    int
	ChunkBytes int64
	// Secret is the password in the addresses, which no text may show.
	Secret string
}

// Run runs every case.
func Run(t *testing.T, s Suite) {
	if childOf(t, s) {
		return
	}
	t.Run("plans without changing anything", s.plans)
	t.Run("refuses patterns that fit nothing", s.patterns)
	t.Run("copies and verifies", s.copies)
	t.Run("does nothing twice", s.twice)
	t.Run("refuses to overwrite", s.refuses)
	t.Run("names what differs", s.differs)
	t.Run("copies only what differs", s.incremental)
	t.Run("goes on after an interruption", s.resumes)
	t.Run("goes on after kill -9", s.killed)
	t.Run("holds to a rate", s.throttled)
	t.Run("masks in flight", s.masks)
	t.Run("refuses another mask", s.anotherMask)
	t.Run("says what is wrong with an address", s.unreachable)
	t.Run("ends when told to", s.cancelled)
}

// pair gives a filled source and an empty target.
func (s Suite) pair(t *testing.T) datacopy.Request {
	t.Helper()
	from, to := s.Store.Pair(t)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: s.ChunkBytes}
	s.Store.Fill(t, req.From, s.Records)
	return req
}

func parse(t *testing.T, text string) datacopy.Address {
	t.Helper()
	address, err := datacopy.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (s Suite) copy(t *testing.T, req datacopy.Request) *datacopy.Outcome {
	t.Helper()
	outcome, err := datacopy.Run(t.Context(), s.Engine, req, &datacopy.MemoryJournal{}, progress.Discard)
	if err != nil {
		t.Fatalf("copying: %v", err)
	}
	return outcome
}

func (s Suite) wantEqual(t *testing.T, req datacopy.Request) {
	t.Helper()
	req.Mode = datacopy.Incremental
	plan, err := s.Engine.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Engine.Verify(t.Context(), req, plan, nil, progress.Discard)
	if err != nil || report.Answer() != datacopy.Equal {
		t.Fatalf("verifying both sides: %+v, %v", report, err)
	}
}

func (s Suite) plans(t *testing.T) {
	req := s.pair(t)
	plan, err := s.Engine.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Units) == 0 || len(plan.Overwrites) > 0 || len(plan.Blockers) > 0 {
		t.Errorf("plan %+v", plan)
	}
	if count := s.Store.Count(t, req.To); count != 0 {
		t.Errorf("planning left %d records in the target", count)
	}
}

// patterns has names that fit nothing: to copy nothing is refused, in every mode.
func (s Suite) patterns(t *testing.T) {
	req := s.pair(t)
	req.Include = []string{"*", "nosuch*"}
	plan, err := s.Engine.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if warned := strings.Join(plan.Warnings, "\n"); !strings.Contains(warned, `"nosuch*" fits none`) || strings.Contains(warned, `"*"`) {
		t.Errorf("the plan warns: %s", warned)
	}
	for _, mode := range []datacopy.Mode{datacopy.Full, datacopy.Incremental} {
		for _, leaving := range []datacopy.Request{{Include: []string{"nosuch*"}}, {Exclude: []string{"*"}}} {
			req.Mode, req.Include, req.Exclude = mode, leaving.Include, leaving.Exclude
			if _, err := s.Engine.Plan(t.Context(), req); fault.ClassOf(err) != fault.NotFound || !strings.Contains(err.Error(), "is chosen by") {
				t.Errorf("%s copy of %q without %q: %v", mode, req.Include, req.Exclude, err)
			}
		}
	}
}

func (s Suite) copies(t *testing.T) {
	req := s.pair(t)
	outcome := s.copy(t, req)
	if outcome.Report.Answer() != datacopy.Equal {
		t.Errorf("report %+v", outcome.Report)
	}
	if count, bytes, _ := outcome.Result.Totals(); count < int64(s.Records) || bytes == 0 {
		t.Errorf("the result says %d records, %d bytes; want at least %d", count, bytes, s.Records)
	}
	if count := s.Store.Count(t, req.To); count != s.Records {
		t.Errorf("the target has %d records, want %d", count, s.Records)
	}
	s.wantEqual(t, req)
}

func (s Suite) twice(t *testing.T) {
	req := s.pair(t)
	journal := &datacopy.MemoryJournal{}
	for turn := range 2 {
		outcome, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if count, _, _ := outcome.Result.Totals(); turn == 1 && count != 0 {
			t.Errorf("the second run sent %d records", count)
		}
	}
}

func (s Suite) refuses(t *testing.T) {
	req := s.pair(t)
	s.Store.Fill(t, req.To, 3)
	_, err := datacopy.Run(t.Context(), s.Engine, req, &datacopy.MemoryJournal{}, progress.Discard)
	if fault.ClassOf(err) != fault.Refused {
		t.Fatalf("copying over records of others: %v, want a refusal", err)
	}
	if count := s.Store.Count(t, req.To); count != 3 {
		t.Errorf("the refused copy left %d records of 3", count)
	}
	req.Replace = true
	s.copy(t, req)
	s.wantEqual(t, req)
}

func (s Suite) differs(t *testing.T) {
	req := s.pair(t)
	journal := &datacopy.MemoryJournal{}
	outcome, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		s.Store.Change(t, req.To, 2):                datacopy.Changed,
		s.Store.Remove(t, req.To, s.Records/2):      datacopy.Missing,
		s.Store.Add(t, req.To, s.Records*10):        datacopy.Extra,
		s.Store.Change(t, req.To, s.Records-1) + "": datacopy.Changed,
	}
	for name, j := range map[string]datacopy.Journal{"with the journal": journal, "without": nil} {
		report, err := s.Engine.Verify(t.Context(), req, outcome.Plan, j, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if report.Answer() != datacopy.Different || fault.ClassOf(report.Err()) != fault.NotHolding {
			t.Errorf("%s: the answer is %s, %v", name, report.Answer(), report.Err())
		}
		got := map[string]string{}
		for _, unit := range report.Units {
			for _, d := range unit.Differences {
				got[d.Key] = d.What
			}
		}
		for key, what := range want {
			if got[key] != what {
				t.Errorf("%s: %s is %q, want %q; all: %v", name, key, got[key], what, got)
			}
		}
	}
}

func (s Suite) incremental(t *testing.T) {
	req := s.pair(t)
	s.copy(t, req)
	s.Store.Change(t, req.From, 5)
	s.Store.Remove(t, req.From, 7)
	s.Store.Add(t, req.From, s.Records+1)
	req.Mode, req.Delete = datacopy.Incremental, true
	outcome := s.copy(t, req)
	if count, _, _ := outcome.Result.Totals(); count == 0 || count > int64(s.Records)/2 {
		t.Errorf("%d of %d records were sent for three changes", count, s.Records)
	}
	s.wantEqual(t, req)
}

func (s Suite) resumes(t *testing.T) {
	req := s.pair(t)
	path := filepath.Join(t.TempDir(), "journal")
	for turn, workers := range []int{3, 1, 4} {
		journal, err := datacopy.OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		req.Parallel = workers
		ctx, stop := context.WithCancel(t.Context())
		reporter := &stopAfter{records: int64(s.Records * (turn + 1) / 4), stop: stop}
		if turn == 2 {
			reporter.records = 1 << 62
		}
		_, err = datacopy.Run(ctx, s.Engine, req, journal, reporter)
		stop()
		if closed := journal.Close(); closed != nil {
			t.Fatal(closed)
		}
		if (err == nil) != (turn == 2) {
			t.Fatalf("turn %d: %v", turn, err)
		}
	}
	s.wantEqual(t, req)
}

// stopAfter is a Reporter that ends a copy in its middle.
type stopAfter struct {
	records int64
	stop    func()
	sum     atomic.Int64
}

func (r *stopAfter) Step(string) progress.Step { return &stopStep{parent: r} }
func (r *stopAfter) Note(string, ...any)       {}

type stopStep struct {
	parent *stopAfter
	last   atomic.Int64
}

func (s *stopStep) Count(done, _ int64, _ string) {
	grown := done - s.last.Swap(done)
	if s.parent.sum.Add(grown) >= s.parent.records {
		s.parent.stop()
	}
}
func (*stopStep) Update(string, ...any) {}
func (*stopStep) Done(string, ...any)   {}
func (*stopStep) Fail(error)            {}

// Environment of the child that is killed.
const (
	childFrom    = "LANDFALL_STORETEST_FROM"
	childTo      = "LANDFALL_STORETEST_TO"
	childJournal = "LANDFALL_STORETEST_JOURNAL"
)

// childOf runs the copy of a child process, when this is one.
func childOf(t *testing.T, s Suite) bool {
	if os.Getenv(childFrom) == "" {
		return false
	}
	req := datacopy.Request{From: parse(t, os.Getenv(childFrom)), To: parse(t, os.Getenv(childTo)), ChunkBytes: s.ChunkBytes, Parallel: killedWorkers}
	journal, err := datacopy.OpenJournal(os.Getenv(childJournal))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard); err != nil {
		t.Fatal(err)
	}
	return true
}

const killedWorkers = 3

// killed kills the process of a copy at several moments, then resumes.
func (s Suite) killed(t *testing.T) {
	from, to := s.Store.Pair(t)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: s.ChunkBytes, Parallel: 2}
	s.Store.Fill(t, req.From, s.Records)
	path := filepath.Join(t.TempDir(), "journal")
	top, _, _ := strings.Cut(t.Name(), "/")
	kills := 0
	for turn := range 6 {
		child := exec.Command(os.Args[0], "-test.run=^"+top+"$")
		child.Env = append(os.Environ(), childFrom+"="+from, childTo+"="+to, childJournal+"="+path)
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(80+90*turn)*time.Millisecond, func() { _ = child.Process.Kill() })
		if err := child.Wait(); err != nil && child.ProcessState.ExitCode() == -1 {
			kills++
		}
		timer.Stop()
	}
	journal, err := datacopy.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	outcome, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard)
	if err != nil {
		t.Fatalf("after %d kills: %v", kills, err)
	}
	repeated := 0
	for _, unit := range outcome.Result.Units {
		repeated += unit.Repeated
	}
	if repeated > killedWorkers {
		t.Errorf("%d chunks were repeated after the last kill, want at most one a worker", repeated)
	}
	t.Logf("killed %d times; at the end %d chunks were repeated", kills, repeated)
	s.wantEqual(t, req)
}

func (s Suite) throttled(t *testing.T) {
	req := s.pair(t)
	quick := s.copy(t, req)
	_, bytes, _ := quick.Result.Totals()
	from, to := req.From, req.To
	_, empty := s.Store.Pair(t)
	req = datacopy.Request{From: from, To: parse(t, empty), ChunkBytes: s.ChunkBytes, MaxBytesPerSecond: max(bytes, 1)}
	_ = to
	slow := s.copy(t, req)
	if slow.Result.Duration < 700*time.Millisecond {
		t.Errorf("%d bytes at %d a second took %s", bytes, req.MaxBytesPerSecond, slow.Result.Duration)
	}
}

// reversing is a mask that turns every value around, except those of a table's
// keys and what is no text.
type reversing struct{ digest string }

func (m reversing) Digest() string { return m.digest }

func (m reversing) Rows(_ string, columns []datacopy.Column) (datacopy.RowMask, error) {
	var positions reversedColumns
	for i, c := range columns {
		if strings.Contains(c.Type, "char") && !c.Unique {
			positions = append(positions, i)
		}
	}
	if len(positions) == 0 {
		return nil, nil
	}
	return positions, nil
}

func (m reversing) Value(string, string) (datacopy.ValueMask, error) { return reversedValue{}, nil }

type reversedColumns []int

func (r reversedColumns) Columns() []int { return r }

func (r reversedColumns) Reads() []int { return r }

func (r reversedColumns) Mask(row [][]byte, scratch *datacopy.Scratch) error {
	for _, i := range r {
		if row[i] != nil {
			row[i] = reversed(row[i], scratch)
		}
	}
	return nil
}

type reversedValue struct{}

func (reversedValue) Mask(_ string, value []byte, scratch *datacopy.Scratch) ([]byte, error) {
	return reversed(value, scratch), nil
}

func reversed(value []byte, scratch *datacopy.Scratch) []byte {
	start := len(scratch.Buffer)
	runes := []rune(string(value))
	for i := len(runes) - 1; i >= 0; i-- {
		scratch.Buffer = append(scratch.Buffer, string(runes[i])...)
	}
	return scratch.Buffer[start:len(scratch.Buffer):len(scratch.Buffer)]
}

func (s Suite) masks(t *testing.T) {
	req := s.pair(t)
	req.Mask = reversing{digest: "a"}
	s.copy(t, req)
	s.wantEqual(t, req)
	req.Mask, req.Mode = nil, datacopy.Incremental
	plan, err := s.Engine.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Engine.Verify(t.Context(), req, plan, nil, progress.Discard)
	if err != nil || report.Answer() != datacopy.Different {
		t.Errorf("masked data equal the source's: %+v, %v", report, err)
	}
}

func (s Suite) anotherMask(t *testing.T) {
	req := s.pair(t)
	journal := &datacopy.MemoryJournal{}
	req.Mask = reversing{digest: "a"}
	if _, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard); err != nil {
		t.Fatal(err)
	}
	req.Mask = reversing{digest: "b"}
	if _, err := datacopy.Run(t.Context(), s.Engine, req, journal, progress.Discard); fault.ClassOf(err) != fault.Refused {
		t.Errorf("another mask: %v, want a refusal", err)
	}
}

func (s Suite) unreachable(t *testing.T) {
	from, to := s.Store.Pair(t)
	host := parse(t, from).Host()
	if host == "" {
		host = strings.TrimPrefix(strings.TrimPrefix(parse(t, from).Endpoint(), "http://"), "https://")
	}
	for name, broken := range map[string]string{
		"dead server":    strings.Replace(from, host, "127.0.0.1:1", 1),
		"wrong password": strings.Replace(from, ":"+s.Secret+"@", ":wrong-"+s.Secret+"@", 1),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		_, err := s.Engine.Plan(ctx, datacopy.Request{From: parse(t, broken), To: parse(t, to)})
		cancel()
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), s.Secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

func (s Suite) cancelled(t *testing.T) {
	req := s.pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := datacopy.Run(ctx, s.Engine, req, &datacopy.MemoryJournal{}, progress.Discard); err == nil {
		t.Error("the copy went on after its context ended")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("ending took %s", took)
	}
}
