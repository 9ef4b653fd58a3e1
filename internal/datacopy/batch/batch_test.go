package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// memory is an engine between stores in memory: databases by address, each
// table with a number of rows.
type memory struct {
	mu    sync.Mutex
	data  map[string]map[string]int64
	calls []string
	// broken is the source that cannot be read.
	broken string
}

func (m *memory) Kind() datacopy.Kind { return datacopy.MySQL }

func (m *memory) Plan(_ context.Context, req datacopy.Request) (*datacopy.Plan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, fmt.Sprintf("plan %s %v", req.From.Name(), req.Subset))
	plan := datacopy.NewPlan(req)
	for _, table := range []string{"customers", "orders"} {
		if rows, there := m.data[req.From.Name()][table]; there {
			plan.Units = append(plan.Units, datacopy.Unit{Name: table, Noun: "rows", Count: rows, Bytes: rows * 100})
		}
		if m.data[req.To.Name()][table] > 0 {
			plan.Overwrites = append(plan.Overwrites, table)
		}
	}
	return plan, nil
}

func (m *memory) Copy(_ context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter) (*datacopy.Result, error) {
	if req.From.Name() == m.broken {
		return nil, errors.New("reading customers: connection lost")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	result := &datacopy.Result{Workers: 2}
	for _, unit := range plan.Units {
		step := reporter.Step(unit.Name)
		step.Count(unit.Count/2, unit.Count, unit.Noun)
		m.data[req.To.Name()][unit.Name] = unit.Count
		if err := journal.Record(datacopy.Entry{Unit: unit.Name, Chunk: "all", Count: unit.Count}); err != nil {
			return result, err
		}
		step.Count(unit.Count, unit.Count, unit.Noun)
		step.Done("")
		result.Units = append(result.Units, datacopy.UnitResult{Name: unit.Name, Count: unit.Count, Bytes: unit.Bytes, Chunks: 1})
	}
	return result, nil
}

func (m *memory) Verify(_ context.Context, req datacopy.Request, plan *datacopy.Plan, _ datacopy.Journal, _ progress.Reporter) (*datacopy.Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	report := &datacopy.Report{}
	for _, unit := range plan.Units {
		found := datacopy.UnitReport{Name: unit.Name, Noun: unit.Noun, Answer: datacopy.Equal, Count: m.data[req.From.Name()][unit.Name], TargetCount: m.data[req.To.Name()][unit.Name]}
		if found.Count != found.TargetCount {
			found.Add("17", datacopy.Missing)
		}
		report.Units = append(report.Units, found)
	}
	return report, nil
}

func job(stores ...string) Job {
	j := Job{Name: "test", From: "staging", To: "pr-1"}
	for _, name := range stores {
		j.Stores = append(j.Stores, Store{Name: name, From: "mysql://u:secret@old/" + name, To: "mysql://u:secret@new/" + name + "-copy"})
	}
	return j
}

func newMemory() *memory {
	return &memory{data: map[string]map[string]int64{
		"db": {"customers": 10, "orders": 100}, "db-copy": {}, "more": {"orders": 5}, "more-copy": {}, "full": {"orders": 1}, "full-copy": {"orders": 7},
	}}
}

func (m *memory) options() Options {
	return Options{
		Engines:  func(datacopy.Kind) (datacopy.Engine, error) { return m, nil },
		Journal:  func(string) (datacopy.Journal, error) { return &datacopy.MemoryJournal{}, nil },
		Reporter: progress.Discard, Clock: time.Now, Track: &Tracker{},
	}
}

func TestRunCopiesAllStores(t *testing.T) {
	engine := newMemory()
	state, err := Run(t.Context(), job("db", "more"), engine.options())
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != PhaseSucceeded || state.Answer() != datacopy.Equal || state.Share() != 1 {
		t.Errorf("phase %s, answer %s, share %v", state.Phase, state.Answer(), state.Share())
	}
	if diff := cmp.Diff(map[string]int64{"customers": 10, "orders": 100}, engine.data["db-copy"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want := []UnitState{{"customers", "rows", 10, 10, 1000}, {"orders", "rows", 100, 100, 10000}}
	if diff := cmp.Diff(want, state.Stores[0].Units); diff != "" {
		t.Errorf("units: -want +got:\n%s", diff)
	}
	if state.Err() != nil {
		t.Error(state.Err())
	}
}

// TestOneFailureDoesNotEndTheOthers also looks for secrets in what is shown.
func TestOneFailureDoesNotEndTheOthers(t *testing.T) {
	engine := newMemory()
	engine.broken = "more"
	state, err := Run(t.Context(), job("db", "more", "full"), engine.options())
	if fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "store more: reading customers") || !strings.Contains(err.Error(), "store full") {
		t.Errorf("got %v", err)
	}
	if engine.data["db-copy"]["orders"] != 100 || engine.data["full-copy"]["orders"] != 7 {
		t.Errorf("left %v", engine.data)
	}
	states := map[string]string{}
	for _, store := range state.Stores {
		states[store.Name] = store.State
	}
	if diff := cmp.Diff(map[string]string{"db": StateDone, "more": StateFailed, "full": StateFailed}, states); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var page bytes.Buffer
	if err := state.Evidence().WriteJSON(&page); err != nil {
		t.Fatal(err)
	}
	shown := page.String() + fmt.Sprintf("%v %+v %#v", state, job("db"), job("db"))
	if strings.Contains(shown, "secret") {
		t.Error("a password is shown")
	}
	if fault.ClassOf(state.Err()) != fault.Failed || state.Answer() != datacopy.Unknown {
		t.Errorf("the state says %v, %s", state.Err(), state.Answer())
	}
}

// TestCatchesUpAtCutover has a store whose changes cannot be followed.
func TestCatchesUpAtCutover(t *testing.T) {
	engine := newMemory()
	cutover := make(chan struct{})
	opts := engine.options()
	opts.Cutover = cutover
	ended := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), job("db"), opts)
		ended <- err
	}()
	for follows := false; !follows; time.Sleep(time.Millisecond) {
		stores := opts.Track.State().Stores
		follows = len(stores) > 0 && stores[0].State == StateFollowing
	}
	engine.mu.Lock()
	engine.data["db"]["orders"] = 107
	engine.mu.Unlock()
	close(cutover)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := engine.data["db-copy"]["orders"]; got != 107 {
		t.Errorf("the target has %d rows of 107", got)
	}
	if count, _, _ := opts.Track.State().Stores[0].Outcome.Result.Totals(); count != 110+117 {
		t.Errorf("both runs together sent %d", count)
	}
}

