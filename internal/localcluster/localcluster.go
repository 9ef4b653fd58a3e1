// Package localcluster runs localkube, the local Kubernetes that ships beside
// landfall, as a separate process. The boundary is flags, one readiness line,
// a kubeconfig path and exit codes, as docs/localkube.md writes down; the
// package must know nothing else of it. Start at Find.
package localcluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// EnvBinary is the environment variable that says where localkube is.
const EnvBinary = "LANDFALL_LOCALKUBE"

const binaryName = "localkube"

// stopGrace is how long localkube may take to tidy up after an interrupt.
const stopGrace = 20 * time.Second

// Tool is a localkube binary. It is safe for concurrent use.
type Tool struct {
	// Path of the binary.
	Path string
	// StateDir is passed as --state-dir when set.
	StateDir string
}

// Find looks for localkube: the file that $LANDFALL_LOCALKUBE names, else the
// one beside the running executable, else the one on PATH.
func Find(getenv func(string) string) (*Tool, error) {
	if path := getenv(EnvBinary); path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fault.New(fault.Invalid, "Set "+EnvBinary+" to the localkube binary, or unset it.",
				"finding localkube: %s=%s: %w", EnvBinary, path, err)
		}
		return &Tool{Path: path}, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), binaryName)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return &Tool{Path: beside}, nil
		}
	}
	path, err := exec.LookPath(binaryName)
	if err != nil {
		return nil, fault.New(fault.Failed,
			"Run `make build` and use bin/landfall, or use a cluster that you have with --kubeconfig or --context.",
			"finding localkube: not beside landfall and not on PATH")
	}
	return &Tool{Path: path}, nil
}

// Streams are what a passed-through command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Pass runs localkube with args on the caller's streams, so that the user
// talks to it directly. Its exit code comes back as a classified *ExitError
// whose message has been printed already.
func (t *Tool) Pass(ctx context.Context, streams Streams, args ...string) error {
	cmd := t.command(ctx, args)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams.In, streams.Out, streams.Err
	return t.outcome(ctx, args, "", cmd.Run())
}

// Ready is what localkube says of a cluster that can be used.
type Ready struct {
	Name string
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string
	// Registry is HOST:PORT as written in image references, on the host and in
	// the cluster's nodes.
	Registry string
	// Version of Kubernetes, as in "v1.34.4".
	Version string
}

// ParseReady reads a readiness line:
// "ready name=NAME kubeconfig=PATH registry=HOST:PORT version=vX". Unknown
// keys are ignored, so that newer versions may add some.
func ParseReady(line string) (Ready, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != "ready" {
		return Ready{}, fmt.Errorf("reading localkube's answer: %q is not a readiness line", shorten(line))
	}
	values := map[string]string{}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		values[key] = value
	}
	ready := Ready{
		Name: values["name"], Kubeconfig: values["kubeconfig"],
		Registry: values["registry"], Version: values["version"],
	}
	if ready.Name == "" || ready.Kubeconfig == "" || ready.Registry == "" {
		return Ready{}, fmt.Errorf("reading localkube's answer: %q lacks name, kubeconfig or registry", shorten(line))
	}
	return ready, nil
}

// CreateOptions are the choices for a new cluster; zero values leave them to
// localkube.
type CreateOptions struct {
	Nodes int
	// Publish are HOST:HOSTPORT:NODEPORT mappings.
	Publish []string
	Wait    time.Duration
}

// Create makes a cluster and waits until it is ready. Each line that localkube
// says on the way is given to progress, which may be nil.
func (t *Tool) Create(ctx context.Context, name string, opts CreateOptions, progress func(line string)) (Ready, error) {
	args := []string{"create", name}
	if opts.Nodes > 0 {
		args = append(args, "--nodes", fmt.Sprint(opts.Nodes))
	}
	for _, p := range opts.Publish {
		args = append(args, "--publish", p)
	}
	if opts.Wait > 0 {
		args = append(args, "--wait", opts.Wait.String())
	}
	return t.untilReady(ctx, args, progress)
}

// Start starts a stopped cluster, puts right a damaged one, and does nothing
// to a running one, but for waiting until it is ready.
func (t *Tool) Start(ctx context.Context, name string, progress func(line string)) (Ready, error) {
	return t.untilReady(ctx, []string{"start", name}, progress)
}

