package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Ends of a request that are not the stream's end.
var (
	errNotYet   = errors.New("the container has not started")
	errPodGone  = errors.New("the pod is gone")
	errBroken   = errors.New("the stream broke off")
	errNoAnswer = errors.New("no answer in time")
	errEmit     = errors.New("nobody takes the lines")
)

// nodeError says that a node does not answer.
type nodeError struct {
	node string
	err  error
}

func (e *nodeError) Error() string {
	return fmt.Sprintf("node %s does not answer: %v", e.node, e.err)
}
func (e *nodeError) Unwrap() error { return e.err }

// stream is the body of an answer.
type stream struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  *time.Timer // ends the request when nothing comes; nil without a limit
	wait   time.Duration
	last   atomic.Int64 // time of the last line
	active atomic.Bool  // something came since the watch last looked
}

func (s *stream) noteActivity(last int64) {
	s.last.Store(last)
	s.active.Store(true)
}

// expect starts the limit on the time to the next piece.
func (s *stream) expect() {
	if s.limit != nil {
		s.limit.Reset(s.wait)
	}
}

// arrived stops it.
func (s *stream) arrived() {
	if s.limit != nil {
		s.limit.Stop()
	}
}

// Close ends the request.
func (s *stream) Close() error {
	s.cancel(nil)
	return s.ReadCloser.Close()
}

// cause says why reading failed: what ended the request, or that it broke.
func (s *stream) cause(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	return errors.Join(errBroken, err)
}

// open asks for output and waits for the answer to begin. Each piece of it
// must come in time, but for follow, where even the beginning comes only with
// the container's next line.
func (c *container) open(ctx context.Context, r readRequest) (*stream, error) {
	timing := &c.client.timing
	if err := c.client.nodes.enter(ctx, c.node, timing.Answer); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stream{ctx: ctx, cancel: cancel, wait: timing.Answer}
	if r.follow {
		s.last.Store(c.position.Last)
		go c.watch(s)
	} else {
		s.limit = time.AfterFunc(s.wait, func() { cancel(&nodeError{c.node, errNoAnswer}) })
	}
	asked := time.Now()
	body, err := c.request(ctx, c.logOptions(r))
	s.arrived()
	if err != nil {
		err = c.classify(ctx, err)
		cancel(nil)
		return nil, c.noteNode(asked, err)
	}
	s.ReadCloser = body
	if c.client.nodes.succeed(c.node) {
		if err := c.mark(logs.MarkResumed, "node %s answers again", c.node); err != nil {
			_ = s.Close()
			return nil, errors.Join(errEmit, err)
		}
	}
	return s, nil
}

func (c *container) request(ctx context.Context, opts *corev1.PodLogOptions) (io.ReadCloser, error) {
	return c.client.kube.CoreV1().Pods(c.opts.Namespace).GetLogs(c.origin.Pod, opts).Stream(ctx)
}

func (c *container) logOptions(r readRequest) *corev1.PodLogOptions {
	opts := &corev1.PodLogOptions{
		Container: c.origin.Container, Timestamps: true, Follow: r.follow, Previous: r.previous,
	}
	switch {
	case c.position.Begun():
		opts.SinceTime = &metav1.Time{Time: c.position.Since()}
		return opts
	case !c.opts.Query.Since.IsZero():
		opts.SinceTime = &metav1.Time{Time: c.opts.Query.Since}
	}
	if c.opts.NewestLines > 0 {
		opts.TailLines = &c.opts.NewestLines
	}
	return opts
}

// classify turns a request's error into what it means here.
func (c *container) classify(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var status apierrors.APIStatus
	switch {
	case apierrors.IsNotFound(err):
		return errPodGone
	case apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "previous terminated container"):
		return err
	case apierrors.IsBadRequest(err):
		return errNotYet
	case !errors.As(err, &status):
		return &nodeError{c.node, err} // the API server itself was not reached
	case unreachable.MatchString(err.Error()):
		return &nodeError{c.node, err}
	}
	return err
}

// unreachable recognises the API server's words for not reaching a node; it
// has no code for that.
var unreachable = regexp.MustCompile(`dial tcp|proxy error|i/o timeout|no route to host|connection re(fused|set)|TLS handshake|http2:|EOF|context deadline exceeded`)

// noteNode keeps the node's account, and says so in the flow when it begins
// not to answer.
func (c *container) noteNode(asked time.Time, err error) error {
	var trouble *nodeError
	if !errors.As(err, &trouble) {
		return err
	}
	timing := &c.client.timing
	if c.client.nodes.fail(c.node, asked, timing.Retry, timing.MaxRetry) && c.opts.Follow {
		if markErr := c.mark(logs.MarkStalled, "%v; trying again", err); markErr != nil {
			return errors.Join(errEmit, markErr)
		}
	}
	return err
}

// watch ends a followed stream that will bring nothing more: of a pod that is
// gone, of a node that no longer answers, or one that fell silent while the
// container did not.
func (c *container) watch(s *stream) {
	timing := &c.client.timing
	ticker := time.NewTicker(timing.Probe)
	defer ticker.Stop()
	for {
		state, changed := c.pod.container(c.origin.Container)
		if state.gone {
			// What is on the way may still arrive.
			if sleep(s.ctx, timing.Answer, nil) == nil {
				s.cancel(errPodGone)
			}
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
			if s.active.Swap(false) {
				continue
			}
			if err := c.probe(s); err != nil {
				s.cancel(err)
				return
			}
		}
	}
}

// probe asks for the newest line. It gives an error where the node does not
// answer, or the line should long have come over the stream.
func (c *container) probe(s *stream) error {
	ctx, cancel := context.WithTimeoutCause(s.ctx, c.client.timing.Answer, &nodeError{c.node, errNoAnswer})
	defer cancel()
	one := int64(1)
	body, err := c.request(ctx, &corev1.PodLogOptions{Container: c.origin.Container, Timestamps: true, TailLines: &one})
	if err != nil {
		if err := c.classify(ctx, err); errors.As(err, new(*nodeError)) {
			return errors.Join(errBroken, err)
		}
		return nil
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 64))
	if err != nil {
		return errors.Join(errBroken, err)
	}
	var clock logs.Clock
	at, _, ok := clock.Split(text)
	if !ok || at <= s.last.Load() {
		return nil
	}
	if sleep(s.ctx, c.client.timing.Answer, nil) != nil || s.last.Load() >= at {
		return nil
	}
	return errBroken
}