func TestVerifyFindsDifferences(t *testing.T) {
	j := job("db", "full")
	j.Action = Verify
	state, err := Run(t.Context(), j, newMemory().options())
	if fault.ClassOf(err) != fault.NotHolding || state.Phase != PhaseDifferent || state.Answer() != datacopy.Different {
		t.Errorf("got %v, %s, %s", err, state.Phase, state.Answer())
	}
	doc := state.Evidence()
	if table := doc.Sections[len(doc.Sections)-1].Table; len(table.Rows) != 1 || table.Rows[0].Cells[1] != "17" {
		t.Errorf("the evidence lists %+v", table)
	}
}

func TestAllow(t *testing.T) {
	const rules = "version: landfall.dev/mask/v1\nrules: [{table: customers, columns: {email: empty}}]"
	for name, tt := range map[string]struct {
		from, to string
		choices  Choices
		rules    string
		refused  bool
	}{
		"plain":                  {"staging", "test", Choices{}, "", false},
		"unknown":                {"", "", Choices{}, "", false},
		"into production":        {"staging", "production", Choices{}, "", true},
		"into production, meant": {"staging", "production", Choices{IntoProduction: true}, "", false},
		"between productions":    {"production", "production", Choices{IntoProduction: true}, "", false},
		"out of it":              {"production", "staging", Choices{}, "", true},
		"out of it to unknown":   {"production", "", Choices{}, "", true},
		"out of it, meant":       {"production", "staging", Choices{Unmasked: true}, "", false},
		"out of it, masked":      {"production", "staging", Choices{}, rules, false},
		"out of it, rules about something else": {"production", "staging", Choices{},
			"version: landfall.dev/mask/v1\nrules: [{key: '*', value: empty}]", true},
	} {
		t.Run(name, func(t *testing.T) {
			j := job("db")
			j.FromStage, j.ToStage, j.Choices, j.Rules = tt.from, tt.to, tt.choices, tt.rules
			j.Action = Plan
			_, err := Run(t.Context(), j, newMemory().options())
			if refused := fault.ClassOf(err) == fault.Refused; err != nil && !refused || refused != tt.refused {
				t.Errorf("got %v, refused should be %v", err, tt.refused)
			}
		})
	}
}

// TestSubsets: rules with a predicate reach the engine by the names of tables.
func TestSubsets(t *testing.T) {
	engine := newMemory()
	j := job("db")
	j.Rules = "version: landfall.dev/mask/v1\nrules: [{table: 'ord*', where: id > 5}]"
	j.Action = Plan
	if _, err := Run(t.Context(), j, engine.options()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"plan db map[]", "plan db map[orders:id > 5]"}, engine.calls); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPlanSaysWhatWouldBeRefused and changes nothing.
