package data

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
)

const rules = `version: landfall.dev/mask/v1
rules:
  - store: db
    table: customers
    columns: {name: name, email: email, born: {date: {person: id}}}
  - store: db
    table: orders
    columns: {note: empty}
    where: customer <= 50
`

// shell is where commands are run: a state folder, a mask key, and databases on
// a real server.
type shell struct {
	t      *testing.T
	state  string
	server *storetest.Server
	db     *sql.DB
}

func newShell(t *testing.T, options ...string) *shell {
	t.Helper()
	s := &shell{t: t, state: t.TempDir(), server: storetest.MariaDB(t, options...)}
	address, err := datacopy.ParseAddress(s.address("x"))
	if err != nil {
		t.Fatal(err)
	}
	s.db, err = sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/?multiStatements=true", address.User(), address.Password(), address.Host()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.exec("CREATE DATABASE old; CREATE DATABASE new")
	s.exec(`CREATE TABLE old.customers (id INT PRIMARY KEY, name VARCHAR(50), email VARCHAR(80) UNIQUE, born DATE)`)
	s.exec(`CREATE TABLE old.orders (id INT PRIMARY KEY, customer INT REFERENCES old.customers(id), note TEXT)`)
	for i := range 100 {
		s.exec(fmt.Sprintf("INSERT INTO old.customers VALUES (%d, 'Anna %d', 'anna%d@shop.test', '1980-01-02')", i+1, i, i))
		s.exec(fmt.Sprintf("INSERT INTO old.orders VALUES (%d, %d, 'call anna%d@shop.test')", i+1, i+1, i))
	}
	return s
}

func (s *shell) address(database string) string {
	return strings.TrimRight(s.server.URL, "/") + "/" + database
}

func (s *shell) exec(statement string) {
	s.t.Helper()
	if _, err := s.db.Exec(statement); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) count(query string) int {
	s.t.Helper()
	var n int
	if err := s.db.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// run runs `landfall data ARGS`.
func (s *shell) run(args ...string) (out, errs string, err error) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	c := &command.Context{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Clock: time.Now,
		Getenv: func(name string) string {
			return map[string]string{"XDG_STATE_HOME": s.state, "LANDFALL_MASK_KEY": "correct horse battery staple"}[name]
		},
	}
	cmd := New(c)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(s.t.Context())
	return stdout.String(), stderr.String(), err
}

func (s *shell) rules(text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// TestCopyBetweenAddresses is the way of a database from plan to proof.
func TestCopyBetweenAddresses(t *testing.T) {
	s := newShell(t)
	sides := []string{"--from", s.address("old"), "--to", s.address("new"), "--store", "db"}
	masked := append(sides, "--mask", s.rules(rules))

	out, _, err := s.run(append([]string{"plan"}, masked...)...)
	if err != nil || !strings.Contains(out, "customers") || !strings.Contains(out, "email") {
		t.Fatalf("plan: %v\n%s", err, out)
	}
	if n := s.count("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'new'"); n != 0 {
		t.Fatalf("the plan made %d tables", n)
	}

	page := filepath.Join(t.TempDir(), "evidence.html")
	out, errs, err := s.run(append([]string{"copy", "-o", "json", "--evidence", page}, masked...)...)
	if err != nil {
		t.Fatalf("copy: %v\n%s", err, errs)
	}
	var state batch.State
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		t.Fatal(err)
	}
	if state.Phase != batch.PhaseSucceeded || state.Answer() != datacopy.Equal {
		t.Errorf("phase %s, answer %s", state.Phase, state.Answer())
	}
	if leaked := s.count("SELECT (SELECT COUNT(*) FROM new.customers WHERE email LIKE '%shop.test' OR name LIKE 'Anna%') + (SELECT COUNT(*) FROM new.orders WHERE note <> '')"); leaked != 0 {
		t.Errorf("%d values were not masked", leaked)
	}
	if orders := s.count("SELECT COUNT(*) FROM new.orders"); orders != 50 {
		t.Errorf("%d orders were copied, not the 50 of the subset", orders)
	}
	if written, err := os.ReadFile(page); err != nil || !bytes.Contains(written, []byte("customers")) {
		t.Errorf("the evidence: %v", err)
	}
	for _, text := range []string{out, errs} {
		if strings.Contains(text, storetest.Secret) {
			t.Error("a password is shown")
		}
	}

	if out, _, err = s.run(append([]string{"verify"}, masked...)...); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	s.exec("UPDATE new.customers SET name = 'Somebody Else' WHERE id = 7")
	out, _, err = s.run(append([]string{"verify"}, masked...)...)
	if fault.ClassOf(err) != fault.NotHolding || !strings.Contains(out, "customers: 7: changed") {
		t.Errorf("verify of a change: %v\n%s", err, out)
	}
	if _, _, err = s.run(append([]string{"copy"}, masked...)...); fault.ClassOf(err) != fault.Refused {
		t.Errorf("a target that is not empty: %v", err)
	}
	if _, errs, err = s.run(append([]string{"copy", "--incremental"}, masked...)...); err != nil {
		t.Errorf("incremental: %v\n%s", err, errs)
	}
	if n := s.count("SELECT COUNT(*) FROM new.customers WHERE name = 'Somebody Else'"); n != 0 {
		t.Error("the incremental copy did not mend the change")
	}
	if out, _, err = s.run("status"); err != nil || !strings.Contains(out, "succeeded") {
		t.Errorf("status: %v\n%s", err, out)
	}
}

