package supervisor

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/landfall-dev/landfall/localkube/internal/child"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

func newTestSupervisor() *supervisor {
	return &supervisor{group: &child.Group{}, changed: make(chan struct{}, 1), logger: slog.New(slog.DiscardHandler)}
}

func TestReportTellsWhatWasReached(t *testing.T) {
	s := newTestSupervisor()
	stopped := make(chan struct{})
	socket := filepath.Join(t.TempDir(), "s.sock")
	server, err := s.listen(socket, func() { close(stopped) })
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	client := NewClient(socket)

	wanted, err := client.Changed(t.Context())
	if err != nil || wanted != 1 {
		t.Fatalf("generation %d, %v", wanted, err)
	}
	attempt := s.board.begin()
	_ = s.board.step("network", func() error { return nil })
	_ = s.board.step("nodes", func() error { return errors.New("no room") })
	// A change during an attempt is not reached by it.
	if _, err := client.Changed(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.board.finish(attempt, nil)
	report, err := client.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Generation != 2 || report.Converged != 1 || len(report.Steps) != 2 {
		t.Errorf("%+v", report)
	}
	if report.Steps[0].Error != "" || !report.Steps[0].Done || report.Steps[1].Error != "no room" {
		t.Errorf("steps %+v", report.Steps)
	}

	s.board.finish(s.board.begin(), errors.New("API server does not answer"))
	if report, _ := client.Report(t.Context()); report.Converged != 1 || report.Error == "" {
		t.Errorf("after a failure: %+v", report)
	}
	if err := client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-stopped
}

func TestChangesDuringAnAttemptAreNotLost(t *testing.T) {
	s := newTestSupervisor()
	for range 3 {
		s.change()
	}
	if len(s.changed) != 1 || s.board.snapshot().Generation != 3 {
		t.Errorf("%d waiting, generation %d", len(s.changed), s.board.snapshot().Generation)
	}
}

func TestForwardsFollowTheNodes(t *testing.T) {
	f := newForwards(slog.New(slog.DiscardHandler))
	defer f.close()
	c := &state.Cluster{Name: "blue", ID: "0a1b2c3d", Network: netip.MustParsePrefix("10.100.0.0/16"), APIPort: freePort(t), RegistryPort: freePort(t)}
	first, second := c.AddNode(), c.AddNode()
	layout := func() plan.Layout { return plan.New(state.Store{Dir: "/x"}, c) }
	for range 2 { // ports that are open stay open
		if err := f.set(layout()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []state.Node{first, second} {
		if got, err := f.nodePort(30080); err != nil || got != netip.AddrPortFrom(layout().NodeIP(want), 30080) {
			t.Errorf("leads to %s, want %s: %v", got, want.Name, err)
		}
		n, _ := c.Node(want.Name)
		n.Phase = state.Stopped
	}
	if _, err := f.nodePort(30080); err == nil {
		t.Error("leads to a stopped node")
	}
}

func TestSplit(t *testing.T) {
	running, leaving := split([]state.Node{
		{Name: "a", Phase: state.Running}, {Name: "b", Phase: state.Stopped}, {Name: "c", Phase: state.Deleting},
	})
	if len(running) != 1 || running[0].Name != "a" || len(leaving) != 2 {
		t.Errorf("%v %v", running, leaving)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
