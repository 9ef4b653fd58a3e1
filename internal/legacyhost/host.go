package legacyhost

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

//go:embed prepare.sh
var prepareScript string

// startLimit is how long a host may take until its ports answer.
const startLimit = 90 * time.Second

// Host is a host of the fleet.
type Host struct {
	Name    string     `json:"name"`
	Group   string     `json:"group"`
	Address netip.Addr `json:"address"`
	// Running says that its init runs.
	Running bool `json:"running"`
	// Targets are where SSH reaches it, one a login: ssh://root@10.66.0.11.
	Targets []string `json:"targets"`

	// Ports it listens on once it is up.
	Ports []int `json:"ports"`
	// Init is its first process.
	Init process `json:"init"`
	// Prepared says that its files are complete.
	Prepared bool `json:"prepared"`
}

// spot is what the hosts of a fleet have in common.
type spot struct {
	layers  layers
	network network
	key     string
	recipe  *Recipe
	// members are all hosts of the fleet.
	members []member
}

// ensureHost has a host run: as it is, started, or made and started.
func (m *Manager) ensureHost(ctx context.Context, want member, s spot) error {
	h, err := m.readHost(want.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if h.Running {
		return nil
	}
	step := m.Progress.Step("host " + want.name)
	if !h.Prepared {
		step.Update("preparing")
		h, err = m.prepareHost(ctx, want, s)
	}
	if err == nil {
		step.Update("starting")
		err = m.startHost(ctx, &h, s, want.last)
	}
	if err != nil {
		err = fmt.Errorf("creating host %s: %w", want.name, err)
		step.Fail(err)
		return err
	}
	step.Done("started at %s", h.Address)
	return nil
}

// prepareHost makes the host's files anew.
func (m *Manager) prepareHost(ctx context.Context, want member, s spot) (Host, error) {
	h := Host{Name: want.name, Group: want.group.Name, Address: s.network.address(want.last), Ports: want.group.Ports}
	for _, login := range s.recipe.Logins {
		h.Targets = append(h.Targets, "ssh://"+login+"@"+h.Address.String())
	}
	if err := os.RemoveAll(m.path("hosts", h.Name)); err != nil {
		return h, err
	}
	if err := os.MkdirAll(m.path("hosts", h.Name), 0o755); err != nil {
		return h, err
	}
	script := prepareScript
	for _, name := range []string{want.group.Name + "/host.sh", hostsFolder + "/" + want.name + ".sh"} {
		if s.recipe.script(name) != "" {
			script += "\nsh -eu \"$RECIPE/" + name + "\"\n"
		}
	}
	if err := m.inSystem(ctx, s.recipe, m.hostSystem(h, s), script); err != nil {
		return h, err
	}
	h.Prepared = true
	return h, m.writeJSON(filepath.Join("hosts", h.Name, "host.json"), h)
}

func (m *Manager) hostSystem(h Host, s spot) system {
	return system{
		lower: s.layers.lower(h.Group),
		upper: m.path("hosts", h.Name, "files"),
		env: []string{
			"HOST_NAME=" + h.Name, "HOST_ADDRESS=" + h.Address.String(), "HOST_NETWORK=" + s.network.prefix(),
			"LOGINS=" + strings.Join(s.recipe.Logins, " "), "KEY=" + s.key, "HOSTS=" + s.hostsFile(),
		},
	}
}

// startHost boots a host in namespaces of its own and waits for nothing.
func (m *Manager) startHost(ctx context.Context, h *Host, s spot, last int) error {
	dir := m.path("hosts", h.Name)
	log, err := os.OpenFile(filepath.Join(dir, "console.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	sys := m.hostSystem(*h, s)
	cmd := exec.Command("/bin/sh", "-c", enterScript, "enter", "boot", filepath.Join(dir, "root")) //nolint:noctx // the host outlives the command
	cmd.Env = sys.environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC |
			syscall.CLONE_NEWNET | syscall.CLONE_NEWCGROUP,
	}
	goOn, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // reaped here while this process lives, by init after
	h.Init, err = identify(cmd.Process.Pid)
	if err == nil {
		err = m.writeJSON(filepath.Join("hosts", h.Name, "host.json"), h)
	}
	if err == nil {
		err = s.network.plug(ctx, last, h.Init.PID)
	}
	if err == nil {
		_, err = goOn.Write([]byte("go\n"))
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return fmt.Errorf("%w: %s", err, lastLines(log.Name(), 2))
	}
	return nil
}

// awaitReady waits until each host answers on the ports of its group.
func (m *Manager) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errNotUp)
	defer cancel()
	hosts, err := m.hosts()
	if err != nil {
		return err
	}
	step := m.Progress.Step("services")
	for i, h := range hosts {
		step.Count(int64(i), int64(len(hosts)), "hosts")
		for _, port := range h.Ports {
			if err := m.awaitPort(ctx, h, port); err != nil {
				step.Fail(err)
				return err
			}
		}
	}
	step.Done("%d hosts answer", len(hosts))
	return nil
}

var errNotUp = errors.New("it does not answer")

func (m *Manager) awaitPort(ctx context.Context, h Host, port int) error {
	dialer := net.Dialer{Timeout: time.Second}
	for {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(h.Address.String(), strconv.Itoa(port)))
		if err == nil {
			return conn.Close()
		}
		if !h.Init.alive() {
			return fault.New(fault.Failed, "See "+m.path("hosts", h.Name, "console.log")+".",
				"starting host %s: its init ended: %s", h.Name, lastLines(m.path("hosts", h.Name, "console.log"), 2))
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errNotUp) {
				return fault.New(fault.Failed, "Look at it: landfall local legacy exec "+h.Name+" -- tail /var/log/syslog",
					"waiting for host %s: port %d: %w after %s", h.Name, port, cause, startLimit)
			}
			return err
		}
	}
}

// deleteHost ends a host and removes its files. Its mounts and its interface
// go with its namespaces.
func (m *Manager) deleteHost(h Host) error {
	step := m.Progress.Step("host " + h.Name)
	err := h.Init.kill()
	if err == nil {
		err = os.RemoveAll(m.path("hosts", h.Name))
	}
	if err != nil {
		err = fmt.Errorf("deleting host %s: %w", h.Name, err)
		step.Fail(err)
		return err
	}
	step.Done("deleted")
	return nil
}

// readHost gives a host as it is now; fs.ErrNotExist where there is none.
func (m *Manager) readHost(name string) (Host, error) {
	var h Host
	text, err := os.ReadFile(m.path("hosts", name, "host.json"))
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		return Host{}, fmt.Errorf("reading host %s: %w", name, err)
	}
	h.Running = h.Init.alive()
	return h, nil
}

// hosts gives all hosts, sorted by name; half-made ones have no more than one.
func (m *Manager) hosts() ([]Host, error) {
	entries, err := os.ReadDir(m.path("hosts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the legacy hosts: %w", err)
	}
	all := []Host{} // a list, also for programs, when there is none
	for _, entry := range entries {
		h, err := m.readHost(entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			h, err = Host{Name: entry.Name()}, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// writeJSON writes a file of the fleet's folder, whole or not at all.
func (m *Manager) writeJSON(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return m.writeFile(name, append(text, '\n'), 0o600)
}

func (m *Manager) writeFile(name string, text []byte, mode fs.FileMode) error {
	path := m.path(name)
	err := os.WriteFile(path+".new", text, mode)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
