package serve

import (
	"slices"
	"strings"
	"syscall"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/controller"
	"github.com/landfall-dev/landfall/internal/fault"
)

// crashVariable names the point at which the process is to be killed, for tests
// of what a crash leaves behind.
const crashVariable = "LANDFALL_CRASH_AT"

// failureInjection gives what kills the process at the point that the
// environment variable names, as `kill -9` would: no deferred call runs, no
// connection is closed in order. Nil when it is not set.
func failureInjection(c *command.Context) (func(point string), error) {
	wanted := c.Getenv(crashVariable)
	if wanted == "" {
		return nil, nil
	}
	known := controller.CrashPoints()
	if !slices.ContainsFunc(known, func(point string) bool { return at(wanted, point) }) {
		return nil, fault.New(fault.Invalid, "Use one of: "+strings.Join(known, ", ")+".", "reading %s=%q: no such point", crashVariable, wanted)
	}
	return func(point string) {
		if at(point, wanted) {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment: go no further
		}
	}, nil
}

// at tells whether a point is the wanted one: the same, or the same with a
// stage's name behind it.
func at(point, wanted string) bool {
	return point == wanted || strings.HasPrefix(point, wanted+" ")
}
