package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	clilogs "github.com/landfall-dev/landfall/internal/cli/logs"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/logs"
)

// environment is what is asked, where it is one. All methods take nil for none.
type environment struct {
	c    *command.Context
	name string
	env  *v1alpha1.Environment
	// mark tells requests of this run apart in logs.
	mark string
}

func openEnvironment(ctx context.Context, c *command.Context, name string) (*environment, error) {
	env, err := ask.Environment(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return &environment{c: c, name: name, env: env, mark: strings.ToLower(rand.Text()[:10])}, nil
}

// url is the public address of a component, or of the first public one.
func (e *environment) url(component string) (string, error) {
	for _, u := range e.env.Status.URLs {
		if component == "" || u.Component == component {
			return u.URL, nil
		}
	}
	if component != "" {
		return "", fault.New(fault.NotFound, "`landfall env get "+e.name+"` shows the addresses.", "component %s of environment %s has no public address", component, e.name)
	}
	return "", fault.New(fault.NotFound, "Give the component in the blueprint a public port, or give a URL.", "environment %s has no public address", e.name)
}

// scaleInterval is how often instances are counted.
const scaleInterval = time.Second

// watch counts the instances of each component until it is stopped.
func (e *environment) watch(ctx context.Context) *watching {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{cancel: cancel, done: make(chan []load.ComponentScaling, 1)}
	if e == nil {
		w.done <- nil
		return w
	}
	go func() { w.done <- e.follow(ctx) }()
	return w
}

// watching is a count of instances under way.
type watching struct {
	cancel context.CancelFunc
	done   chan []load.ComponentScaling
}

// stop ends it and gives what was seen.
func (w *watching) stop() []load.ComponentScaling {
	w.cancel()
	return <-w.done
}

func (e *environment) follow(ctx context.Context) []load.ComponentScaling {
	scaling := load.NewScaling(e.c.Clock())
	for env := e.env; ; {
		for _, component := range env.Status.Components {
			scaling.Observe(e.c.Clock(), component.Name, load.Replicas{Ready: component.Ready, Desired: component.Desired})
		}
		select {
		case <-ctx.Done():
			return scaling.Components()
		case <-time.After(scaleInterval):
		}
		// A count that cannot be had is missing from what is seen; the next one
		// comes soon.
		if now, err := ask.Environment(ctx, e.c, e.name); err == nil {
			env = now
		}
	}
}

// logsPatience is how long logs may take to arrive where they are gathered.
const logsPatience = 15 * time.Second

// logs looks for the marked requests in the gathered logs; nil where no
// environment was asked.
func (e *environment) logs(ctx context.Context, o load.Options, s *load.Summary) *load.Arrival {
	if e == nil || s.Total.Answered == 0 {
		return nil
	}
	source, err := clilogs.Archive(e.c)
	if err != nil {
		return &load.Arrival{Marks: len(s.Steps), Reason: "reaching the gathered logs: " + err.Error()}
	}
	step := e.c.Progress().Step("looking for the logs")
	// An interruption ended the load; a second one ends the program.
	arrival := load.AwaitLogs(context.WithoutCancel(ctx), len(s.Steps), logsPatience, func(ctx context.Context) (load.Gathered, error) {
		return e.gathered(ctx, source, o.Mark, len(s.Steps), s.Started)
	})
	step.Done("%s: %s", arrival.Answer, arrival.Reason)
	return &arrival
}

// gathered says which marks are in the logs of the time since started.
func (e *environment) gathered(ctx context.Context, source logs.Source, mark string, marks int, started time.Time) (load.Gathered, error) {
	query := logs.Query{Project: e.c.Namespace(), Environment: e.name, Namespace: e.env.Status.Namespace, Since: started}
	anything := query
	anything.Tail = 1
	lines, err := readAll(ctx, source, anything)
	if err != nil || len(lines) == 0 {
		return load.Gathered{}, err
	}
	found := load.Gathered{Lines: true}
	for i := range marks {
		query.Grep = regexp.MustCompile(regexp.QuoteMeta(load.MarkOf(mark, i)) + `\b`)
		if lines, err = readAll(ctx, source, query); err != nil {
			return found, err
		}
		if len(lines) > 0 {
			found.Marks++
		}
	}
	return found, nil
}

func readAll(ctx context.Context, source logs.Source, query logs.Query) ([]logs.Line, error) {
	reader, err := source.Read(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading gathered logs: %w", err)
	}
	return logs.ReadAll(ctx, reader)
}
