package legacyhost

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// settleScript fits a Debian system for namespaces; see its own comment.
//
//go:embed settle.sh
var settleScript string

// layers are the folders that a host's system is laid out of: the base, and
// for each group what comes on top of it. Each is named by a hash of what goes
// into it, so that one that is there is current.
type layers struct {
	base   string
	groups map[string]string
}

// lower is the overlay's list for a host of the group, topmost first.
func (l layers) lower(group string) string { return l.groups[group] + ":" + l.base }

// layers makes the layers that are missing, and removes those of other
// recipes that no host uses.
func (m *Manager) layers(ctx context.Context, r *Recipe) (layers, error) {
	made := layers{groups: map[string]string{}}
	base, err := r.identity([]string{baseFolder}, append([]string{settleScript}, r.Packages...)...)
	if err != nil {
		return made, err
	}
	if made.base, err = m.layer(ctx, baseFolder, base, func(dir string) error { return m.buildBase(ctx, r, dir) }); err != nil {
		return made, err
	}
	for _, g := range r.Groups {
		id, err := r.identity([]string{g.Name}, append([]string{base}, g.Packages...)...)
		if err != nil {
			return made, err
		}
		build := func(dir string) error { return m.buildGroup(ctx, r, g, made.base, dir) }
		if made.groups[g.Name], err = m.layer(ctx, g.Name, id, build); err != nil {
			return made, err
		}
	}
	return made, nil
}

// layer gives the folder of a layer, and builds it where it is not there. A
// layer appears under its name only when it is complete.
func (m *Manager) layer(ctx context.Context, name, id string, build func(dir string) error) (string, error) {
	dir := m.path("layers", name+"-"+id)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := m.nothingStandsOn(name); err != nil {
		return "", err
	}
	what := "system of the " + name + " hosts"
	if name == baseFolder {
		what = "base system"
	}
	step := m.Progress.Step(what)
	partial := dir + ".partial"
	err := m.buildLayer(name, partial, dir, build)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = os.RemoveAll(partial)
		step.Fail(err)
		return "", fmt.Errorf("installing the %s: %w", what, err)
	}
	step.Done("installed")
	return dir, nil
}

// nothingStandsOn refuses to replace a layer below hosts that there are: a
// newer version of Landfall may build it otherwise than the one that made them.
func (m *Manager) nothingStandsOn(layer string) error {
	hosts, err := m.hosts()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Prepared {
			return fault.New(fault.Refused, "Delete them first: landfall local legacy delete.",
				"creating legacy hosts: the %s system is not the one that host %s in %s stands on", layer, h.Name, m.Dir)
		}
	}
	return nil
}

// buildLayer builds a layer aside and puts it into the place of the one that it
// replaces.
func (m *Manager) buildLayer(name, partial, dir string, build func(dir string) error) error {
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	if err := build(partial); err != nil {
		return err
	}
	old, err := filepath.Glob(m.path("layers", name+"-*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if o == partial {
			continue
		}
		if err := os.RemoveAll(o); err != nil {
			return err
		}
	}
	return os.Rename(partial, dir)
}

// buildBase installs Debian with the packages of every host and runs the
// recipe's script in it.
func (m *Manager) buildBase(ctx context.Context, r *Recipe, dir string) error {
	recipe := m.path("recipe")
	if err := r.unpack(recipe); err != nil {
		return err
	}
	defer os.RemoveAll(recipe)
	// Unsafe: without a sync after each file. What a crash leaves is not used.
	args := []string{
		"--variant=minbase", "--include=" + strings.Join(r.Packages, ","),
		"--dpkgopt=force-unsafe-io", "--customize-hook=rm \"$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap\"",
	}
	if script := r.script(baseFolder + "/install.sh"); script != "" {
		args = append(args, "--customize-hook=mkdir \"$1/run/recipe\" && cp -R "+quote(recipe)+"/. \"$1/run/recipe\""+
			" && chroot \"$1\" env RECIPE=/run/recipe sh -eu /run/recipe/"+script+" && rm -r \"$1/run/recipe\"")
	}
	args = append(args, "--customize-hook=chroot \"$1\" sh -euc "+quote(settleScript))
	args = append(append(args, r.Suite, dir), machineSources(r.Suite)...)
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it unmounts what it mounted
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return m.logged(cmd)
}

// installGroup is what installs a group's packages without starting them.
const installGroup = `printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update -q
apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io PACKAGES
if [ -f "$RECIPE/GROUP/install.sh" ]; then sh -eu "$RECIPE/GROUP/install.sh"; fi
rm /usr/sbin/policy-rc.d
`

// buildGroup installs a group's packages on the base and runs its script.
func (m *Manager) buildGroup(ctx context.Context, r *Recipe, g Group, base, dir string) error {
	script := strings.NewReplacer("PACKAGES", strings.Join(g.Packages, " "), "GROUP", g.Name).Replace(installGroup)
	return m.inSystem(ctx, r, system{lower: base, upper: dir}, script)
}

// debianSource is a line that names a mirror of Debian itself: others' package
// sources live below /debian, too, but have no component main.
var debianSource = regexp.MustCompile(`(?m)^[^#]*https?://\S+/debian(-security)?/?(\s|$)`)

// machineSources are this machine's own package sources where they are
// Debian's for the suite; mmdebstrap takes Debian's public ones otherwise.
func machineSources(suite string) []string {
	var found []string
	paths, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	for _, path := range append([]string{"/etc/apt/sources.list"}, paths...) {
		text, err := os.ReadFile(path)
		usable := strings.HasSuffix(path, ".sources") || strings.HasSuffix(path, ".list")
		if err == nil && usable && isDebian(string(text), suite) {
			found = append(found, path)
		}
	}
	return found
}

func isDebian(source, suite string) bool {
	words := strings.Fields(source)
	return debianSource.MatchString(source) && slices.Contains(words, suite) && slices.Contains(words, "main")
}

// logged runs a command whose words go to the build log; its error has the
// last of them.
func (m *Manager) logged(cmd *exec.Cmd) error {
	path := m.path("build.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("opening the build log: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fault.New(fault.Failed, "Does `apt-get update` work on this machine? All that was said is in "+path+".",
			"running %s: %w: %s", filepath.Base(cmd.Path), err, lastLines(path, 3))
	}
	return nil
}

// lastLines gives the end of a log in one line.
func lastLines(path string, n int) string {
	text, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " / ")
}

// quote makes a word of a shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
