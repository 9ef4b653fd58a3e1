package haproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// Router is a traffic.Router over one or more HAProxy. It is a Counter, a
// Drainer, a Pinner and, where all instances are watchdogs, Watched. Safe for
// concurrent use.
type Router struct {
	config    Config
	pair      Pair
	instances []instance
	// plain: an instance was seen whose backend lacks the lines of Snippet.
	plain atomic.Bool
	// seen is what each instance had at the last look.
	seen []sighting
}

var (
	_ traffic.Router  = (*Router)(nil)
	_ traffic.Counter = (*Router)(nil)
	_ traffic.Drainer = (*Router)(nil)
	_ traffic.Pinner  = (*Router)(nil)
	_ traffic.Watched = (*Router)(nil)
)

// instance is one HAProxy: a Process, or a watchdog beside one.
type instance interface {
	Name() string
	Report(ctx context.Context) (Report, error)
	Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error)
	Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error
	Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error
	Arm(ctx context.Context, silence time.Duration, f traffic.Fence) error
	Finish(ctx context.Context, f traffic.Fence) error
}

// Describe is part of traffic.Router.
func (r *Router) Describe() traffic.Description {
	return traffic.Description{
		Kind:  "haproxy",
		Place: fmt.Sprintf("backend %s of %s", r.pair.Backend, strings.Join(r.config.Instances, ", ")),
		Takes: 100 * time.Millisecond,
		ZeroIsNotNone: "requests that stick to a server by a cookie or a table, or ask for it by " + traffic.PinHeader +
			", reach it at weight 0 until it is drained",
	}
}

// Prepare is part of traffic.Router.
func (r *Router) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	preparations := make([]traffic.Preparation, len(r.instances))
	err := r.each(func(i int, instance instance) (err error) {
		preparations[i], err = instance.Prepare(ctx, f)
		return err
	})
	if err != nil {
		return traffic.Preparation{}, err
	}
	if _, err := r.reports(ctx); err != nil { // for Pin
		return traffic.Preparation{}, err
	}
	all := traffic.Preparation{Done: true}
	for i, p := range preparations {
		all.Done = all.Done && p.Done
		all.Wait = max(all.Wait, p.Wait)
		if i == 0 || p.Step != preparations[0].Step {
			all.Step = strings.TrimPrefix(all.Step+"; "+p.Step, "; ")
		}
	}
	return all, nil
}

// Read is part of traffic.Router.
func (r *Router) Read(ctx context.Context) (traffic.State, error) {
	if err := ctx.Err(); err != nil {
		return traffic.State{}, fmt.Errorf("reading weights of backend %s: %w", r.pair.Backend, err)
	}
	state := traffic.State{Instances: make([]traffic.Instance, len(r.instances))}
	_ = r.each(func(i int, instance instance) error {
		report, err := r.report(ctx, instance)
		if err != nil {
			state.Instances[i] = traffic.Instance{Name: instance.Name(), Err: err}
			return nil
		}
		state.Instances[i] = report.instance(instance.Name())
		state.Instances[i].Waiting = r.seen[i].look(report)
		return nil
	})
	return state, nil
}

// Write is part of traffic.Router: all instances are written at the same time.
func (r *Router) Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error {
	return r.each(func(_ int, instance instance) error { return instance.Write(ctx, w, f) })
}

// Health is part of traffic.Router: a side is healthy when all instances that
// know say so.
func (r *Router) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	reports, err := r.reports(ctx)
	if err != nil {
		return traffic.Health{}, err
	}
	all := traffic.Health{}
	for i, report := range reports {
		health := report.health(side)
		switch {
		case i == 0, health.Known && !all.Known:
			all = health
		case health.Known && all.Healthy && !health.Healthy:
			all = health
		}
	}
	return all, nil
}

// Counters is part of traffic.Counter.
func (r *Router) Counters(ctx context.Context) (map[traffic.Side]traffic.Counters, error) {
	reports, err := r.reports(ctx)
	if err != nil {
		return nil, err
	}
	totals := map[traffic.Side]traffic.Counters{}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		total := reports[0].counters(side)
		for _, report := range reports[1:] {
			total = plus(total, report.counters(side))
		}
		totals[side] = total
	}
	return totals, nil
}

// plus adds counters. Latencies are known only if both are.
func plus(a, b traffic.Counters) traffic.Counters {
	total := traffic.Counters{Requests: a.Requests + b.Requests, Errors: a.Errors + b.Errors, Sessions: a.Sessions + b.Sessions}
	if a.Latency == nil || b.Latency == nil {
		return total
	}
	for i := range a.Latency {
		total.Latency = append(total.Latency, traffic.LatencyBucket{Upper: a.Latency[i].Upper, Count: a.Latency[i].Count + b.Latency[i].Count})
	}
	return total
}

// Drain is part of traffic.Drainer.
func (r *Router) Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error {
	return r.each(func(_ int, instance instance) error { return instance.Drain(ctx, side, f) })
}

// Pin is part of traffic.Pinner; "" if a backend was seen that has no rules for
// it.
func (r *Router) Pin(side traffic.Side) string {
	name := r.config.OldName
	if side == traffic.New {
		name = r.config.NewName
	}
	if name == "" || r.plain.Load() {
		return ""
	}
	return fmt.Sprintf("%s: %s, as a header or a cookie", traffic.PinHeader, name)
}

// Arm is part of traffic.Watched.
func (r *Router) Arm(ctx context.Context, silence time.Duration, f traffic.Fence) error {
	return r.each(func(_ int, instance instance) error { return instance.Arm(ctx, silence, f) })
}

// Finish is part of traffic.Router.
func (r *Router) Finish(ctx context.Context, f traffic.Fence) error {
	return r.each(func(_ int, instance instance) error { return instance.Finish(ctx, f) })
}

// reports asks all instances; none may be missing.
func (r *Router) reports(ctx context.Context) ([]Report, error) {
	reports := make([]Report, len(r.instances))
	err := r.each(func(i int, instance instance) (err error) {
		reports[i], err = r.report(ctx, instance)
		return err
	})
	return reports, err
}

func (r *Router) report(ctx context.Context, instance instance) (Report, error) {
	report, err := instance.Report(ctx)
	if err == nil && !report.Extended {
		r.plain.Store(true)
	}
	return report, err
}

// each does something with all instances at once and gathers the errors.
func (r *Router) each(do func(i int, instance instance) error) error {
	errs := make([]error, len(r.instances))
	var group sync.WaitGroup
	for i, instance := range r.instances {
		group.Go(func() { errs[i] = do(i, instance) })
	}
	group.Wait()
	return errors.Join(errs...)
}
