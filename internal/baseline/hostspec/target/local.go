package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Local is this machine.
type Local struct {
	// Sudo runs the collector as root where `sudo -n` allows it.
	Sudo bool
}

// Name is "local".
func (Local) Name() string { return "local" }

// Compress: nothing travels.
func (Local) Compress() bool { return false }

// Run implements Shell.
func (l Local) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	return run(exec.CommandContext(ctx, "sh", "-c", bootstrap(l.Sudo)), script, stdout)
}

// bootstrap becomes the shell that reads the script: as root when that is asked
// for and allowed without a password. The words mean the same to any login
// shell.
func bootstrap(sudo bool) string {
	if sudo {
		return "sudo -n true 2>/dev/null && exec sudo -n sh -s; exec sh -s"
	}
	return "exec sh -s"
}

// run runs a program that carries the script there. A script's exit code is no
// error, the carrier's is for the caller: see exitError.
func run(cmd *exec.Cmd, script io.Reader, stdout io.Writer) error {
	stderr := &tail{limit: 8 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = script, stdout, stderr
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &exitError{code: exit.ExitCode(), stderr: strings.TrimSpace(stderr.String())}
	}
	return fmt.Errorf("running %s: %w", cmd.Path, err)
}

// exitError is the end of a carrier that did not succeed.
type exitError struct {
	code   int
	stderr string
}

func (e *exitError) Error() string {
	if e.stderr == "" {
		return fmt.Sprintf("the shell ended with exit code %d", e.code)
	}
	return fmt.Sprintf("the shell ended with exit code %d: %s", e.code, lastLine(e.stderr))
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	bytes.Buffer
}

func (t *tail) Write(data []byte) (int, error) {
	t.Buffer.Write(data)
	if over := t.Len() - t.limit; over > 0 {
		t.Next(over)
	}
	return len(data), nil
}
