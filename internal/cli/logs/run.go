package logs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/live"
)

func run(ctx context.Context, c *command.Context, name string, components []string, f *flags) error {
	query, err := f.query(c, name, components)
	if err != nil {
		return err
	}
	opts, err := f.print(c)
	if err != nil {
		return err
	}
	printer := logs.NewPrinter(c.Out, opts)
	sink := logs.Sink(printer)
	if query.Tail > 0 {
		sink = logs.NewTail(printer, query.Tail)
	}
	s := &session{command: c, flags: f, query: query, merger: logs.NewMerger(logs.MergeOptions{})}
	err = s.show(ctx, sink)
	return errors.Join(err, printer.Flush())
}

// session is one run of the command.
type session struct {
	command *command.Context
	flags   *flags
	query   logs.Query
	merger  *logs.Merger
}

// show brings live and gathered lines together.
func (s *session) show(ctx context.Context, sink logs.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, err := s.open(ctx)
	if err != nil {
		return err
	}
	asked := time.Now()
	starts := map[string]logs.Start{}
	if s.wantsGathered() {
		starts = s.begin(ctx, running.Initial)
	}
	for _, stream := range running.Initial {
		s.join(stream)
	}
	if s.wantsGathered() {
		if err := s.addGathered(ctx, starts, asked); err != nil {
			return err
		}
	}
	if !s.flags.follow {
		s.merger.Close()
		return incomplete(s.merger.Run(ctx, sink))
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { _ = running.Run(ctx, s.join) }) // it ends with ctx only
	return incomplete(s.merger.Run(ctx, sink))
}

func (s *session) join(stream live.Stream) { s.merger.Add(stream.Origin.String(), stream) }

// wantsGathered: gathered logs are of the past, of which -f alone shows a
// little that running pods still have.
func (s *session) wantsGathered() bool {
	return !s.flags.previous && (!s.flags.follow || s.flags.since != "" || s.flags.tail > 0)
}

// incomplete gives readers' errors the right class and next step.
func incomplete(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || fault.HintOf(err) != "" {
		return err
	}
	return fault.Wrap(fault.Failed, err, "What could be read is shown. `kubectl get nodes` shows nodes that are down; naming components or --pod leaves the rest out.")
}

// open finds the running containers: none with --archived.
func (s *session) open(ctx context.Context) (*live.Session, error) {
	if s.flags.archived {
		s.query.Namespace = s.archivedNamespace(ctx)
		return &live.Session{}, nil
	}
	env, err := ask.Environment(ctx, s.command, s.query.Environment)
	if err != nil {
		return nil, err
	}
	if err := checkComponents(env, s.query.Components); err != nil {
		return nil, err
	}
	s.query.Namespace = namespaceOf(env)
	config, err := ask.TargetConfig(ctx, s.command, environment.Cluster(env))
	if err != nil {
		return nil, err
	}
	reader, err := live.New(config, live.Timing{})
	if err != nil {
		return nil, command.Explain(err)
	}
	opts := live.Options{Namespace: s.query.Namespace, Query: s.query, Follow: s.flags.follow, Previous: s.flags.previous}
	if s.query.Grep == nil {
		opts.NewestLines = int64(s.query.Tail)
	}
	running, err := reader.Open(ctx, opts)
	return running, command.Explain(err)
}

func namespaceOf(env *v1alpha1.Environment) string {
	for _, name := range []string{env.Status.Namespace, env.Spec.Namespace} {
		if name != "" {
			return name
		}
	}
	return env.Name
}

// archivedNamespace is for Loki, which knows no environments: that of the
// environment, or where it is deleted the one it had unless told otherwise.
func (s *session) archivedNamespace(ctx context.Context) string {
	if env, err := ask.Environment(ctx, s.command, s.query.Environment); err == nil {
		return namespaceOf(env)
	}
	return s.query.Environment
}

// checkComponents catches misspelt names, which would show as silence.
func checkComponents(env *v1alpha1.Environment, wanted []string) error {
	var known []string
	for _, component := range env.Status.Components {
		known = append(known, component.Name)
	}
	for _, name := range wanted {
		if len(known) > 0 && !slices.Contains(known, name) {
			return fault.New(fault.NotFound, "Name one of: "+strings.Join(known, ", ")+". --archived also finds components of the past.",
				"environment %s has no component %s", env.Name, name)
		}
	}
	return nil
}

// beginPatience is how long a container's first lines are waited for, to know
// where its live output begins.
const beginPatience = 4 * time.Second

// begin reads the first lines of all containers, and says where they begin.
// A container that does not answer in time has no beginning: then its gathered
// lines are shown.
func (s *session) begin(ctx context.Context, streams []live.Stream) map[string]logs.Start {
	var mu sync.Mutex
	starts := map[string]logs.Start{}
	var reading sync.WaitGroup
	for i := range streams {
		stream := &streams[i]
		reading.Go(func() {
			first := firstBatch(ctx, stream)
			if first == nil {
				return
			}
			if start, ok := logs.StartOf(first); ok {
				mu.Lock()
				defer mu.Unlock()
				starts[stream.Origin.Key()] = start
			}
		})
	}
	reading.Wait()
	return starts
}

// firstBatch reads a stream's first batch and leaves the stream as if it had
// not been read.
func firstBatch(ctx context.Context, stream *live.Stream) *logs.Batch {
	type result struct {
		batch *logs.Batch
		err   error
	}
	read := make(chan result, 1)
	go func() {
		b, err := stream.Next(ctx)
		read <- result{b, err}
	}()
	timer := time.NewTimer(beginPatience)
	defer timer.Stop()
	select {
	case r := <-read:
		if r.err != nil {
			stream.Reader = logs.Failed(r.err, stream.Reader)
			return nil
		}
		stream.Reader = logs.Prepend(r.batch, stream.Reader)
		return r.batch
	case <-timer.C:
	case <-ctx.Done():
	}
	late := stream.Reader
	stream.Reader = logs.Await(func(ctx context.Context) (logs.Reader, error) {
		select {
		case r := <-read:
			if r.err != nil {
				return logs.Failed(r.err, late), nil
			}
			return logs.Prepend(r.batch, late), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, late)
	return nil
}

// addGathered lets the gathered lines join that the running containers do not
// have any more.
func (s *session) addGathered(ctx context.Context, starts map[string]logs.Start, asked time.Time) error {
	source, name, err := s.flags.loki.source(s.command)
	if err != nil {
		return err
	}
	query := s.query
	if s.flags.follow {
		query.Until = asked
	}
	reader, err := source.Read(ctx, query)
	switch {
	case err == nil:
		s.merger.Add(name, logs.WithoutOverlap(reader, starts))
		return nil
	case notInstalled(err) && !s.flags.archived:
		return nil
	case notInstalled(err):
		return fault.Wrap(fault.Failed, err, "`landfall up` installs the log archive; --loki names a Loki server instead.")
	}
	err = fault.Wrap(fault.ClassOf(err), err, "What running containers have is shown. `kubectl get pods -n "+archiveNamespace+"` shows whether the archive runs.")
	s.merger.Add(name, logs.Failed(err, nil))
	return nil
}
