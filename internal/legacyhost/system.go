package legacyhost

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// enterScript makes namespaces into a Debian system; see its own comment.
//
//go:embed enter.sh
var enterScript string

// system is a root filesystem laid out of layers.
type system struct {
	// lower are the layers that stay as they are, topmost first, separated by
	// colons; upper takes the changes.
	lower, upper string
	env          []string
}

func (s system) environment() []string {
	return append([]string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LAYERS=" + s.lower, "UPPER=" + s.upper, "WORK=" + s.upper + ".work",
	}, s.env...)
}

// inSystem runs a script as root in a system, with this machine's network.
func (m *Manager) inSystem(ctx context.Context, r *Recipe, s system, script string) error {
	recipe, packages, root := m.path("recipe"), m.path("packages"), s.upper+".root"
	if err := r.unpack(recipe); err != nil {
		return err
	}
	defer os.RemoveAll(recipe)
	for _, dir := range []string{packages, root} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a folder for a system: %w", err)
		}
	}
	defer os.Remove(root)
	defer os.RemoveAll(s.upper + ".work")
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", enterScript, "enter", "build", root, script)
	cmd.Env = append(s.environment(), "RECIPE="+recipe, "PACKAGES="+packages)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	return m.logged(cmd)
}

// usablePath refuses folders whose names mount's options could not hold.
func usablePath(dir string) error {
	if strings.ContainsAny(dir, ":,\\\n\"") {
		return fmt.Errorf("using the folder %q: its name must be without colons, commas, quotes and backslashes", dir)
	}
	return nil
}
