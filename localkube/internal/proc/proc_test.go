package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start runs a shell command that is reaped when it ends.
func start(t *testing.T, script string, env ...string) ID {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	t.Cleanup(func() { _ = id.Kill() })
	return id
}

func TestIdentify(t *testing.T) {
	id, err := Identify(os.Getpid())
	if err != nil || id.PID != os.Getpid() || id.Start == 0 || !id.Alive() {
		t.Errorf("%+v, %v", id, err)
	}
	reused := ID{PID: id.PID, Start: id.Start + 1}
	if reused.Alive() {
		t.Error("another process of the same number passes for this one")
	}
	if err := reused.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("signalling another process of the same number: %v", err)
	}
	if _, err := Identify(1 << 30); !errors.Is(err, ErrGone) {
		t.Errorf("no such process: %v", err)
	}
}

func TestEnd(t *testing.T) {
	for name, script := range map[string]string{
		"that obeys":    "exec sleep 60",
		"that does not": "trap '' TERM; while :; do sleep 0.1; done",
	} {
		t.Run("a process "+name, func(t *testing.T) {
			id := start(t, script)
			time.Sleep(50 * time.Millisecond) // for the trap to be set
			if err := id.End(300 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if err := id.End(0); err != nil {
				t.Errorf("ending it again: %v", err)
			}
			if err := id.Wait(t.Context()); err != nil {
				t.Errorf("waiting for it: %v", err)
			}
		})
	}
}

func TestWaitObeysContext(t *testing.T) {
	id := start(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := id.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestWithEnv(t *testing.T) {
	marked := start(t, "exec sleep 60", "LOCALKUBE_TEST=a1")
	other := start(t, "exec sleep 60", "LOCALKUBE_TEST=a12")
	time.Sleep(20 * time.Millisecond) // for exec to set the environment
	found, err := WithEnv("LOCALKUBE_TEST=a1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(found, marked) || slices.Contains(found, other) {
		t.Errorf("found %v, want %v and not %v", found, marked, other)
	}
	if args := marked.Args(); len(args) == 0 || args[0] != "sleep" {
		t.Errorf("args %q", args)
	}
}