func TestRefusals(t *testing.T) {
	s := newShell(t)
	from, to := s.address("old"), s.address("new")
	for name, tt := range map[string]struct {
		args []string
		want fault.Class
	}{
		"out of production unmasked": {[]string{"copy", "--from", from, "--to", to, "--from-stage", "production"}, fault.Refused},
		"into production":            {[]string{"copy", "--from", from, "--to", to, "--to-stage", "production"}, fault.Refused},
		"unknown stage":              {[]string{"copy", "--from", from, "--to", to, "--to-stage", "prod"}, fault.Invalid},
		"no target":                  {[]string{"copy", "--from", from}, fault.Invalid},
		"one of each":                {[]string{"copy", "--from", from, "--to", "pr-1"}, fault.Invalid},
		"itself":                     {[]string{"copy", "--from", from, "--to", from}, fault.Refused},
		"two kinds":                  {[]string{"copy", "--from", from, "--to", "redis://127.0.0.1:1/0"}, fault.Invalid},
		"no rules":                   {[]string{"copy", "--from", from, "--to", to, "--mask", "/nowhere.yaml"}, fault.NotFound},
		"size":                       {[]string{"copy", "--from", from, "--to", to, "--max-bytes", "fast"}, fault.Invalid},
		"follow without binary log":  {[]string{"copy", "--from", from, "--to", to, "--follow"}, fault.Refused},
		"names of nothing":           {[]string{"copy", "--from", from, "--to", to, "--include", "nosuch*"}, fault.NotFound},
		"no cluster to go on":        {[]string{"copy", "--from", from, "--to", to, "--wait=false"}, fault.Invalid},
		"too short a time":           {[]string{"copy", "--from", from, "--to", to, "--timeout", "1us"}, fault.Failed},
		"unknown copy":               {[]string{"resume", "../etc"}, fault.Invalid},
		"wrong rules":                {[]string{"copy", "--from", from, "--to", to, "--mask", s.rules("rules: [")}, fault.Invalid},
		"rules that do not fit":      {[]string{"plan", "--from", from, "--to", to, "--store", "db", "--mask", s.rules("version: landfall.dev/mask/v1\nrules: [{table: orders, columns: {id: email}}]")}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.run(tt.args...)
			if fault.ClassOf(err) != tt.want || err == nil {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), storetest.Secret) {
				t.Error("a password is shown")
			}
		})
	}
	for _, line := range [][]string{{"copy", "--dry-run"}, {"plan"}} {
		out, _, err := s.run(append(line, "--from", from, "--to", to, "--follow")...)
		if err != nil || !strings.Contains(out, "would be refused: ") || !strings.Contains(out, "log_bin") {
			t.Errorf("%s --follow without binary log: %v\n%s", line, err, out)
		}
	}
	if n := s.count("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'new'"); n != 0 {
		t.Errorf("%d tables were made", n)
	}
}

// TestAVerificationThatFailsTellsOfNoCopy: what copying would do is a plan's and
// a refused copy's to say.
func TestAVerificationThatFailsTellsOfNoCopy(t *testing.T) {
	plan := &datacopy.Plan{Overwrites: []string{"database 0 holds 3 keys"}, Estimate: time.Minute, Warnings: []string{"mind the gap"}, Units: []datacopy.Unit{{Name: "db0", Noun: "keys", Count: 17, How: "keys are listed"}}}
	for action, tells := range map[batch.Action]bool{batch.Verify: false, batch.Plan: true, batch.Copy: true} {
		var out strings.Builder
		state := batch.State{Action: action, Phase: batch.PhaseFailed, Stores: []batch.StoreState{{Name: "cache", Outcome: &datacopy.Outcome{Plan: plan}}}}
		if err := showState(&out, state); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"overwrites: ", "will take about", "keys are listed", "17 keys"} {
			if strings.Contains(out.String(), text) != tells {
				t.Errorf("%s: %q is shown: %t\n%s", action, text, !tells, out.String())
			}
		}
		if !strings.Contains(out.String(), "mind the gap") {
			t.Errorf("%s: the warning is gone", action)
		}
	}
}