// Delete removes a cluster with everything in it. An absent one is a success.
func (t *Tool) Delete(ctx context.Context, name string, progress func(line string)) error {
	_, err := t.run(ctx, []string{"delete", name}, progress)
	return err
}

// Cluster is one entry of localkube's list.
type Cluster struct {
	Name string `json:"name"`
	// Status in one word; StatusReady is the good one.
	Status     string `json:"status"`
	Kubeconfig string `json:"kubeconfig"`
	// Context is the name of the kubeconfig's context.
	Context  string `json:"context"`
	Registry string `json:"registry"`
	Version  string `json:"version"`
	// Network is the cluster's block of addresses, such as 10.107.0.0/16.
	Network string `json:"network"`
	// Publish are the HOST:HOSTPORT:NODEPORT mappings.
	Publish []string `json:"publish"`
}

// StatusReady is the status of a cluster that can be used.
const StatusReady = "ready"

// List gives the clusters of this machine.
func (t *Tool) List(ctx context.Context) ([]Cluster, error) {
	out, err := t.run(ctx, []string{"list", "-o", "json"}, nil)
	if err != nil {
		return nil, err
	}
	var clusters []Cluster
	if err := json.Unmarshal([]byte(out), &clusters); err != nil {
		return nil, fmt.Errorf("reading localkube's list: %w", err)
	}
	return clusters, nil
}

func (t *Tool) untilReady(ctx context.Context, args []string, progress func(string)) (Ready, error) {
	out, err := t.run(ctx, args, progress)
	if err != nil {
		return Ready{}, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return ParseReady(lines[len(lines)-1])
}

// run gives what the command printed on stdout; lines of stderr go to progress
// and, should the command fail, into the error.
func (t *Tool) run(ctx context.Context, args []string, progress func(string)) (string, error) {
	cmd := t.command(ctx, args)
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", fmt.Errorf("running localkube: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("running localkube: %w", err)
	}
	tail := follow(stderr, progress)
	err = cmd.Wait() // before out is read: it is complete only now
	return out.String(), t.outcome(ctx, args, tail, err)
}

// follow gives every line to progress and returns the last few.
func follow(r io.Reader, progress func(string)) string {
	const keep = 8
	var last []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), " \r")
		if line == "" {
			continue
		}
		if progress != nil {
			progress(line)
		}
		if last = append(last, line); len(last) > keep {
			last = last[1:]
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not block the child
	return strings.Join(last, "\n")
}

func (t *Tool) command(ctx context.Context, args []string) *exec.Cmd {
	if t.StateDir != "" {
		args = append([]string{"--state-dir", t.StateDir}, args...)
	}
	cmd := exec.CommandContext(ctx, t.Path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// ExitError says that localkube ended with a code other than 0.
type ExitError struct {
	Args []string
	Code int
	// Said is the end of what it printed on stderr; empty when the user has
	// seen it already.
	Said string
}

// Error names the command and what it said.
func (e *ExitError) Error() string {
	verb := "localkube"
	if len(e.Args) > 0 {
		verb += " " + e.Args[0]
	}
	if e.Said == "" {
		return fmt.Sprintf("%s ended with exit code %d", verb, e.Code)
	}
	return verb + ": " + e.Said
}

func (t *Tool) outcome(ctx context.Context, args []string, said string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("running localkube: %w", err)
	}
	message, hint := splitHint(said)
	failure := &ExitError{Args: args, Code: exit.ExitCode(), Said: message}
	return fault.Wrap(classOf(failure.Code), failure, hint)
}

// splitHint takes localkube's last lines apart: progress, "error: …" and
// "next: …".
func splitHint(said string) (message, hint string) {
	var rest []string
	for _, line := range strings.Split(said, "\n") {
		switch {
		case strings.HasPrefix(line, "error: "):
			rest = []string{strings.TrimPrefix(line, "error: ")}
		case strings.HasPrefix(line, "next: "):
			hint = strings.TrimSpace(strings.TrimPrefix(line, "next: "))
		default:
			rest = append(rest, line)
		}
	}
	return strings.Join(rest, "\n"), hint
}

func classOf(code int) fault.Class {
	switch code {
	case fault.ExitNotHolding:
		return fault.NotHolding
	case fault.ExitUsage:
		return fault.Invalid
	case fault.ExitRefused:
		return fault.Refused
	default:
		return fault.Failed
	}
}

func shorten(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
