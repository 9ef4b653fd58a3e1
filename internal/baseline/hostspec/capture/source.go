// Package capture reads the facts of a host in one round trip: it assembles one
// POSIX shell script from its sources, runs it once on a target, and parses
// what comes back here. From an image, it reads the files instead. It never
// writes on the target, and nothing that comes back is executed.
//
// Start at Capture. To cover one more tool, write its Source in a file of its
// own and add a line to Sources.
package capture

import "github.com/landfall-dev/landfall/internal/baseline/hostspec"

// Source captures one topic. It says which files and commands it needs and
// turns their contents into items. Files are preferred: they can also be read
// from images; commands are for what only the running host knows.
type Source struct {
	// Name is unique, lower case, without spaces.
	Name string
	// Kinds that the source fills. They become unknown as a whole when it
	// cannot do its work, and decide whether a capture of some kinds needs it.
	Kinds []hostspec.Kind
	// Live says that only a running host knows these facts: on an image they
	// are unknown, and Parse is not called.
	Live bool
	// Files whose contents are wanted, as absolute globs of the shell (*, ?,
	// [...]); a last element ** stands for all files below. Files larger than
	// MaxFile are not read; see Input.Read.
	Files []string
	// ImageFiles are wanted in addition where there is no shell: they stand in
	// for what Commands say.
	ImageFiles []string
	// Commands run on targets that have a shell, in order.
	Commands []Command
	// Parse turns what was read into items. It has no side effects, holds on to
	// nothing of in, and must not panic on any content (if it does, Kinds are
	// unknown). It may run concurrently with other sources.
	Parse func(in *Input, out *Builder)
}

// Command is one section of the collector.
type Command struct {
	// ID is unique within its source: see Input.Command.
	ID string
	// Script is POSIX sh, also for dash and BusyBox. It runs in a shell of its
	// own with LC_ALL=C, sbin folders on PATH, and nothing on its input. It
	// must only read. Where the tool is not installed it exits with NotThere.
	// @PATHS@ stands for Options.Paths as words of the shell.
	Script string
	// Seconds it may take; 0 is DefaultSeconds.
	Seconds int
	// FullOnly commands run only in captures with Options.Full.
	FullOnly bool
	// Bytes of output that are read; 0 is DefaultBytes. Beyond, the command is
	// cut short, and Input.Command says so.
	Bytes int
}

// Limits of one command.
const (
	DefaultSeconds = 10
	DefaultBytes   = 4 << 20
)

// MaxFile bounds the files whose contents are read, in bytes. In images, where
// nothing can be filtered before it comes here, it is maxImageFile.
const (
	MaxFile      = 2 << 20
	maxImageFile = 32 << 20
)

// NotThere is the exit code by which a command's script says that what it asks
// is not installed, as a shell does for a command that it does not find.
const NotThere = 127
