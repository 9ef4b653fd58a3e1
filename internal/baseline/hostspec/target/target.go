// Package target reaches what a host spec is captured from: this machine, a
// host over SSH, a pod, an image or a tar archive. It knows how to run a shell
// script there, or how to read the files, and nothing of what is looked for.
//
// Start at Target and Parse.
package target

import (
	"context"
	"io"
)

// Target is a place whose facts can be captured. It is either a Shell or an
// Image. Targets are immutable and safe for concurrent use.
type Target interface {
	// Name is how people wrote it: "local", "ssh://deploy@web1".
	Name() string
}

// Shell is a target that runs programs.
type Shell interface {
	Target
	// Run feeds script to one POSIX shell (`sh -s`) on the target, in one
	// session, and copies its output. It returns when the script ended, whatever
	// its exit code, with an error that says why if the target could not be
	// reached or the session broke. It honours ctx and may be called again.
	Run(ctx context.Context, script io.Reader, stdout io.Writer) error
	// Compress says that output travels far enough to be worth compressing.
	Compress() bool
}

// Image is a target that only has files.
type Image interface {
	Target
	// Open gives the files as one flattened tar stream, each path once, in any
	// order, and the way the image is started. It may be called again. Errors
	// while reading come from the stream.
	Open(ctx context.Context) (io.ReadCloser, Config, error)
}

// Config is how an image is started.
type Config struct {
	Env        []string
	User       string
	WorkingDir string
	Entrypoint []string
	Command    []string
	// Ports exposed, such as "80/tcp".
	Ports []string
	// Labels are not captured: builds change them.
	Architecture string
	OS           string
}
