package mysql

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// atHalf is a Reporter that does something once, in the middle of a copy.
type atHalf struct {
	progress.Reporter
	do   func()
	once sync.Once
}

func (r *atHalf) Step(name string) progress.Step { return halfStep{r.Reporter.Step(name), r} }

type halfStep struct {
	progress.Step
	parent *atHalf
}

func (s halfStep) Count(done, total int64, unit string) {
	if done > 5000 {
		s.parent.once.Do(s.parent.do)
	}
}

func filled(t *testing.T, servers pair) datacopy.Request {
	t.Helper()
	r := &rows{servers: servers}
	from, to := r.Pair(t)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 64 << 10, Parallel: 2}
	r.Fill(t, req.From, 20_000)
	return req
}

func TestServersThatCrashAndComeBack(t *testing.T) {
	for _, side := range []string{"target", "source"} {
		t.Run(side, func(t *testing.T) {
			source, target := storetest.MariaDB(t), storetest.MariaDB(t)
			req := filled(t, func() (*storetest.Server, *storetest.Server) { return source, target })
			server := map[string]*storetest.Server{"source": source, "target": target}[side]
			back := make(chan struct{})
			crash := func() {
				server.Kill()
				go func() {
					defer close(back)
					time.Sleep(300 * time.Millisecond)
					server.Restart()
				}()
			}
			outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, &atHalf{Reporter: progress.Discard, do: crash})
			if err != nil {
				t.Fatal(err)
			}
			<-back
			if outcome.Result.Retries == 0 {
				t.Error("nothing was tried again: the crash came too late to test anything")
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	source := storetest.MariaDB(t)
	target := storetest.MariaDB(t, "--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:14M")
	req := filled(t, func() (*storetest.Server, *storetest.Server) { return source, target })
	run(t, connectTo(t, req.From), "INSERT INTO people SELECT -seq, 0, 'large', REPEAT('x', 2000) FROM seq_1_to_4000")
	_, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if err == nil || !strings.Contains(fault.HintOf(err), "Make room") {
		t.Fatalf("copying into a full disk: %v (hint %q)", err, fault.HintOf(err))
	}
	plan, err := New().Plan(t.Context(), req)
	if err != nil || len(plan.Overwrites) > 0 {
		t.Errorf("what the copy left is not known as its own: %v, %v", plan, err)
	}
}

// TestFullTemporaryFiles: indexes are sorted in files of their own. (A file
// system that is full of tables is no test: MariaDB 10.11 ends itself when it
// cannot roll back there.)
func TestFullTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	mount := func(options string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, options) }
	if err := mount("size=64k"); err != nil {
		t.Skipf("needs to mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	source, target := storetest.MariaDB(t), storetest.MariaDB(t, "--innodb-tmpdir="+dir, "--innodb-sort-buffer-size=65536")
	req := filled(t, func() (*storetest.Server, *storetest.Server) { return source, target })
	run(t, connectTo(t, req.From), "INSERT INTO people SELECT -seq, 0, CONCAT(seq, REPEAT('x', 50)), REPEAT('x', 500) FROM seq_1_to_16000", "ANALYZE TABLE people")
	journal := &datacopy.MemoryJournal{}
	_, err := datacopy.Run(t.Context(), New(), req, journal, progress.Discard)
	if err == nil || !strings.Contains(fault.HintOf(err), "innodb_tmpdir") {
		t.Fatalf("building indexes without room: %v (hint %q)", err, fault.HintOf(err))
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	outcome, err := datacopy.Run(t.Context(), New(), req, journal, progress.Discard)
	if err != nil || outcome.Report.Answer() != datacopy.Equal {
		t.Errorf("with room again: %+v, %v", outcome, err)
	}
}

func testChangedSinceThePlan(t *testing.T, servers pair) {
	req := filled(t, servers)
	plan, err := New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	run(t, connectTo(t, req.From), "ALTER TABLE people ADD COLUMN more INT")
	_, err = New().Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard)
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("copying by an old plan: %v, want a refusal", err)
	}
}

func testChangedBeforeItGoesOn(t *testing.T, servers pair) {
	req := filled(t, servers)
	journal := &datacopy.MemoryJournal{}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := datacopy.Run(ctx, New(), req, journal, &atHalf{Reporter: progress.Discard, do: stop}); err == nil {
		t.Fatal("the copy came to its end")
	}
	run(t, connectTo(t, req.From), "UPDATE people SET note = 'changed' WHERE id = 3", "DELETE FROM people WHERE id = 6", "INSERT INTO people VALUES (-5, 1, 'new', NULL)")
	outcome, err := datacopy.Run(t.Context(), New(), req, journal, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Result.Units[0].Repeated == 0 || outcome.Result.Units[0].Skipped == 0 {
		t.Errorf("result %+v: want the changed chunk done again, and others not", outcome.Result.Units[0])
	}
	report, err := New().Verify(t.Context(), req, outcome.Plan, nil, progress.Discard)
	if err != nil || report.Answer() != datacopy.Equal {
		t.Errorf("both sides now: %+v, %v", report, err)
	}
}

func testSubsetClosesForeignKeys(t *testing.T, servers pair) {
	r := &rows{servers: servers}
	from, to := r.Pair(t)
	run(t, open1(t, from),
		"CREATE TABLE customers (id INT PRIMARY KEY)", "INSERT INTO customers SELECT seq FROM seq_1_to_100",
		"CREATE TABLE orders (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id))",
		"INSERT INTO orders SELECT seq, IF(seq > 990, NULL, seq MOD 100 + 1) FROM seq_1_to_1000",
		"CREATE TABLE items (id INT PRIMARY KEY, `order` INT NOT NULL, FOREIGN KEY (`order`) REFERENCES orders (id))",
		"INSERT INTO items SELECT seq, seq MOD 1000 + 1 FROM seq_1_to_5000")
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 4 << 10, Subset: map[string]string{"customers": "id <= 10"}}
	if _, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	got, err := open1(t, to).All(t.Context(), `SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM orders), (SELECT COUNT(*) FROM items),
		(SELECT COUNT(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer WHERE c.id IS NULL AND o.customer IS NOT NULL),
		(SELECT COUNT(*) FROM items i LEFT JOIN orders o ON o.id = i.`+"`order`"+` WHERE o.id IS NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	if row := got[0]; row[0].Value != "10" || row[1].Value != "109" || row[2].Value != "545" || row[3].Value != "0" || row[4].Value != "0" {
		t.Errorf("customers, orders, items, orphans: %v", row)
	}
}