// TestMaskRulesAreDraftedAndChecked: what is suggested passes the check, and
// what is left out does not.
func TestMaskRulesAreDraftedAndChecked(t *testing.T) {
	s := newShell(t)
	draft, errs, err := s.run("mask", "suggest", "--from", s.address("old"), "--store", "db")
	if err != nil || !strings.Contains(draft, "email: email") {
		t.Fatalf("suggest: %v\n%s%s", err, draft, errs)
	}
	if out, _, err := s.run("mask", "check", "--from", s.address("old"), "--store", "db", "--mask", s.rules(draft)); err != nil {
		t.Errorf("the draft does not pass: %v\n%s", err, out)
	}
	out, _, err := s.run("mask", "check", "--from", s.address("old"), "--store", "db", "--mask", s.rules("version: landfall.dev/mask/v1\nrules: [{table: customers, columns: {name: keep}}]"))
	if fault.ClassOf(err) != fault.NotHolding || !strings.Contains(out, "customers.email") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// TestFollowUntilCutover: what the source gets after the first copy arrives,
// masked, until somebody says enough; then both sides are equal.
func TestFollowUntilCutover(t *testing.T) {
	s := newShell(t, "--log-bin=binlog", "--server-id=1", "--binlog-format=ROW")
	rules := s.rules("version: landfall.dev/mask/v1\nrules: [{table: customers, columns: {name: name, email: email}}]")
	type ending struct {
		errs string
		err  error
	}
	ended := make(chan ending, 1)
	go func() {
		_, errs, err := s.run("copy", "--from", s.address("old"), "--to", s.address("new"), "--mask", rules, "--follow", "-o", "json")
		ended <- ending{errs, err}
	}()
	follows := s.await(filepath.Join(s.state, "landfall", "copies", "*", followFile))
	s.exec("INSERT INTO old.customers VALUES (1000, 'Late Comer', 'late@shop.test', NULL)")
	s.exec("DELETE FROM old.orders WHERE id = 1")
	s.await(filepath.Join(filepath.Dir(follows), batch.StateFile))
	if out, _, err := s.run("status"); err != nil || !strings.Contains(out, batch.PhaseRunning) {
		t.Errorf("status of a copy that follows: %v\n%s", err, out)
	}
	if _, _, err := s.run("copy", "--from", s.address("old"), "--to", s.address("new"), "--anew"); fault.ClassOf(err) != fault.Refused {
		t.Errorf("beginning anew beside it: %v", err)
	}
	if out, _, err := s.run("cutover", filepath.Base(filepath.Dir(follows))); err != nil {
		t.Fatalf("cutover: %v\n%s", err, out)
	}
	select {
	case end := <-ended:
		if end.err != nil {
			t.Fatalf("following: %v\n%s", end.err, end.errs)
		}
	case <-time.After(time.Minute):
		t.Fatal("the cut-over does not end")
	}
	if n := s.count("SELECT COUNT(*) FROM new.customers WHERE id = 1000 AND email LIKE '%@example.com'"); n != 1 {
		t.Error("the late customer did not arrive, or as they are")
	}
	if n := s.count("SELECT COUNT(*) FROM new.orders WHERE id = 1"); n != 0 {
		t.Error("the order that was removed is still there")
	}
	if _, _, err := s.run("cutover", filepath.Base(filepath.Dir(follows))); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("cutting over once more: %v", err)
	}
}

// await waits for a file to be there.
func (s *shell) await(pattern string) string {
	s.t.Helper()
	for range 600 {
		if found, err := filepath.Glob(pattern); err == nil && len(found) == 1 {
			return found[0]
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("%s is not there", pattern)
	return ""
}

// TestRefusalsKeepWhatWas: asking again for what is refused leaves the record
// of an earlier copy as it was, and what was begun goes on only as it was asked
// for.
func TestRefusalsKeepWhatWas(t *testing.T) {
	s := newShell(t)
	sides := []string{"--from", s.address("old"), "--to", s.address("new")}
	copying := func(flags ...string) error {
		t.Helper()
		_, _, err := s.run(slices.Concat([]string{"copy"}, sides, flags)...)
		return err
	}
	if err := copying("--include", "customers"); err != nil {
		t.Fatal(err)
	}
	kept := s.await(filepath.Join(s.state, "landfall", "copies", "*", batch.StateFile))
	before, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		flags []string
		want  fault.Class
	}{
		"not empty":        {nil, fault.Refused},
		"not empty, anew":  {[]string{"--anew"}, fault.Refused},
		"names nothing":    {[]string{"--include", "nowhere"}, fault.NotFound},
		"unknown option":   {[]string{"--replace", "--option", "mysql.definers=keep"}, fault.Invalid},
		"no kind of store": {[]string{"--replace", "--option", "mysq.definer=keep"}, fault.Invalid},
	} {
		if err := copying(tt.flags...); fault.ClassOf(err) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(kept); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the record of the earlier copy is another (%v)", name, err)
		}
	}

	// A copy that was killed: its journal has a plan, its folder no state.
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	if err := copying(); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "asked for otherwise") {
		t.Errorf("going on with other names: %v", err)
	}
	if err := copying("--include", "customers"); err != nil {
		t.Errorf("going on as before: %v", err)
	}
}
