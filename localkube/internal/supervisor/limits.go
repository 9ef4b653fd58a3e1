package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Every kubelet and API server watches a handful of files. The kernel's
// defaults are too low for several of them on one machine.
var watchLimits = map[string]int{
	"/proc/sys/fs/inotify/max_user_instances": 1024,
	"/proc/sys/fs/inotify/max_user_watches":   131072,
}

// raiseLimits raises the kernel's limits on file watches where they are lower
// than several clusters need. They stay raised: others may rely on them by then.
func raiseLimits() error {
	var errs error
	for path, want := range watchLimits {
		data, err := os.ReadFile(path)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		have, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err == nil && have < want {
			err = os.WriteFile(path, []byte(strconv.Itoa(want)), 0o644)
		}
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("raising %s to %d: %w", path, want, err))
		}
	}
	return errs
}
