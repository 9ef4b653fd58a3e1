package watchdog

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
)

// Obey carries out one order of a client that has shown the token.
func (w *Watchdog) Obey(ctx context.Context, o haproxy.Order) (haproxy.Answer, error) {
	if err := o.Pair.Validate(); err != nil {
		return haproxy.Answer{}, err
	}
	if err := w.allowed(o.Pair.Backend); err != nil {
		return haproxy.Answer{}, err
	}
	switch o.Verb {
	case haproxy.DoReport:
		return w.report(ctx, o)
	case haproxy.DoFinish:
		return haproxy.Answer{}, w.finish(o)
	case haproxy.DoArm:
		return haproxy.Answer{}, w.arm(o)
	case haproxy.DoPrepare, haproxy.DoWrite, haproxy.DoDrain:
		return w.change(ctx, o)
	}
	return haproxy.Answer{}, fault.New(fault.Invalid, "Run the same version of Landfall on both sides.", "reading an order: there is no verb %q", o.Verb)
}

func (w *Watchdog) report(ctx context.Context, o haproxy.Order) (haproxy.Answer, error) {
	report, err := w.process(o.Pair).Report(ctx)
	if err != nil {
		return haproxy.Answer{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if post := w.posts[o.Pair.Backend]; post != nil && post.Owner == o.Owner {
		report.DeadMan = post.DeadMan
	}
	return haproxy.Answer{Report: &report}, nil
}

// arm moves the deadline. It waits for nothing that HAProxy does.
func (w *Watchdog) arm(o haproxy.Order) error {
	if o.Silence != 0 && (o.Silence < MinSilence || o.Silence > MaxSilence) {
		return fault.New(fault.Invalid, fmt.Sprintf("Give %s to %s.", MinSilence, MaxSilence), "arming for backend %s: %s of silence cannot be kept", o.Pair.Backend, o.Silence)
	}
	now, err := w.options.SinceBoot()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	post, err := w.admit(o)
	if err != nil {
		return err
	}
	post.Silence, post.Deadline = o.Silence, 0
	if o.Silence > 0 {
		post.Deadline = now + o.Silence
	}
	return w.save()
}

// finish forgets the backend, and disarms with that. Of another migration there
// is nothing to let go of.
func (w *Watchdog) finish(o haproxy.Order) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	post := w.posts[o.Pair.Backend]
	if post == nil || post.Owner != o.Owner {
		return nil
	}
	if err := w.admissible(o); err != nil {
		return err
	}
	if post.Returning {
		return returning(o)
	}
	delete(w.posts, o.Pair.Backend)
	return w.save()
}

// change asks HAProxy for something, one order at a time for each backend.
func (w *Watchdog) change(ctx context.Context, o haproxy.Order) (haproxy.Answer, error) {
	post, err := w.takeOver(o)
	if err != nil {
		return haproxy.Answer{}, err
	}
	post.busy.Lock()
	defer post.busy.Unlock()
	process, fence := w.process(o.Pair), mine{watchdog: w, order: o}
	switch o.Verb {
	case haproxy.DoPrepare:
		return w.prepare(ctx, process, fence)
	case haproxy.DoDrain:
		return haproxy.Answer{}, process.Drain(ctx, o.Side, fence)
	}
	return haproxy.Answer{}, w.write(ctx, process, fence, post)
}

// takeOver admits an order and sees to it that older ones stay refused after an
// end of the watchdog.
func (w *Watchdog) takeOver(o haproxy.Order) (*post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	post, err := w.admit(o)
	if err != nil {
		return nil, err
	}
	return post, w.save()
}

func (w *Watchdog) write(ctx context.Context, process haproxy.Process, fence mine, post *post) error {
	w.mu.Lock()
	busy := post.Returning
	w.mu.Unlock()
	if busy && fence.order.Weight > traffic.None {
		return returning(fence.order)
	}
	if err := process.Write(ctx, fence.order.Weight, fence); err != nil {
		return err
	}
	w.keepWeights(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if post.DeadMan == "" {
		return nil
	}
	post.DeadMan = ""
	return w.save()
}

func returning(o haproxy.Order) error {
	return fault.New(fault.Failed, "", "ordering about backend %s: the watchdog is returning its traffic to the old side, since Landfall was silent", o.Pair.Backend)
}

func (w *Watchdog) prepare(ctx context.Context, process haproxy.Process, fence mine) (haproxy.Answer, error) {
	preparation, err := process.Prepare(ctx, fence)
	if err != nil {
		return haproxy.Answer{}, err
	}
	switch {
	case w.options.ServerState == "":
		preparation.Step += "; a reload forgets the weights: the watchdog has no --server-state"
	default:
		if err := w.options.HAProxy.KeepServerStates(ctx, w.options.ServerState); err != nil {
			return haproxy.Answer{}, fault.Wrap(fault.Refused, err, "Let the watchdog write the file of --server-state, or a reload forgets the weights.")
		}
	}
	return haproxy.Answer{Preparation: &preparation}, nil
}

// keepWeights has HAProxy's server-state-file follow a change. That it could
// not be written does not undo the change.
func (w *Watchdog) keepWeights(ctx context.Context) {
	if w.options.ServerState == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.options.HAProxy.KeepServerStates(ctx, w.options.ServerState); err != nil {
		w.options.Log.Error("keeping weights over a reload", "error", err)
	}
}
