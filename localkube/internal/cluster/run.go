package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/child"
	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/proc"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
	"github.com/landfall-dev/landfall/localkube/internal/teardown"
)

const (
	// envSupervisor marks the supervisor of a cluster by the cluster's ID.
	envSupervisor = "LOCALKUBE_SUPERVISOR"
	pollEvery     = 50 * time.Millisecond
	// stopTimeout is how long a supervisor may take to stop its cluster
	// before it is killed and the rest is done from outside.
	stopTimeout = time.Minute
)

// up makes sure that the cluster has a supervisor, and waits until it has
// reached the state that is saved.
func (m Manager) up(ctx context.Context, c *state.Cluster) (*Info, error) {
	l := plan.New(m.Store, c)
	generation, err := m.ensureSupervisor(ctx, l)
	if err == nil {
		err = m.follow(ctx, l, generation)
	}
	if err != nil {
		return nil, explain(ctx, l, err)
	}
	return m.Inspect(c), nil
}

// explain adds what state a failed start leaves, and where to look.
func explain(ctx context.Context, l plan.Layout, err error) error {
	name := l.Cluster.Name
	hint := fmt.Sprintf("Logs are in %s. The cluster keeps trying; remove it: localkube delete %s", l.LogDir(), name)
	class := fault.ClassOf(err)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		class = fault.Interrupted
		hint = fmt.Sprintf("The cluster goes on starting. Wait for it: localkube start %[1]s. Remove it: localkube delete %[1]s", name)
	}
	return fault.New(class, fmt.Errorf("starting cluster %s: %w", name, err), hint)
}

// ensureSupervisor starts the supervisor, or tells the running one to look at
// the state again, and returns the generation to wait for.
func (m Manager) ensureSupervisor(ctx context.Context, l plan.Layout) (int, error) {
	supervised, err := Supervised(l)
	if err != nil {
		return 0, err
	}
	client := supervisor.NewClient(l.Socket())
	if supervised {
		if current, err := m.currentBuild(ctx, client); err != nil || current {
			return client.Changed(ctx)
		}
		// One of another build would not know what is new in this one. The
		// next one takes its processes over.
		if err := m.killSupervisor(l); err != nil {
			return 0, err
		}
	}
	process, err := m.launch(l)
	if err != nil {
		return 0, err
	}
	for {
		report, err := client.Report(ctx)
		if err == nil {
			return report.Generation, nil
		}
		if !process.Alive() {
			return 0, fmt.Errorf("the supervisor ended: %s", lastLine(l.Log("supervisor")))
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for the supervisor: %w", context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// currentBuild says whether the supervisor runs the same build as we do.
func (m Manager) currentBuild(ctx context.Context, client *supervisor.Client) (bool, error) {
	build, err := Build()
	if err != nil {
		return false, err
	}
	report, err := client.Report(ctx)
	return report.Build == build, err
}

// Build identifies the content of this program.
func Build() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding own executable: %w", err)
	}
	return child.BuildOf(self)
}

// launch starts the supervisor in a session of its own.
func (m Manager) launch(l plan.Layout) (proc.ID, error) {
	if err := os.MkdirAll(l.LogDir(), 0o700); err != nil {
		return proc.ID{}, fmt.Errorf("starting the supervisor: %w", err)
	}
	log, err := os.OpenFile(l.Log("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return proc.ID{}, fmt.Errorf("starting the supervisor: %w", err)
	}
	defer log.Close()
	self, err := install(l.BinDir())
	if err != nil {
		return proc.ID{}, fmt.Errorf("starting the supervisor: %w", err)
	}
	cmd := exec.Command(self, "supervise", l.Cluster.Name, "--state-dir", m.Store.Dir)
	cmd.Env = append(os.Environ(), envSupervisor+"="+l.Cluster.ID, "GOGC=50", "GOMEMLIMIT=128MiB")
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return proc.ID{}, fmt.Errorf("starting the supervisor: %w", err)
	}
	go cmd.Wait() // reaps it, should it end before we do
	return proc.Identify(cmd.Process.Pid)
}

// follow reports progress until the supervisor has reached the generation.
func (m Manager) follow(ctx context.Context, l plan.Layout, generation int) error {
	client := supervisor.NewClient(l.Socket())
	var last supervisor.Report
	for {
		report, err := client.Report(ctx)
		if err == nil {
			last = report
			m.Progress(report)
			if report.Converged >= generation {
				return nil
			}
		} else if supervised, _ := Supervised(l); !supervised {
			return fmt.Errorf("the supervisor ended: %s", lastLine(l.Log("supervisor")))
		}
		select {
		case <-ctx.Done():
			return unfinished(last, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// unfinished names the steps that were waited for in vain.
func unfinished(r supervisor.Report, cause error) error {
	if r.Error != "" {
		return fmt.Errorf("%s (%w)", r.Error, cause)
	}
	var open []string
	for _, s := range r.Steps {
		if !s.Done {
			open = append(open, s.Name)
		}
	}
	return fmt.Errorf("waiting for %s: %w", strings.Join(open, ", "), cause)
}

// down stops the cluster through its supervisor, and clears from outside
// whatever is left.
func (m Manager) down(ctx context.Context, l plan.Layout) error {
	if supervised, err := Supervised(l); err != nil {
		return err
	} else if supervised {
		m.stopSupervisor(ctx, l)
	}
	if err := m.killSupervisor(l); err != nil {
		return err
	}
	return teardown.Stop(l)
}

// stopSupervisor asks the supervisor to stop the cluster, and waits for it.
func (m Manager) stopSupervisor(ctx context.Context, l plan.Layout) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := supervisor.NewClient(l.Socket()).Stop(ctx); err != nil {
		return // it hangs or is about to end: it will be killed
	}
	for ctx.Err() == nil {
		if supervised, err := Supervised(l); err != nil || !supervised {
			return
		}
		time.Sleep(pollEvery)
	}
}

func (m Manager) killSupervisor(l plan.Layout) error {
	ids, err := proc.WithEnv(envSupervisor + "=" + l.Cluster.ID)
	if err != nil {
		return err
	}
	var errs error
	for _, id := range ids {
		errs = errors.Join(errs, id.Kill())
	}
	return errs
}

// Supervised says whether the cluster has a running supervisor: it holds the
// lock of the cluster's run folder.
func Supervised(l plan.Layout) (bool, error) {
	unlock, ok, err := state.TryLockDir(l.RunDir())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if ok {
		unlock()
	}
	return !ok, nil
}

func lastLine(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}
