// Package confine runs a function over foreign input, such as a chart's
// templates, in a process of its own: whatever the input makes it do (loop for
// ever, recurse until the stack is gone, fill the memory, ask the network), the
// program itself goes on and gets an error.
//
// The process is this same executable, started again with an environment
// variable that names the function. Start at New.
package confine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
)

const (
	// variable names the function in the environment of its process.
	variable = "LANDFALL_CONFINED"

	// maxMemory of one process. Two of them and the program itself fit into the
	// limit of the controller's pod, internal/platform: beyond it the kernel
	// would end all of them.
	maxMemory = 256 << 20
	maxStack  = 64 << 20
	// maxProcesses at a time; more calls wait.
	maxProcesses = 2
	// exitMemory is how the process says that it used too much memory.
	exitMemory = 97
)

// Limits of one call.
type Limits struct {
	// Time the call may take.
	Time time.Duration
	// Output is the largest result, in bytes.
	Output int64
}

// Function maps an input to an output. It calls at before it looks at another
// part of the input, such as a file, so that a limit that is exceeded can be
// told with the part at fault. Its errors reach the caller as text.
type Function func(input []byte, at func(part string)) ([]byte, error)

// Confined is a function that runs in a process of its own. It is safe for
// concurrent use.
type Confined struct {
	name string
}

// New gives a function a process of its own for each call. It must be called
// while packages are initialised (var render = confine.New(…)), with a name
// that is unique in the program: in a process started for the function, New
// calls it and exits.
func New(name string, f Function) *Confined {
	if os.Getenv(variable) == name {
		os.Exit(serve(f))
	}
	return &Confined{name: name}
}

// LimitError is a call that exceeded a limit.
type LimitError struct {
	// Part of the input that was looked at; empty when none was yet.
	Part string
	// Limit in words: "takes more than 10s".
	Limit string
}

func (e *LimitError) Error() string {
	if e.Part == "" {
		return "it " + e.Limit
	}
	return e.Part + " " + e.Limit
}

// processes holds a place for each that runs.
var processes = make(chan struct{}, maxProcesses)

// Call runs the function. The error is a *LimitError, what the function itself
// returned, or a failure to run it at all.
func (c *Confined) Call(ctx context.Context, limits Limits, input []byte) ([]byte, error) {
	select {
	case processes <- struct{}{}:
		defer func() { <-processes }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	stdout := &limitedBuffer{left: limits.Output, exceeded: cancel}
	stderr := &tail{}
	cmd := exec.CommandContext(limited, executable)
	cmd.Env = c.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), stdout, stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case stdout.full:
		return nil, &LimitError{stderr.part(), fmt.Sprintf("makes more than %d MiB of output", limits.Output>>20)}
	case limited.Err() != nil:
		return nil, &LimitError{stderr.part(), fmt.Sprintf("takes more than %s", limits.Time)}
	case err != nil:
		return nil, stderr.explain(err)
	}
	return decode(stdout.content.Bytes())
}

// environment of the process: neither credentials nor a PATH on which other
// programs could be found, and for HTTP clients that bring their own transport
// a proxy that nobody runs.
func (c *Confined) environment() []string {
	const nowhere = "http://127.0.0.1:1"
	return []string{
		variable + "=" + c.name, "GOMAXPROCS=2", "TMPDIR=/nonexistent",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere,
	}
}

// serve is the other process: it reads the input, calls f and writes a byte
// that tells success from failure, then the result or the error's text.
func serve(f Function) int {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(maxMemory * 3 / 4) // collect garbage rather than give up
	go watchMemory()
	http.DefaultTransport = offline{}
	http.DefaultClient = &http.Client{Transport: offline{}}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 1
	}
	output, err := call(f, input)
	outcome := succeeded
	if err != nil {
		outcome, output = failed, []byte(err.Error())
	}
	for _, part := range [][]byte{{outcome}, output} {
		if _, err := os.Stdout.Write(part); err != nil {
			return 1
		}
	}
	return 0
}

const (
	succeeded byte = '+'
	failed    byte = '-'
)

func call(f Function, input []byte) (output []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f(input, func(part string) { fmt.Fprintln(os.Stderr, atMark+part) })
}

func decode(output []byte) ([]byte, error) {
	switch {
	case len(output) == 0:
		return nil, errors.New("the confined process said nothing")
	case output[0] == failed:
		return nil, errors.New(string(output[1:]))
	}
	return output[1:], nil
}

// watchMemory ends the process before it takes memory that others need.
func watchMemory() {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	for range time.Tick(20 * time.Millisecond) {
		metrics.Read(sample)
		if sample[0].Value.Uint64() > maxMemory {
			os.Exit(exitMemory)
		}
	}
}

// offline refuses to ask the network: what is rendered is in the input.
type offline struct{}

func (offline) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s is not fetched: everything must be part of the blueprint", r.URL.Redacted())
}

// atMark begins a line of standard error that names the part looked at.
const atMark = "landfall-at: "

// tail keeps the part looked at last, and the first lines of anything else: a
// crash says what it is about at its beginning.
type tail struct {
	mu      sync.Mutex
	partial strings.Builder
	at      string
	rest    strings.Builder
}

const maxRest = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range p {
		if c != '\n' {
			if t.partial.Len() < maxRest {
				t.partial.WriteByte(c)
			}
			continue
		}
		line := t.partial.String()
		t.partial.Reset()
		if part, ok := strings.CutPrefix(line, atMark); ok {
			t.at = part
		} else if t.rest.Len() < maxRest {
			t.rest.WriteString(line + "\n")
		}
	}
	return len(p), nil
}

func (t *tail) part() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// explain turns the way the process died into an error.
func (t *tail) explain(err error) error {
	part := t.part()
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case ok && exit.ExitCode() == exitMemory:
		return &LimitError{part, fmt.Sprintf("needs more than %d MiB of memory", maxMemory>>20)}
	case strings.Contains(t.rest.String(), "stack exceeds"):
		return &LimitError{part, "calls itself without end"}
	}
	first, _, _ := strings.Cut(t.rest.String(), "\n")
	return fmt.Errorf("running a confined process: %w: %s", err, first)
}

// limitedBuffer calls exceeded when more is written than fits.
type limitedBuffer struct {
	content  bytes.Buffer
	left     int64
	full     bool
	exceeded func()
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		b.full = true
		b.exceeded()
		return 0, io.ErrShortWrite
	}
	return b.content.Write(p)
}
