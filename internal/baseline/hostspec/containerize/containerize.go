// Package containerize makes from a host what runs it on Kubernetes: a
// Dockerfile, a blueprint, the names of the secrets, what must hold afterwards,
// and, if wanted, the files of an image that runs at once. The triage says what
// of the host belongs where; configuration is adapted to a container and each
// change is told. Nothing that looks like a credential is packed.
//
// The package knows neither registries nor Kubernetes' types: the caller checks
// the blueprint and pushes the image. Start at Run.
package containerize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Options of Run.
type Options struct {
	// Spec of the host, with the decisions of triage.
	Spec *hostspec.Spec
	// Rules of triage.
	Rules *triage.Rules
	// Host is where the files are.
	Host target.Shell
	// Name of the blueprint and its first component: a DNS label.
	Name string
	// Image is the reference that the blueprint runs.
	Image string
	// Assemble asks for the image's files as an archive, in Result.Archive.
	Assemble bool
	// Allow are patterns of files that may be packed although they look like
	// credentials.
	Allow []string
	// Dir is where the result goes. It must be empty or not there, unless Force
	// is set: then files of the same names are replaced.
	Dir   string
	Force bool
	// SecretValues asks for secret.yaml with the values found, readable by its
	// owner alone; without it there are names only.
	SecretValues bool
	Progress     progress.Reporter
}

// Result is what came of it.
type Result struct {
	Dir string `json:"dir"`
	// Files written, below Dir; rootfs counts as one.
	Files []string `json:"files"`
	// Packages that are pinned.
	Packages []string `json:"packages"`
	// Secrets are the keys that the Secret must have.
	Secrets []string `json:"secrets,omitempty"`
	// Changes of configuration, for people.
	Changes []string `json:"changes,omitempty"`
	// Open decisions of triage.
	Open []string `json:"open,omitempty"`
	// OneInstance says why there may be no second instance.
	OneInstance string `json:"oneInstance,omitempty"`

	// Blueprint as written.
	Blueprint []byte `json:"-"`
	// Archive is a tar of the image's files, where it was asked for; the caller
	// removes it. Run is how the image is started.
	Archive string `json:"-"`
	Run     RunConfig
}

// RunConfig is how an image is started.
type RunConfig struct {
	User       string
	Command    []string
	Env        map[string]string
	Ports      []int32
	StopSignal string
}

// stopSignal lets nginx and PHP-FPM finish the requests under way.
const stopSignal = "SIGQUIT"

var validName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Run looks at the host, fetches what belongs to the image and the
// configuration, and writes the result. It needs two sessions and writes
// nothing on the host. On an error, Dir is as it was.
func Run(ctx context.Context, options Options) (*Result, error) {
	if !validName.MatchString(options.Name) {
		return nil, fault.New(fault.Invalid, "Give another with --name: lower-case letters, digits and hyphens, at most 40.", "containerizing %s: %q is no name for a component", options.Spec.Host, options.Name)
	}
	if err := usable(options.Dir, options.Force); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(filepath.Clean(options.Dir)), ".landfall-containerize-*")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("writing to %s: %w", options.Dir, err), "Choose another folder with -o.")
	}
	defer os.RemoveAll(work)

	report := triage.Run(options.Spec, options.Rules)
	s, err := look(ctx, options)
	if err != nil {
		return nil, err
	}
	a := &adapter{env: map[string]string{}, sessions: movesSessions(options.Spec, report)}
	picked := choose(options.Spec, report, options.Rules, s, a.sessions)
	got, out, err := pack(ctx, options, report, picked, a, work)
	if err != nil {
		return nil, err
	}
	files, intoImage := configFiles(picked, got, a, hostNames(options.Spec))
	if len(intoImage) > 0 {
		if err := out.addConfig(intoImage, got.config); err != nil {
			return nil, err
		}
	}
	for _, name := range environmentFiles(report) {
		a.environment(name, got.config[name])
	}
	p := newPlan(options, report, s, picked, files, a)
	archive, err := out.finish(s, picked, p)
	if err != nil {
		return nil, err
	}
	result, err := write(options, report, p, picked, s, got, work)
	if err != nil {
		_ = os.Remove(archive)
		return nil, err
	}
	result.Archive = archive
	return result, nil
}

// usable says whether a folder may be written to.
func usable(dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case os.IsNotExist(err):
		if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
			return fault.Wrap(fault.Invalid, fmt.Errorf("writing to %s: %w", dir, err), "Choose another folder with -o.")
		}
		return nil
	case err != nil:
		return fault.Wrap(fault.Invalid, fmt.Errorf("writing to %s: %w", dir, err), "Choose another folder with -o.")
	case len(entries) > 0 && !force:
		return fault.New(fault.Refused, "Choose another folder with -o, or replace what is there with --force.", "writing to %s: it is not empty", dir)
	}
	return nil
}

func look(ctx context.Context, options Options) (*survey, error) {
	step := options.Progress.Step("look at " + options.Host.Name())
	s, err := ask(ctx, options.Host, roots)
	if err != nil {
		step.Fail(err)
		return nil, err
	}
	step.Done("%d packages, %d files of its own", len(s.lists), len(s.files))
	return s, nil
}

// pack fetches the files and refuses credentials among those of the image.
func pack(ctx context.Context, options Options, report *triage.Report, picked *choice, a *adapter, work string) (*fetched, *output, error) {
	out, err := newOutput(work, options.Assemble, picked, a)
	if err != nil {
		return nil, nil, err
	}
	step := options.Progress.Step("fetch files")
	got, err := fetch(ctx, options.Host, picked, toRead(report, picked), options.Assemble, out, func(n int64) { step.Count(n, 0, "B") })
	if err == nil {
		err = refuse(options, got.found)
	}
	if err != nil {
		out.discard()
		step.Fail(err)
		return nil, nil, err
	}
	step.Done("%d files", len(got.got))
	return got, out, nil
}

// toRead are the files whose content is looked at: configuration, also where
// it is as its package shipped it.
func toRead(report *triage.Report, picked *choice) []string {
	read := environmentFiles(report)
	for _, f := range picked.config {
		read = append(read, f.path)
	}
	for _, f := range picked.image {
		if isAdapted(f.path) {
			read = append(read, f.path)
		}
	}
	return read
}

// refuse names the files that look like credentials, unless they are allowed.
func refuse(options Options, found []leak) error {
	found = slices.DeleteFunc(slices.Clone(found), func(l leak) bool { return matchAny(options.Allow, l.Path) })
	if len(found) == 0 {
		return nil
	}
	var list strings.Builder
	for _, l := range found {
		fmt.Fprintf(&list, "\n  %s: %s", l.Path, l.Why)
	}
	return fault.New(fault.Refused,
		fmt.Sprintf("Decide config to make it a Secret, or drop: `landfall spec triage FILE --decide 'file/%s=config'`; or pack it after all with --allow %s.", found[0].Path, found[0].Path),
		"containerizing %s: these files look like credentials, which do not belong into an image:%s", options.Spec.Host, list.String())
}
