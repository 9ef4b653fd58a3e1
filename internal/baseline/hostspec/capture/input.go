package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
)

// Input is what was read from the target for the sources. It is read-only and
// safe for concurrent use.
type Input struct {
	// Host is what the target calls itself, or its name where it does not say.
	Host string
	// Image says that there is no running host, just files.
	Image bool
	// User and UID that the collector ran as.
	User string
	UID  int
	// Full asks for full verification of packages.
	Full bool
	// Paths are files that get an item each whatever their state: see
	// Options.Paths.
	Paths []string

	source   string
	files    map[string]file
	outcomes map[string]Output
	closed   []string
	// tree and config are of an image.
	tree   tree
	config target.Config
}

// file is a file that a glob matched, or the reason why it was not read.
type file struct {
	content []byte
	err     error
}

// Output of a command.
type Output struct {
	Stdout []byte
	// Stderr is the end of what the command wrote there, without its last
	// newline.
	Stderr string
	// Exit code of the script.
	Exit int

	err error
}

// Errors of Input; their texts are fit to be reasons of unknown facts.
var (
	// ErrNotObservable: an image does not run.
	ErrNotObservable = errors.New("not observable in an image")
	// ErrNotInstalled: the command is not there.
	ErrNotInstalled = errors.New("not installed")
)

// Read gives the content of a file that a glob of the source matches. Errors:
// fs.ErrNotExist when the file is not there; fs.ErrPermission when the user may
// not read it or look into its folder; others for files that are too large or
// unreadable. Except for fs.ErrNotExist, the error's text is the reason for an
// unknown fact. The content must not be changed.
func (in *Input) Read(name string) ([]byte, error) {
	if f, seen := in.files[name]; seen {
		return f.content, f.err
	}
	for _, folder := range in.closed {
		if strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/") {
			return nil, in.denied(folder)
		}
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

// Glob gives the paths of files that match any of the patterns, sorted,
// readable or not. Patterns are as in Source.Files.
func (in *Input) Glob(patterns ...string) []string {
	var names []string
	for name := range in.files {
		if slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Closed gives the reason why the files of a glob may be incomplete: a folder
// on the way that the user may not look into. Otherwise nil.
func (in *Input) Closed(pattern string) error {
	for _, folder := range in.closed {
		for prefix := path.Dir(pattern); prefix != "/" && prefix != "."; prefix = path.Dir(prefix) {
			if matched, _ := path.Match(prefix, folder); matched {
				return in.denied(folder)
			}
		}
	}
	return nil
}

func (in *Input) denied(path string) error { return &deniedError{path: path, user: in.User} }

// deniedError says whom the target refused.
type deniedError struct{ path, user string }

func (e *deniedError) Error() string {
	return fmt.Sprintf("permission denied for user %s: %s", e.user, e.path)
}

func (e *deniedError) Unwrap() error { return fs.ErrPermission }

// Command gives the output of the source's own command. The error says why
// there is none, or that it is not whole (Stdout then has the part that came):
// ErrNotObservable, ErrNotInstalled (exit code NotThere), or that it took too
// long or wrote too much. Other exit codes are the source's to judge.
func (in *Input) Command(id string) (Output, error) {
	out, ran := in.outcomes[in.source+"/"+id]
	switch {
	case ran:
		return out, out.err
	case in.Image:
		return Output{}, ErrNotObservable
	}
	return Output{}, errors.New("the collector did not come to it")
}

// forSource gives a view in which Command means the source's own.
func (in *Input) forSource(name string) *Input {
	view := *in
	view.source = name
	return &view
}
