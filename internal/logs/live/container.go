package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
)

// container reads the output of one container over all its instances. It is
// the state of one goroutine.
type container struct {
	client *Client
	opts   *Options
	pod    *podState
	origin *logs.Origin
	node   string

	emit     func(*logs.Batch) error
	instance int32
	position logs.Position
	// replaced: a new instance began since position.
	replaced bool
	// drained: the instance ended and all its output was read.
	drained  bool
	caughtUp bool
	// remarked: the kubelet's reason for giving no lines was passed on.
	remarked bool
	// failures in a row, of this container alone.
	failures int
}

// once reads what there is.
func (c *container) once(ctx context.Context, emit func(*logs.Batch) error) error {
	c.emit = emit
	state, _ := c.pod.container(c.origin.Container)
	if !state.started || c.opts.Previous && state.instance == 0 {
		return nil
	}
	err := c.read(ctx, readRequest{previous: c.opts.Previous})
	switch {
	case errors.Is(err, errNotYet), errors.Is(err, errPodGone):
		return nil
	case err != nil && ctx.Err() == nil:
		if err := c.mark(logs.MarkStalled, "cannot be read: %v", err); err != nil {
			return err
		}
	}
	return err
}

// follow reads what there is and what comes, until the pod is gone.
func (c *container) follow(ctx context.Context, emit func(*logs.Batch) error) error {
	c.emit = emit
	if err := c.begin(ctx); err != nil || !c.caughtUp && c.isGone() {
		return err
	}
	for {
		state, changed := c.pod.container(c.origin.Container)
		c.node = state.node
		var err error
		switch {
		case state.started && state.instance != c.instance:
			err = c.turn(ctx, state)
		case state.gone:
			return nil
		case !state.started || c.drained:
			err = c.wait(ctx, changed)
		default:
			err = c.keepUp(ctx, state, changed)
		}
		if err != nil {
			return err
		}
	}
}

func (c *container) isGone() bool {
	state, _ := c.pod.container(c.origin.Container)
	return state.gone
}

// begin waits for the first instance and finds where to begin.
func (c *container) begin(ctx context.Context) error {
	for {
		state, changed := c.pod.container(c.origin.Container)
		if state.started {
			c.startAt(state)
			return nil
		}
		if state.gone {
			return nil
		}
		if err := c.wait(ctx, changed); err != nil {
			return err
		}
	}
}

func (c *container) startAt(state containerState) {
	c.instance = state.instance
	if c.opts.From != nil {
		if instance, position, known := c.opts.From(c.pod.current().UID, c.origin.Container); known {
			c.instance, c.position = instance, position
			return
		}
	}
	if c.opts.History && state.instance > 0 {
		c.instance--
	}
}

// wait waits for news of the pod. What there was has been read.
func (c *container) wait(ctx context.Context, changed <-chan struct{}) error {
	if err := c.present(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
		return nil
	}
}

// present says, once, that the past is read.
func (c *container) present() error {
	if c.caughtUp {
		return nil
	}
	c.caughtUp = true
	b := logs.NewBatch()
	b.CaughtUp = true
	return c.emit(b)
}

// keepUp reads the current instance: first what there is, at once and to its
// end, then what comes, for as long as the stream lasts. Asking first shows
// whether the node answers, which a stream of a silent container does not.
func (c *container) keepUp(ctx context.Context, state containerState, changed <-chan struct{}) error {
	if err := c.read(ctx, readRequest{}); err != nil {
		return c.recover(ctx, err, changed)
	}
	c.failures = 0
	if state.ended != nil {
		c.drained = true
		return nil
	}
	if err := c.present(); err != nil {
		return err
	}
	if err := c.read(ctx, readRequest{follow: true}); err != nil {
		return c.recover(ctx, err, changed)
	}
	// The instance ended, most likely: its status will say so.
	return sleep(ctx, c.client.timing.Status, changed)
}

// recover pauses after an error, as long as fits it. It gives an error only
// where reading must end.
func (c *container) recover(ctx context.Context, err error, changed <-chan struct{}) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	timing := &c.client.timing
	switch {
	case errors.Is(err, errEmit):
		return err
	case errors.Is(err, errNotYet), errors.Is(err, errPodGone):
		return sleep(ctx, time.Second, changed)
	case errors.Is(err, errBroken):
		return nil // look again at once
	case errors.As(err, new(*nodeError)):
		return nil // the gate makes the pause
	}
	c.failures++
	if c.failures == 1 {
		if err := c.mark(logs.MarkStalled, "cannot be read: %v; trying again", err); err != nil {
			return err
		}
	}
	return sleep(ctx, min(timing.MaxRetry, timing.Retry<<min(c.failures, 16)), changed)
}

