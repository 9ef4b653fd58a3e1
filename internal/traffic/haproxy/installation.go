package haproxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// reloadTimeout bounds how long a new worker may take to serve, if the
// installation does not say.
const reloadTimeout = 15 * time.Second

// Installation puts a layout into the configuration of the HAProxy on this
// machine, without a request lost, or leaves all as it was.
type Installation struct {
	Layout Layout
	// File is replaced by the layout; nothing else is written.
	File string
	// Configs are what HAProxy was started with by -f: files, and folders of
	// which it reads *.cfg in lexical order. File must be among them.
	Configs []string
	// Program is the HAProxy binary that checks.
	Program string
	// Socket is the runtime interface, Master that of the master process (-S).
	Socket, Master haproxy.Socket
	// ServerState is the server-state-file, written before the reload so that
	// other migrations' weights outlive it; "" if there is none.
	ServerState string

	patience time.Duration
}

// Apply checks the configuration with the layout in it, puts it in place,
// reloads and looks whether HAProxy has the backend then, with all requests on
// the old side. What does not come to that is undone, and an error. It tells
// whether anything changed.
func (i Installation) Apply(ctx context.Context) (changed bool, err error) {
	text, err := i.Layout.Render()
	if err != nil {
		return false, err
	}
	if i.Layout.Old[0].Address == "" {
		return false, fault.New(fault.Invalid, "Write --old NAME=HOST:PORT and --new NAME=HOST:PORT.", "configuring backend %s: its servers have no addresses", i.Layout.Backend)
	}
	before, err := os.ReadFile(i.File)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return false, fmt.Errorf("reading HAProxy's configuration: %w", err)
	}
	if bytes.Equal(before, []byte(text)) && i.serves(ctx) == nil {
		return false, nil
	}
	if _, err := i.Socket.Ask(ctx, "show info"); err != nil {
		return false, err
	}
	if err := i.tryOut(ctx, text); err != nil {
		return false, err
	}
	if i.ServerState != "" {
		if err := i.Socket.KeepServerStates(ctx, i.ServerState, i.fresh()...); err != nil {
			return false, err
		}
	}
	if err := haproxy.ReplaceFile(i.File, []byte(text)); err != nil {
		return false, fmt.Errorf("writing HAProxy's configuration: %w", err)
	}
	err = i.reload(ctx)
	if err == nil {
		err = i.serves(ctx)
	}
	if err != nil {
		return false, i.undo(ctx, before, absent, err)
	}
	return true, nil
}

// fresh are the new side's servers, which begin anew wherever they are now.
func (i Installation) fresh() []string {
	var servers []string
	for _, server := range i.Layout.New {
		servers = append(servers, i.Layout.Backend+"/"+server.Name)
	}
	return servers
}

// undo puts back what was there. It does so even if nobody waits any more.
func (i Installation) undo(ctx context.Context, before []byte, absent bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*reloadTimeout)
	defer cancel()
	back := func() error {
		if absent {
			return os.Remove(i.File)
		}
		return haproxy.ReplaceFile(i.File, before)
	}
	if err := errors.Join(back(), i.reload(ctx)); err != nil {
		return fault.New(fault.Failed, "Look at "+i.File+" and reload HAProxy.", "configuring backend %s: %w; undoing it: %w", i.Layout.Backend, cause, err)
	}
	return fault.Wrap(fault.ClassOf(cause), fmt.Errorf("configuring backend %s, which was undone: %w", i.Layout.Backend, cause), fault.HintOf(cause))
}

// tryOut has HAProxy read the configuration as it would be.
func (i Installation) tryOut(ctx context.Context, text string) error {
	files, err := i.files()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "landfall-haproxy-")
	if err != nil {
		return fmt.Errorf("trying HAProxy's configuration: %w", err)
	}
	defer os.RemoveAll(dir)
	trial := filepath.Join(dir, "trial.cfg")
	if err := os.WriteFile(trial, []byte(text), 0o600); err != nil {
		return fmt.Errorf("trying HAProxy's configuration: %w", err)
	}
	files[slices.Index(files, i.File)] = trial
	if err := haproxy.Check(ctx, i.Program, nil, files...); err != nil {
		return fault.Wrap(fault.Refused, err, "Nothing was changed. Is the backend in another file, too?")
	}
	return nil
}

// files are those that HAProxy reads, File among them.
func (i Installation) files() ([]string, error) {
	var files []string
	for _, config := range i.Configs {
		info, err := os.Stat(config)
		if err != nil {
			return nil, fault.New(fault.Invalid, "Name what HAProxy was started with by -f.", "reading HAProxy's configuration: %w", err)
		}
		if !info.IsDir() {
			files = append(files, config)
			continue
		}
		found, err := filepath.Glob(filepath.Join(config, "*.cfg"))
		if err != nil {
			return nil, err
		}
		if filepath.Dir(i.File) == filepath.Clean(config) && filepath.Ext(i.File) == ".cfg" && !slices.Contains(found, i.File) {
			found = append(found, i.File)
			slices.Sort(found)
		}
		files = append(files, found...)
	}
	if !slices.Contains(files, i.File) {
		return nil, fault.New(fault.Invalid, "Name its folder with --config, and start HAProxy with -f of that folder.", "reading HAProxy's configuration: %s is not part of %s", i.File, strings.Join(i.Configs, ", "))
	}
	return files, nil
}

// reload has the master start a worker and waits until it answers.
func (i Installation) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(i.patience, reloadTimeout))
	defer cancel()
	before := ""
	err := until(ctx, func() (err error) {
		// A master that comes from a reload refuses for a moment.
		if before, err = haproxy.Worker(ctx, i.Master); err == nil && before == "" {
			err = errors.New("it has no worker")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reloading HAProxy: %w", err)
	}
	// The master begins anew and closes the connection, so that an error of
	// reading means nothing.
	_, _ = i.Master.Ask(ctx, "reload")
	err = until(ctx, func() error {
		worker, err := haproxy.Worker(ctx, i.Master)
		if err != nil {
			return err
		}
		info, err := i.Socket.Ask(ctx, "show info")
		if err == nil && (worker == "" || worker == before || infoField(info, "Pid") != worker) {
			err = errors.New("no new worker serves: HAProxy's log says why")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reloading HAProxy: %w", err)
	}
	return nil
}

// until repeats what fails until it does not; at the end of the context it gives
// the last failure.
func until(ctx context.Context, do func() error) error {
	var last error
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return cmp.Or(last, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serves tells whether HAProxy has the backend, with weights that can be
// changed.
func (i Installation) serves(ctx context.Context) error {
	process := Process{Socket: i.Socket, Pair: i.Layout.Pair()}
	report, err := process.Report(ctx)
	if err != nil {
		return err
	}
	if report.weight(traffic.Old) > 0 || report.weight(traffic.New) > 0 {
		return nil
	}
	return fmt.Errorf("looking at backend %s: neither side has weight", i.Layout.Backend)
}
