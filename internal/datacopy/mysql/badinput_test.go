package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// pair gives two servers.
type pair = func() (from, to *storetest.Server)

// TestBadInput is what goes wrong between two servers, which its parts share:
// each has databases of its own. The target writes a binary log, which makes
// rights on routines and triggers count.
func TestBadInput(t *testing.T) {
	servers := sync.OnceValues(func() (*storetest.Server, *storetest.Server) {
		return storetest.MariaDB(t), storetest.MariaDB(t, "--log-bin", "--binlog-format=ROW")
	})
	for _, c := range []struct {
		name string
		test func(*testing.T, pair)
	}{
		{"rights at the source", testSourceRights},
		{"rights at the target", testTargetRights},
		{"definitions change after the plan", testChangedSinceThePlan},
		{"rows change before it goes on", testChangedBeforeItGoesOn},
		{"foreign keys leave a subset", testSubsetClosesForeignKeys},
		{"chunks are compared on the way", testProofs},
		{"definitions change during the copy", testDefinitionsChange},
		{"names", testHostileNames},
		{"connections are cut", testCutConnections},
		{"a table is in use", testTableInUse},
		{"rows are locked", testLockedRows},
		{"a row is larger than packets", testLargeRow},
		{"texts are invalid", testInvalidTexts},
		{"the source is incomplete", testIncompleteSource},
		{"a server is stopped", testStoppedServer},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, servers) })
	}
}

func testDefinitionsChange(t *testing.T, servers pair) {
	for change, want := range map[string]string{
		"DROP TABLE other":                "table other of the source is gone since the plan was made",
		"ALTER TABLE other DROP COLUMN b": "table other of the source was changed since the plan was made",
		// The definition is the same, so the copy goes on with what is there now.
		"TRUNCATE other": "",
	} {
		req := filled(t, servers)
		source := connectTo(t, req.From)
		run(t, source, "CREATE TABLE other (a INT PRIMARY KEY, b INT)", "INSERT INTO other SELECT seq, seq FROM seq_1_to_1000")
		outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, &atHalf{Reporter: progress.Discard, do: func() { run(t, source, change) }})
		switch {
		case want == "":
			if err != nil || outcome.Result.Retries == 0 {
				t.Errorf("%s: %v", change, err)
			}
		case fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v (%v), want %q", change, err, fault.ClassOf(err), want)
		}
	}
}

func testHostileNames(t *testing.T, servers pair) {
	req := filled(t, servers)
	source := connectTo(t, req.From)
	for _, hostile := range []string{
		"#state", "#position", "#bounds people", "#rows #state", "(schema)", "%s%d%!", "a.b", "a`b``c", `a'b"c\`, "?", " lead", "line\r\nbreak", "-- x", "/* x */",
		"@v", "0x41", "123", "select", "\x1b[31mred", strings.Repeat("я", 64),
	} {
		quoted := name(hostile)
		run(t, source, "CREATE TABLE "+quoted+" ("+quoted+" INT PRIMARY KEY, `@v? ,(` VARCHAR(9) DEFAULT ',`)(''\\\\', f FLOAT, KEY "+quoted+" (`@v? ,(`))",
			"INSERT INTO "+quoted+" SELECT seq, '?', seq / 3 FROM seq_1_to_1000")
	}
	req.ChunkBytes = 16 << 10 // a few chunks each
	copiedEqual(t, req)
}

// cutter stands before a server and ends connections in the middle of what the
// server sends, after so many bytes, for as long as it has cuts left.
func cutter(t *testing.T, server string, after int64, cuts *atomic.Int64) string {
	return servertest.Accept(t, func(client net.Conn) {
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer upstream.Close()
		go func() {
			_, _ = io.Copy(upstream, client)
			upstream.Close()
		}()
		if n, _ := io.CopyN(client, upstream, after); n < after || cuts.Add(-1) < 0 {
			_, _ = io.Copy(client, upstream)
		}
	})
}