// turn goes from the instance that was read to the current one.
func (c *container) turn(ctx context.Context, state containerState) error {
	if missed := state.instance - c.instance - 1; missed > 0 && c.position.Begun() {
		if err := c.mark(logs.MarkGap, "restarted %d times meanwhile: output of all but the last instance is lost", missed+1); err != nil {
			return err
		}
		c.instance, c.replaced, c.drained = state.instance-1, true, false
	}
	if !c.drained {
		if err := c.finishPrevious(ctx); err != nil {
			return c.recover(ctx, err, nil)
		}
	}
	if err := c.mark(logs.MarkRestart, "%s", restartText(state)); err != nil {
		return err
	}
	c.instance, c.drained, c.replaced = state.instance, false, true
	return nil
}

// finishPrevious reads the rest of the instance that ended.
func (c *container) finishPrevious(ctx context.Context) error {
	began := c.position.Begun()
	err := c.read(ctx, readRequest{previous: true})
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, errEmit):
		return err
	case errors.Is(err, errBroken), errors.As(err, new(*nodeError)):
		return err // it may still be had
	case began:
		return c.mark(logs.MarkGap, "the end of the instance before the restart is lost: %v", err)
	}
	return nil
}

func restartText(state containerState) string {
	if t := state.before; t != nil {
		reason := ""
		if t.Reason != "" {
			reason = ", " + t.Reason
		}
		return fmt.Sprintf("container restarted (exit code %d%s), restart %d", t.ExitCode, reason, state.instance)
	}
	return fmt.Sprintf("container restarted, restart %d", state.instance)
}

// mark says something in the flow: what happened to the output behind the line
// it happened to, other remarks now.
func (c *container) mark(kind logs.Mark, format string, args ...any) error {
	at := time.Now()
	if (kind == logs.MarkGap || kind == logs.MarkRestart) && c.position.Begun() {
		at = time.Unix(0, c.position.Last)
	}
	b := logs.MarkBatch(c.origin, at, kind, fmt.Sprintf(format, args...))
	b.Instance, b.Position = c.instance, c.position
	return c.emit(b)
}

// readRequest is one request for output, from position on.
type readRequest struct {
	follow, previous bool
}

// read copies output until the stream's end, which is no error.
func (c *container) read(ctx context.Context, r readRequest) error {
	body, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	stream := logs.NewStamped(body, c.origin, logs.StampedOptions{
		Keep: c.keep(), Fill: !r.follow, From: c.position, Replaced: c.replaced,
		Gap: func() bool { return c.sameInstance(ctx) }, Remark: c.passOn,
	})
	for {
		body.expect()
		b, err := stream.Next()
		body.arrived()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, logs.ErrOtherLog) {
			return nil // the next look at the pod's status shows the restart
		}
		if err != nil {
			return body.cause(err)
		}
		c.position = stream.Position()
		if len(b.Lines) == 0 {
			b.Release()
			continue
		}
		c.replaced = false
		c.remarked = c.remarked && b.Lines[len(b.Lines)-1].Mark != ""
		body.noteActivity(c.position.Last)
		b.Instance, b.Position = c.instance, c.position
		if err := c.emit(b); err != nil {
			return errors.Join(errEmit, err)
		}
	}
}

// sameInstance says whether the container still is in the instance that was
// asked for: a request may get the output of the next one, since the news of a
// restart comes later than the restart.
func (c *container) sameInstance(ctx context.Context) bool {
	state, changed := c.pod.container(c.origin.Container)
	if state.instance == c.instance && c.opts.Follow {
		_ = sleep(ctx, c.client.timing.Status, changed) // a cancelled read ends by itself
		state, _ = c.pod.container(c.origin.Container)
	}
	return state.instance == c.instance
}

// passOn says whether a remark of the kubelet's is news: once, and not of a
// container that is being removed after it was read.
func (c *container) passOn([]byte) bool {
	leaving := c.pod.current().DeletionTimestamp != nil && c.position.Begun()
	news := !c.remarked && !leaving
	c.remarked = true
	return news
}

// keep gives the choice of lines; nil keeps all. The API's own choice of times
// is by whole seconds.
func (c *container) keep() func(at int64, text []byte) bool {
	q := &c.opts.Query
	if q.Grep == nil && q.Since.IsZero() && q.Until.IsZero() {
		return nil
	}
	return func(at int64, text []byte) bool { return q.WantsTime(at) && q.WantsText(text) }
}
