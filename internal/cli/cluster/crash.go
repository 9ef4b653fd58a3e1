package cluster

import (
	"syscall"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// envCrash names a point at which the program is to be killed: for tests of
// what a crash leaves. See provision.CrashPoints.
const envCrash = "LANDFALL_CRASH_AT"

func crashPoint(c *command.Context) func(string) {
	at := c.Getenv(envCrash)
	if at == "" {
		return nil
	}
	return func(point string) {
		if point == at {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		}
	}
}
