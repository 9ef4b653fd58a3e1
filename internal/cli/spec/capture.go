package spec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

type captureFlags struct {
	targetFlags
	output string
	full   bool
	kinds  []string
}

func newCapture(c *command.Context) *cobra.Command {
	var flags captureFlags
	cmd := &cobra.Command{
		Use:   "capture TARGET...",
		Short: "Write down what a host, a pod or an image really is",
		Long: `Write down what a host, a pod or an image really is: packages, services, users,
kernel parameters, files that people changed, and the settings in force of what
runs there, defaults included. One session, no agent, nothing written there.

` + targetHelp + `

What cannot be read is in the document as unknown, with the reason. What looks
secret is there only as a fingerprint. Captured again into the same file, only
the facts change: its salt, rules and decisions stay. Several targets need
-o FOLDER and get a file each; one that fails does not stop the others.`,
		Example: `  landfall spec capture local
  landfall spec capture ssh://deploy@web1 --sudo -o web1.yaml
  landfall spec capture 'ssh://deploy@web{1..3}' -o fleet/
  landfall spec capture --targets hosts.txt --parallel 20 -o fleet/
  landfall spec capture image://registry.example.org/shop:1.4 -o shop.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := flags.targets(c, args)
			if err != nil {
				return err
			}
			return flags.run(cmd.Context(), c, targets)
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVarP(&flags.output, "output", "o", "", "`file` to write, or folder for several targets; by default standard output")
	cmd.Flags().BoolVar(&flags.full, "full", false, "compare all files of all packages, not only those of folders where people change things")
	cmd.Flags().StringSliceVar(&flags.kinds, "kind", nil, "capture only these `kinds`, such as package,sysctl")
	cmd.RegisterFlagCompletionFunc("kind", ask.CompleteLists(hostspec.Kinds...))
	return cmd
}

func (f *captureFlags) run(ctx context.Context, c *command.Context, targets []target.Target) error {
	place, err := newPlace(c, f.output, targets)
	if err != nil {
		return err
	}
	kinds, err := readKinds(f.kinds)
	if err != nil {
		return err
	}
	options := capture.Options{Salt: place.salt(), Full: f.full, Kinds: kinds}
	var failed []error
	err = capture.Many(ctx, targets, f.parallel, options, c.Progress(), func(i int, spec *hostspec.Spec, err error) error {
		if err != nil {
			failed = append(failed, err)
			return nil
		}
		c.Progress().Note("%s", summary(targets[i], spec))
		return place.write(i, spec)
	})
	switch {
	case err != nil:
		return err
	case len(failed) == 1:
		return failed[0]
	case len(failed) > 1:
		for _, err := range failed {
			c.Progress().Note("%v", err)
		}
		return fault.New(fault.Failed, "The others are written. Repeat it for those that failed.", "capturing: %d of %d targets failed", len(failed), len(targets))
	}
	return nil
}

func readKinds(names []string) ([]hostspec.Kind, error) {
	var kinds []hostspec.Kind
	for _, name := range names {
		kind := hostspec.Kind(name)
		if !slices.Contains(hostspec.Kinds, kind) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Kinds are %v.", hostspec.Kinds), "reading --kind: there is no kind %q", name)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// summary says what a capture found, in one line.
func summary(t target.Target, spec *hostspec.Spec) string {
	text := fmt.Sprintf("%s: %d items", t.Name(), len(spec.Items))
	kinds := slices.Sorted(maps.Keys(spec.Unknown))
	if len(kinds) > 0 {
		text += fmt.Sprintf("; not or not wholly known: %s (%.90s)", kinds[0], spec.Unknown[kinds[0]])
	}
	if len(kinds) > 1 {
		text += fmt.Sprintf(" and %d more kinds", len(kinds)-1)
	}
	return text
}

// place is where captured documents go.
type place struct {
	c     *command.Context
	paths []string // by target; empty is standard output
	olds  []*hostspec.Spec
}

func newPlace(c *command.Context, output string, targets []target.Target) (*place, error) {
	p := &place{c: c, paths: make([]string, len(targets)), olds: make([]*hostspec.Spec, len(targets))}
	several := len(targets) > 1
	if info, err := os.Stat(output); err == nil && info.IsDir() || strings.HasSuffix(output, "/") {
		several = true
	}
	switch {
	case several && output == "":
		return nil, fault.New(fault.Invalid, "Add -o FOLDER.", "%d targets need a folder for their documents", len(targets))
	case several:
		if err := os.MkdirAll(output, 0o755); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "Choose another folder with -o.")
		}
	case output != "":
		if _, err := os.Stat(filepath.Dir(output)); err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("writing %s: %w", output, err), "Make the folder, or choose another with -o.")
		}
	}
	for i, t := range targets {
		if p.paths[i] = output; several {
			p.paths[i] = filepath.Join(output, fileName(t))
		}
		old, err := readOld(p.paths[i])
		if err != nil {
			return nil, err
		}
		p.olds[i] = old
	}
	return p, nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._@-]+`)

// fileName is the target's name without its scheme, fit for a file.
func fileName(t target.Target) string {
	_, name, found := strings.Cut(t.Name(), "://")
	if !found {
		name = t.Name()
	}
	return strings.Trim(unfit.ReplaceAllString(name, "-"), "-.") + ".yaml"
}

func readOld(path string) (*hostspec.Spec, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading the document that is there: %w", err), "")
	}
	old, err := hostspec.Decode(data, path)
	if err != nil {
		return nil, fault.Wrap(fault.Refused, err, "The file is there and no host spec: it stays. Choose another with -o, or remove it.")
	}
	return old, nil
}

// salt is that of the first document that is there.
func (p *place) salt() string {
	for _, old := range p.olds {
		if old != nil {
			return old.Salt
		}
	}
	return ""
}

// write puts one document in its place; rules and decisions of the one before
// stay.
func (p *place) write(i int, spec *hostspec.Spec) error {
	if old := p.olds[i]; old != nil {
		spec.Rules, spec.Decisions = old.Rules, old.Decisions
	}
	var document bytes.Buffer
	if err := spec.Encode(&document); err != nil {
		return err
	}
	if p.paths[i] == "" {
		_, err := p.c.Out.Write(document.Bytes())
		return err
	}
	return replaceFile(p.paths[i], document.Bytes())
}

// replaceFile writes a file so that it is either the old or the new one.
func replaceFile(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".landfall-*")
	if err != nil {
		return fault.Wrap(fault.Invalid, fmt.Errorf("writing %s: %w", path, err), "Choose another file with -o.")
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