func testCutConnections(t *testing.T, servers pair) {
	for _, c := range []struct {
		side  string
		after int64
	}{{"source", 150_000}, {"target", 700}} {
		req := filled(t, servers)
		address := map[string]*datacopy.Address{"source": &req.From, "target": &req.To}[c.side]
		var cuts atomic.Int64
		cuts.Store(3)
		proxy := cutter(t, address.Host(), c.after, &cuts)
		*address = parse(t, "mysql://admin:"+storetest.Secret+"@"+proxy+"/"+address.Name())
		plan, err := New().Plan(t.Context(), req)
		if err != nil && !errors.Is(err, wire.ErrBroken) {
			t.Fatal(err)
		}
		for plan == nil { // a plan is not tried again
			if plan, err = New().Plan(t.Context(), req); err != nil && !errors.Is(err, wire.ErrBroken) {
				t.Fatal(err)
			}
		}
		journal := &datacopy.MemoryJournal{}
		result, err := New().Copy(t.Context(), req, plan, journal, progress.Discard)
		if err != nil {
			t.Fatalf("%s: %v", c.side, err)
		}
		report, err := New().Verify(t.Context(), req, plan, journal, progress.Discard)
		if err != nil || report.Answer() != datacopy.Equal || cuts.Load() >= 0 {
			t.Errorf("%s: %+v, %v after %d repetitions", c.side, report, err, result.Retries)
		}
	}
}

// noted is a Reporter that does something at the first note.
type noted struct {
	progress.Reporter
	once sync.Once
	do   func(note string)
}

func (n *noted) Note(format string, args ...any) {
	n.once.Do(func() { n.do(strings.TrimSpace(format)) })
}

func testTableInUse(t *testing.T, servers pair) {
	req := filled(t, servers)
	copiedEqual(t, req)
	other := connectTo(t, req.To)
	run(t, other, "START TRANSACTION", "SELECT COUNT(*) FROM people")
	req.Replace = true
	said := false
	outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, &noted{Reporter: progress.Discard, do: func(string) {
		said = true
		run(t, other, "COMMIT")
	}})
	if err != nil || !said || outcome.Report.Answer() != datacopy.Equal {
		t.Errorf("a table that another used: said %v, %v", said, err)
	}
}

func testLockedRows(t *testing.T, servers pair) {
	req := filled(t, servers)
	copiedEqual(t, req)
	admin := connectTo(t, req.To)
	run(t, admin, "SET GLOBAL innodb_lock_wait_timeout = 1")
	defer run(t, admin, "SET GLOBAL innodb_lock_wait_timeout = DEFAULT")
	run(t, connectTo(t, req.From), "UPDATE people SET note = 'changed' WHERE id = 3")
	other := connectTo(t, req.To)
	run(t, other, "START TRANSACTION", "UPDATE people SET note = 'mine' WHERE id = 3")
	time.AfterFunc(2*time.Second, func() { _ = other.Close() })
	req.Mode = datacopy.Incremental
	if outcome := copiedEqual(t, req); outcome.Result.Retries == 0 {
		t.Error("nothing was tried again: the row was not locked")
	}
}

func testLargeRow(t *testing.T, servers pair) {
	req := filled(t, servers)
	run(t, connectTo(t, req.From), "CREATE TABLE large (id INT PRIMARY KEY, b LONGBLOB)", "INSERT INTO large VALUES (1, REPEAT('x', 3000000))")
	admin := connectTo(t, req.To)
	run(t, admin, "SET GLOBAL max_allowed_packet = 1 << 20", "SET GLOBAL local_infile = 0")
	defer run(t, admin, "SET GLOBAL max_allowed_packet = DEFAULT", "SET GLOBAL local_infile = DEFAULT")
	_, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if wire.Code(err) != errPacketTooLarge || !strings.Contains(fault.HintOf(err), "max_allowed_packet") || !strings.Contains(err.Error(), "table large") {
		t.Errorf("a row that does not fit: %v (hint %q)", err, fault.HintOf(err))
	}
}

