package child

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/proc"
)

func newGroup(t *testing.T, dir string) *Group {
	t.Helper()
	g := &Group{
		LogFile:    func(name string) string { return filepath.Join(dir, name+".log") },
		RecordFile: func(name string) string { return filepath.Join(dir, name+".pid") },
		Logger:     slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() { g.StopAll(g.Names()...) })
	return g
}

func shell(name, script string) plan.Process {
	return plan.Process{Name: name, Program: "/bin/sh", Args: []string{"-c", script}, Grace: 2 * time.Second}
}

func run(t *testing.T, g *Group, p plan.Process) {
	t.Helper()
	if err := g.Run(p); err != nil {
		t.Fatal(err)
	}
}

func status(g *Group, name string) Status {
	for _, s := range g.Status() {
		if s.Name == name {
			return s
		}
	}
	return Status{}
}

func TestDeadProcessIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	g := newGroup(t, dir)
	run(t, g, shell("worker", "echo started; exec sleep 60"))
	first := status(g, "worker").PID
	id, err := proc.Identify(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool {
		s := status(g, "worker")
		return s.Running && s.PID != first && s.Restarts == 1 && strings.Contains(s.LastExit, "killed")
	})
	eventually(t, "both runs are in the log", func() bool {
		log, _ := os.ReadFile(filepath.Join(dir, "worker.log"))
		return bytes.Count(log, []byte("started")) == 2
	})
}

func TestStopEndsAndForgets(t *testing.T) {
	dir := t.TempDir()
	g := newGroup(t, dir)
	run(t, g, shell("steady", "exec sleep 60"))
	run(t, g, shell("failing", "exit 3")) // mostly between two runs
	id, err := proc.Identify(status(g, "steady").PID)
	if err != nil {
		t.Fatal(err)
	}
	g.StopAll("steady", "failing", "absent")
	if id.Alive() {
		t.Error("the process is still there")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.pid")); len(left) > 0 || len(g.Names()) > 0 {
		t.Errorf("left: %v %v", left, g.Names())
	}
}

func TestNextGroupTakesOverTheSameAndReplacesTheDifferent(t *testing.T) {
	dir := t.TempDir()
	old := newGroup(t, dir)
	same, different := shell("same", "exec sleep 60"), shell("different", "exec sleep 60")
	run(t, old, same)
	run(t, old, different)
	before := []int{status(old, "same").PID, status(old, "different").PID}

	// The supervisor died: nobody keeps the old group's processes any more.
	for _, c := range old.children {
		c.cancel()
	}
	next := newGroup(t, dir)
	run(t, next, same)
	run(t, next, shell("different", "exec sleep 61"))
	if got := status(next, "same").PID; got != before[0] {
		t.Errorf("same: process %d, want %d", got, before[0])
	}
	if got := status(next, "different").PID; got == before[1] {
		t.Error("different: the old process was kept")
	}
	if _, err := proc.Identify(before[1]); err == nil {
		t.Error("different: the old process still runs")
	}

	id, err := proc.Identify(before[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a process that was taken over is started again", func() bool {
		s := status(next, "same")
		return s.Running && s.PID != before[0]
	})
}

func TestRecordOfAnotherBootIsWorthless(t *testing.T) {
	dir := t.TempDir()
	g := newGroup(t, dir)
	own, err := proc.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// A process of an earlier boot had our number and start time.
	stale := fmt.Sprintf(`{"pid":%d,"start":%d,"boot":"earlier"}`, own.PID, own.Start)
	if err := os.WriteFile(g.RecordFile("worker"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, g, shell("worker", "exec sleep 60")) // would end this test
	if status(g, "worker").PID == own.PID {
		t.Error("took over a process of an earlier boot")
	}
}

func TestProgramThatIsMissing(t *testing.T) {
	g := newGroup(t, t.TempDir())
	if err := g.Run(plan.Process{Name: "x", Program: "/absent/program"}); err == nil || !strings.Contains(err.Error(), "x") {
		t.Errorf("%v", err)
	}
}

func TestRotateLogs(t *testing.T) {
	dir := t.TempDir()
	big, small := filepath.Join(dir, "big.log"), filepath.Join(dir, "small.log")
	writer, err := os.OpenFile(big, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := os.WriteFile(small, []byte("small"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(bytes.Repeat([]byte("x"), maxLog+1)); err != nil {
		t.Fatal(err)
	}
	if err := RotateLogs(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteString("after"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(big); string(got) != "after" {
		t.Errorf("the log after rotation holds %d bytes", len(got))
	}
	if info, err := os.Stat(big + ".1"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("the old log: %v, %v", info, err)
	}
	if _, err := os.Stat(small + ".1"); !os.IsNotExist(err) {
		t.Errorf("the small log was rotated: %v", err)
	}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
