package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// bench is servers to measure on, and 1,000 checks that one of them holds.
type bench struct {
	opts options
	// dir is a folder for what the measurements write.
	dir string
	// ours says that this run created the servers and deletes them.
	ours  bool
	hosts []host
	ssh   string // configuration of the SSH client
	// checks is the document of the checks.
	checks string
}

// host is a server of the legacy shop, as `landfall local legacy list` says.
type host struct {
	Name    string   `json:"name"`
	Group   string   `json:"group"`
	Address string   `json:"address"`
	Targets []string `json:"targets"`
}

type fleetList struct {
	Hosts     []host `json:"hosts"`
	SSHConfig string `json:"sshConfig"`
}

func setUp(ctx context.Context, opts options) (*bench, error) {
	dir, err := os.MkdirTemp("", "bench-spec")
	if err != nil {
		return nil, err
	}
	b := &bench{opts: opts, dir: dir, checks: filepath.Join(dir, "checks.yaml")}
	before, err := b.list(ctx)
	if err != nil {
		return b, err
	}
	b.ours = len(before.Hosts) == 0
	// What is there may have another number of web servers: all will do.
	number := max(3, len(before.Hosts)-1)
	if _, err := b.landfall(ctx, "local", "legacy", "create", "--hosts", fmt.Sprint(number)); err != nil {
		return b, err
	}
	now, err := b.list(ctx)
	if err != nil {
		return b, err
	}
	b.ssh = now.SSHConfig
	for _, h := range now.Hosts {
		if h.Group == "web" {
			b.hosts = append(b.hosts, h)
		}
	}
	if len(b.hosts) == 0 {
		return b, errors.New("the servers of the legacy shop have no web server")
	}
	return b, b.writeChecks(ctx)
}

func (b *bench) tearDown() error {
	err := os.RemoveAll(b.dir)
	if b.ours {
		_, deleteErr := b.landfall(context.Background(), "local", "legacy", "delete")
		err = errors.Join(err, deleteErr)
	}
	return err
}

func (b *bench) list(ctx context.Context) (list fleetList, err error) {
	ran, err := b.landfall(ctx, "local", "legacy", "list", "-o", "json")
	if err == nil {
		err = json.Unmarshal(ran.out, &list)
	}
	return list, err
}

// target is where the first web server is reached.
func (b *bench) target() string { return b.hosts[0].Targets[0] }

// writeChecks makes the document: facts of the first web server that all three
// tools can check, one check each for all of them.
func (b *bench) writeChecks(ctx context.Context) error {
	captured := filepath.Join(b.dir, "captured.yaml")
	if _, err := b.landfall(ctx, "spec", "capture", "--ssh-config", b.ssh, b.target(), "-o", captured); err != nil {
		return err
	}
	text, err := os.ReadFile(captured)
	if err != nil {
		return err
	}
	facts, err := hostspec.Decode(text, captured)
	if err != nil {
		return err
	}
	checks, err := choose(facts, b.opts.checks)
	if err != nil {
		return err
	}
	var document bytes.Buffer
	if err := checks.Encode(&document); err != nil {
		return err
	}
	log.Printf("%d checks of %s: versions of packages, users, groups, kernel parameters", len(checks.Items), b.hosts[0].Name)
	return os.WriteFile(b.checks, document.Bytes(), 0o600)
}

// choose takes packages by version, users and groups by number, and fills up with
// kernel parameters.
func choose(facts *hostspec.Spec, number int) (*hostspec.Spec, error) {
	checks := &hostspec.Spec{Host: facts.Host, Salt: facts.Salt}
	for _, kind := range []hostspec.Kind{hostspec.Package, hostspec.User, hostspec.Group, hostspec.Sysctl} {
		for _, item := range facts.Of(kind) {
			if len(checks.Items) == number {
				break
			}
			if reduced, ok := single(item); ok {
				checks.Items = append(checks.Items, reduced)
			}
		}
	}
	checks.Sort()
	if len(checks.Items) < number {
		return nil, fmt.Errorf("choosing checks: the host has just %d facts that all tools can check", len(checks.Items))
	}
	return checks, nil
}

// single reduces an item to one attribute that is one check for all tools.
func single(item hostspec.Item) (hostspec.Item, bool) {
	attribute := map[hostspec.Kind]string{
		hostspec.Package: "version", hostspec.User: "uid", hostspec.Group: "gid", hostspec.Sysctl: hostspec.ValueAttribute,
	}[item.Kind]
	value, ok := item.Get(attribute)
	if !ok || !value.Plain() || strings.ContainsAny(value.String(), " \t") {
		return item, false
	}
	return hostspec.Item{Key: item.Key, Attributes: []hostspec.Attribute{{Name: attribute, Value: value}}}, true
}

// ran is what a command did.
type ran struct {
	out  []byte
	took time.Duration
	// memory is the largest that the process itself was, in MiB.
	memory float64
	code   int
}

// landfall runs a command that has to succeed.
func (b *bench) landfall(ctx context.Context, args ...string) (ran, error) {
	binary, err := filepath.Abs(b.opts.landfall)
	if err != nil {
		return ran{}, err
	}
	return succeed(exec.CommandContext(ctx, binary, args...))
}

// succeed runs a command and measures it; an exit code is an error.
func succeed(cmd *exec.Cmd) (ran, error) {
	r, errs, err := measure(cmd)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("running %s: exit code %d: %s", strings.Join(cmd.Args, " "), r.code, strings.TrimSpace(errs))
	}
	return r, err
}

func measure(cmd *exec.Cmd) (r ran, errs string, err error) {
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	start := time.Now()
	err = cmd.Run()
	r.took = time.Since(start)
	r.out = out.Bytes()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	if err != nil {
		return r, errText.String(), fmt.Errorf("running %s: %w", cmd.Args[0], err)
	}
	r.code = cmd.ProcessState.ExitCode()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = float64(usage.Maxrss) / 1024
	}
	return r, errText.String(), nil
}
