package supervisor

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/landfall-dev/landfall/localkube/internal/forward"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// forwards are the loopback ports of the host that lead into the cluster.
type forwards struct {
	logger *slog.Logger
	open   map[netip.AddrPort]*forward.Forward
	// layout is the newest one; targets are looked up in it.
	layout atomic.Pointer[plan.Layout]
}

func newForwards(logger *slog.Logger) *forwards {
	return &forwards{logger: logger, open: map[netip.AddrPort]*forward.Forward{}}
}

// set opens the ports that are not open yet. Ports never change in the life
// of a supervisor; where they lead does, as nodes come and go.
func (f *forwards) set(l plan.Layout) error {
	f.layout.Store(&l)
	targets := map[netip.AddrPort]func() (netip.AddrPort, error){
		l.APIForward():      func() (netip.AddrPort, error) { return l.APIServer(), nil },
		l.RegistryForward(): func() (netip.AddrPort, error) { return l.Registry(), nil },
	}
	for _, p := range l.Cluster.Publish {
		targets[p.Host] = func() (netip.AddrPort, error) { return f.nodePort(p.NodePort) }
	}
	for address, target := range targets {
		if f.open[address] != nil {
			continue
		}
		opened, err := forward.Listen(address, target, f.logger)
		if err != nil {
			return err
		}
		f.open[address] = opened
	}
	return nil
}

func (f *forwards) close() {
	for _, open := range f.open {
		_ = open.Close()
	}
}

// nodePort is the port on the first node that should be running.
func (f *forwards) nodePort(port int) (netip.AddrPort, error) {
	l := f.layout.Load()
	for _, n := range l.Cluster.Nodes {
		if n.Phase == state.Running {
			return netip.AddrPortFrom(l.NodeIP(n), uint16(port)), nil
		}
	}
	return netip.AddrPort{}, errors.New("no node is running")
}
