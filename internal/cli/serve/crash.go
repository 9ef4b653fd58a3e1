package serve

import (
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/controller"
	"github.com/landfall-dev/landfall/internal/fault"
)

// crashVariable names the point at which the process is to be killed, for tests
// of what a crash leaves behind.
const crashVariable = "LANDFALL_CRASH_AT"

// stopVariable names the point at which the process is to be stopped, until
// somebody lets it go on (SIGCONT): for tests of a leader that sleeps past its
// lease and wakes up.
const stopVariable = "LANDFALL_STOP_AT"

// failureInjection gives what kills or stops the process at the point that an
// environment variable names, as `kill -9` and `kill -STOP` would: no deferred
// call runs, no connection is closed in order. Nil when none is set.
func failureInjection(c *command.Context) (func(point string), error) {
	killAt, err := injectionPoint(c, crashVariable)
	if err != nil {
		return nil, err
	}
	stopAt, err := injectionPoint(c, stopVariable)
	if err != nil || killAt == "" && stopAt == "" {
		return nil, err
	}
	var stopped atomic.Bool
	return func(point string) {
		switch {
		case killAt != "" && at(point, killAt):
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment: go no further
		case stopAt != "" && at(point, stopAt) && stopped.CompareAndSwap(false, true):
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
			time.Sleep(100 * time.Millisecond) // likewise
		}
	}, nil
}

// injectionPoint reads the point that a variable names; "" where it is not set.
func injectionPoint(c *command.Context, variable string) (string, error) {
	wanted := c.Getenv(variable)
	known := controller.CrashPoints()
	if wanted == "" || slices.ContainsFunc(known, func(point string) bool { return at(wanted, point) }) {
		return wanted, nil
	}
	return "", fault.New(fault.Invalid, "Use one of: "+strings.Join(known, ", ")+".", "reading %s=%q: no such point", variable, wanted)
}

// at tells whether a point is the wanted one: the same, or the same with a
// stage's name behind it.
func at(point, wanted string) bool {
	return point == wanted || strings.HasPrefix(point, wanted+" ")
}
