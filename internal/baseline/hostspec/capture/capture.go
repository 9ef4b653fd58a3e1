package capture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Timeout bounds one capture, unless Options say otherwise.
const Timeout = 2 * time.Minute

// Options of a capture. The zero value captures everything.
type Options struct {
	// Salt of fingerprints, hex; NewSalt makes one. Empty means a new one.
	// Captures that are to be compared need the same.
	Salt string
	// Full verifies the files of all packages, not just of the captured folders.
	Full bool
	// Kinds restricts the capture to the sources of these kinds; empty means all.
	Kinds []hostspec.Kind
	// Paths are files that are looked at wherever they are: an item each, with
	// state managed where it is as its package ships it, and state absent where
	// nothing is there. Verifying a document asks for those that it names.
	Paths []string
	// Timeout of the whole; 0 is the constant.
	Timeout time.Duration
}

// Capture reads the facts of one target. The result is sorted; facts that could
// not be read are in it as unknown. It is an error when the target cannot be
// reached or does not answer to its end. Safe for concurrent use.
func Capture(ctx context.Context, t target.Target, options Options) (*hostspec.Spec, error) {
	limit := options.Timeout
	if limit == 0 {
		limit = Timeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer cancel()
	if options.Salt == "" {
		options.Salt = NewSalt()
	}
	sources := chosen(Sources(), options.Kinds)
	in, err := read(ctx, t, sources, options)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
		return nil, fault.Wrap(fault.ClassOf(err), fmt.Errorf("capturing %s: %w", t.Name(), err), fault.HintOf(err))
	}
	return assemble(in, sources, options), nil
}

// NewSalt makes a salt for fingerprints.
func NewSalt() string { return random(16) }

func random(bytes int) string {
	buffer := make([]byte, bytes)
	rand.Read(buffer) // never fails: crypto/rand
	return hex.EncodeToString(buffer)
}

// chosen gives the sources that fill any of the kinds.
func chosen(sources []Source, kinds []hostspec.Kind) []Source {
	if len(kinds) == 0 {
		return sources
	}
	return slices.DeleteFunc(sources, func(s Source) bool {
		return !slices.ContainsFunc(s.Kinds, func(kind hostspec.Kind) bool { return slices.Contains(kinds, kind) })
	})
}

func read(ctx context.Context, t target.Target, sources []Source, options Options) (*Input, error) {
	switch t := t.(type) {
	case target.Shell:
		return readShell(ctx, t, sources, options)
	case target.Image:
		return readImage(ctx, t, sources, options)
	}
	return nil, fmt.Errorf("%T has neither a shell nor files", t)
}

// readShell runs the collector and reads its stream while it comes.
func readShell(ctx context.Context, shell target.Shell, sources []Source, options Options) (*Input, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	nonce := random(16)
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := shell.Run(ctx, strings.NewReader(script(sources, nonce, shell.Compress(), options)), in)
		_ = in.Close()
		ended <- err
	}()
	result, err := readStream(out, nonce, sources)
	if err != nil {
		// What the transport says explains more than a stream that broke off.
		cancel()
		out.CloseWithError(err)
		return nil, pick(<-ended, err)
	}
	_, _ = io.Copy(io.Discard, out)
	if err := <-ended; err != nil {
		return nil, err
	}
	return &Input{
		Host: result.host, User: result.user, UID: result.uid, Full: options.Full, Paths: options.Paths,
		files: result.files, closed: result.closed, outcomes: result.outcomes,
	}, nil
}

// pick prefers the transport's error, unless we caused it ourselves.
func pick(transport, stream error) error {
	if transport == nil || errors.Is(transport, context.Canceled) {
		return stream
	}
	return transport
}

// assemble lets all sources parse, side by side, and joins their items in the
// order of the sources.
func assemble(in *Input, sources []Source, options Options) *hostspec.Spec {
	builders := make([]*Builder, len(sources))
	var wait sync.WaitGroup
	for i, source := range sources {
		builders[i] = &Builder{salt: options.Salt}
		wait.Go(func() { parse(source, in.forSource(source.Name), builders[i]) })
	}
	wait.Wait()
	spec := &hostspec.Spec{Host: in.Host, Salt: options.Salt, Unknown: map[hostspec.Kind]string{}}
	for _, builder := range builders {
		spec.Items = append(spec.Items, builder.items...)
		maps.Copy(spec.Unknown, builder.unknown)
	}
	spec.Sort()
	return spec
}

// parse runs one source. One that breaks on foreign input takes only its own
// kinds with it.
func parse(source Source, in *Input, out *Builder) {
	lost := func(reason string) {
		for _, kind := range source.Kinds {
			out.Unknown(kind, reason)
		}
	}
	defer func() {
		if broken := recover(); broken != nil {
			out.items = nil
			lost(fmt.Sprintf("source %s could not read it: %v", source.Name, broken))
		}
	}()
	if source.Live && in.Image {
		lost(ErrNotObservable.Error())
		return
	}
	source.Parse(in, out)
}