func TestPlanSaysWhatWouldBeRefused(t *testing.T) {
	engine := newMemory()
	j := job("db", "full")
	j.Action = Plan
	state, err := Run(t.Context(), j, engine.options())
	if err != nil {
		t.Fatal(err)
	}
	if state.Stores[0].Message != "" || !strings.Contains(state.Stores[1].Message, "would be refused") {
		t.Errorf("messages %q, %q", state.Stores[0].Message, state.Stores[1].Message)
	}
	if len(engine.data["db-copy"]) != 0 || engine.data["full-copy"]["orders"] != 7 {
		t.Errorf("something was changed: %v", engine.data)
	}
}

// deaf is an engine whose sources tell nobody of changes.
type deaf struct{ *memory }

func (deaf) Followable(context.Context, datacopy.Request) error {
	return fault.New(fault.Refused, "Turn the binary log on.", "following old: it writes none")
}

func (deaf) Follow(context.Context, datacopy.Request, *datacopy.Plan, datacopy.Journal, <-chan struct{}, progress.Reporter) (*datacopy.Result, error) {
	return nil, errors.New("followed all the same")
}

// TestPlanSaysWhetherTheSourceCanBeFollowed only where that is asked for.
func TestPlanSaysWhetherTheSourceCanBeFollowed(t *testing.T) {
	engine := newMemory()
	for name, tt := range map[string]struct {
		engine datacopy.Engine
		follow bool
		says   string
		warns  int
	}{
		"not asked":       {deaf{engine}, false, "", 0},
		"cannot":          {deaf{engine}, true, "would be refused: following old: it writes none (Turn the binary log on.)", 0},
		"tells of nobody": {engine, true, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			j, opts := job("db"), engine.options()
			j.Action, j.Follow = Plan, tt.follow
			opts.Engines = func(datacopy.Kind) (datacopy.Engine, error) { return tt.engine, nil }
			state, err := Run(t.Context(), j, opts)
			if err != nil {
				t.Fatal(err)
			}
			store := state.Stores[0]
			if store.Message != tt.says || len(store.Outcome.Plan.Warnings) != tt.warns {
				t.Errorf("the plan says %q and warns of %q", store.Message, store.Outcome.Plan.Warnings)
			}
		})
	}
}

// TestMaskIsCheckedAndSuggested needs no target.
func TestMaskIsCheckedAndSuggested(t *testing.T) {
	j := job("db")
	j.Stores[0].To, j.Action = "", Suggest
	state, err := Run(t.Context(), j, newMemory().options())
	if err != nil || !strings.Contains(state.Draft, "email: email") {
		t.Fatalf("drafted %q (%v)", state.Draft, err)
	}
	j.Action, j.Rules, j.Key = Check, "version: landfall.dev/mask/v1\nrules: [{table: orders, columns: {id: keep}}]", "correct horse battery staple"
	state, err = Run(t.Context(), j, newMemory().options())
	if fault.ClassOf(err) != fault.NotHolding || len(state.Stores[0].Review.Missing) != 1 {
		t.Errorf("got %v, %+v", err, state.Stores[0].Review)
	}
	j.Rules = "version: landfall.dev/mask/v1\nrules: [{table: customers, columns: {email: email}}]"
	if _, err = Run(t.Context(), j, newMemory().options()); err != nil {
		t.Error(err)
	}
}

// Sample shows a table with an address in it.
func (m *memory) Sample(_ context.Context, _ datacopy.Request, _ int, see func(datacopy.Sample) error) error {
	for _, table := range []string{"customers", "orders"} {
		sample := datacopy.Sample{Unit: table, Columns: []datacopy.Column{{Name: "id", Type: "int(11)"}}}
		if table == "customers" {
			sample.Columns = append(sample.Columns, datacopy.Column{Name: "email", Type: "varchar(100)"})
		}
		if err := see(sample); err != nil {
			return err
		}
	}
	return nil
}

func TestOptionsOfOneKind(t *testing.T) {
	j := Job{Choices: Choices{Options: map[string]string{"s3.tags": "false", "mysql.definer": "keep", "all": "x"}}}
	if diff := cmp.Diff(map[string]string{"definer": "keep", "all": "x"}, j.optionsOf(datacopy.MySQL)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	s := &step{reporter: &reporter{clock: func() time.Time { return now }}}
	if text := s.pace(1000, 101000, "rows"); text != "" {
		t.Errorf("at once: %q", text)
	}
	now = now.Add(10 * time.Second)
	if text, want := s.pace(51000, 101000, "rows"), "51 k rows of 101 k rows, 5000 rows/s, 10s left"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