// testInvalidTexts has text columns hold what is no text: a table of another
// character set is put in the place of one whose files hold the bytes. What the
// target does not take as it is must not be called equal.
func testInvalidTexts(t *testing.T, servers pair) {
	source, _ := servers()
	req := filled(t, servers)
	conn := connectTo(t, req.From)
	const columns = "(id INT PRIMARY KEY, c CHAR(%[1]d) CHARACTER SET %[2]s, v VARCHAR(%[1]d) CHARACTER SET %[2]s, t TEXT CHARACTER SET %[2]s) ENGINE=MyISAM"
	create := func(table, size, charset string) string {
		return "CREATE TABLE " + table + strings.NewReplacer("%[1]d", size, "%[2]s", charset).Replace(columns)
	}
	run(t, conn, create("texts", "40", "latin1"), create("good", "10", "utf8mb4"),
		"INSERT INTO texts VALUES (1, 'a', 'b', 'c'), (2, 0x61FF62, 0x61FF62, 0x61FF62)", "FLUSH TABLES texts, good")
	dir := filepath.Join(source.Dir, req.From.Name())
	if err := os.Rename(filepath.Join(dir, "good.frm"), filepath.Join(dir, "texts.frm")); err != nil {
		t.Fatal(err)
	}
	run(t, conn, "FLUSH TABLES")
	if found, err := conn.All(t.Context(), "SELECT HEX(v), CHARSET(v) FROM texts WHERE id = 2"); err != nil || found[0][0].Value != "61FF62" || found[0][1].Value != "utf8mb4" {
		t.Fatalf("the source holds %v, %v", found, err)
	}
	outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if err == nil || outcome.Report.Answer() != datacopy.Different {
		t.Fatalf("what the target cannot hold is %+v, %v", outcome.Report, err)
	}
	if diff := cmp.Diff([]datacopy.Difference{{Key: "2", What: "changed"}}, outcome.Report.Units[2].Differences); diff != "" {
		t.Errorf("differences (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"values of table texts that are no text in the character set of their column: the target does not hold such"}, outcome.Result.NotKept); diff != "" {
		t.Errorf("not kept (-want +got)\n%s", diff)
	}
}

func testIncompleteSource(t *testing.T, servers pair) {
	req := filled(t, servers)
	source := connectTo(t, req.From)
	run(t, source, "CREATE TABLE "+name(marker)+" (plan VARCHAR(64) PRIMARY KEY)", "INSERT INTO "+name(marker)+" VALUES ('x')")
	plan, err := New().Plan(t.Context(), req)
	if err != nil || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "not complete") {
		t.Errorf("copying what is not complete: %+v, %v", plan, err)
	}
	run(t, source, "ALTER TABLE "+name(marker)+" CHANGE plan what TEXT, DROP PRIMARY KEY")
	if _, err := New().Plan(t.Context(), req); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "not Landfall's") {
		t.Errorf("a table with the name of ours: %v", err)
	}
}

// stop has a server do nothing, with its connections open, until cont.
func stop(t *testing.T, server *storetest.Server) (cont func()) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(server.Dir, "p"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cont = sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	t.Cleanup(cont)
	return cont
}

func testStoppedServer(t *testing.T, servers pair) {
	req := filled(t, servers)
	_, target := servers()
	to, err := open(t.Context(), req.To, "target")
	if err != nil {
		t.Fatal(err)
	}
	to.options.Timeout = time.Second
	quick := pulse{Every: 50 * time.Millisecond, Patience: time.Second, Misses: 2}
	conn := connectTo(t, req.To)
	long := func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "DO SLEEP(3)")
		return err
	}
	if err := quick.attend(t.Context(), progress.Discard.Note, long, to); err != nil {
		t.Errorf("a server with a long statement: %v", err)
	}
	cont := stop(t, target)
	err = quick.attend(t.Context(), progress.Discard.Note, long, to)
	if !passing(err) || !strings.Contains(err.Error(), "the target "+req.To.String()+" has not answered for") {
		t.Errorf("a server that is stopped: %v", err)
	}
	if _, err := to.connect(t.Context()); !passing(err) || !strings.Contains(err.Error(), "does not answer within 1s") {
		t.Errorf("connecting to a server that is stopped: %v", err)
	}
	cont()
	// A copy waits for a server that comes back in time.
	outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, &atHalf{Reporter: progress.Discard, do: func() {
		time.AfterFunc(time.Second, stop(t, target))
	}})
	if err != nil || outcome.Report.Answer() != datacopy.Equal {
		t.Errorf("a server that was stopped for a second: %v", err)
	}
}
