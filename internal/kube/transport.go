package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Time limits towards an API server. They keep one that is gone from holding
// workers that others need.
const (
	dialTimeout   = 3 * time.Second
	answerTimeout = 20 * time.Second
	// inFlight is how many requests may wait for one API server's answer at
	// once. More would not make it faster: on a busy one each would take
	// longer, up to answerTimeout, and all would be taken for unanswered.
	inFlight = 24
	// breakFor is how long requests fail at once after one could not be sent.
	breakFor = 2 * time.Second
)

var errNotAnswering = errors.New("the cluster's API server does not answer")

// transport counts requests, bounds the time until an answer begins, and fails
// fast for a moment after a failure. The bodies of answers, such as watches and
// logs, may last as long as they like.
type transport struct {
	next http.RoundTripper
	*contact
}

// contact is what all transports to one cluster know of it.
type contact struct {
	cluster string
	metric  *prometheus.CounterVec
	slots   chan struct{}

	mu       sync.Mutex
	requests map[string]int64
	failedAt time.Time
	failure  error
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	verb := verbOf(req)
	if verb != "watch" {
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if err := t.begin(verb); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(answerTimeout, func() {
		cancel(fmt.Errorf("%w within %s", errNotAnswering, answerTimeout))
	})
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		err = t.failed(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &answer{ReadCloser: resp.Body, done: func() { cancel(nil) }}
	return resp, nil
}

func newContact(cluster string, metric *prometheus.CounterVec) *contact {
	return &contact{cluster: cluster, metric: metric, slots: make(chan struct{}, inFlight), requests: map[string]int64{}}
}

// begin counts a request, or refuses it shortly after a failure.
func (c *contact) begin(verb string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil && time.Since(c.failedAt) < breakFor {
		return c.failure
	}
	c.failure = nil
	c.requests[verb]++
	if c.metric != nil {
		c.metric.WithLabelValues(c.cluster, verb).Inc()
	}
	return nil
}

// failed classifies an error and remembers it where it means that the server
// is out of reach.
func (c *contact) failed(ctx context.Context, err error) error {
	var op *net.OpError
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errNotAnswering):
		err = cause
	case errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", errNotAnswering, err)
	default:
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failedAt, c.failure = time.Now(), err
	return err
}

// failedSince tells whether the server was out of reach at some time within
// the duration.
func (c *contact) failedSince(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.failedAt.IsZero() && time.Since(c.failedAt) < d
}

func (c *contact) counts() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// answer ends the request's context when its body has been read.
type answer struct {
	io.ReadCloser
	done func()
}

func (a *answer) Close() error {
	defer a.done()
	return a.ReadCloser.Close()
}

// verbOf names what a request does in the words of the audit log, with "apply"
// and "dry-run" told apart from other patches.
func verbOf(req *http.Request) string {
	query := req.URL.Query()
	switch {
	case query.Has("dryRun"):
		return "dry-run"
	case req.Method == http.MethodPatch && strings.Contains(req.Header.Get("Content-Type"), "apply-patch"):
		return "apply"
	case req.Method != http.MethodGet:
		return map[string]string{
			http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
		}[req.Method]
	case query.Get("watch") == "true", query.Get("watch") == "1":
		return "watch"
	}
	// /api/VERSION/… or /apis/GROUP/VERSION/…, then [namespaces/NS/]RESOURCE[/NAME…].
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	skip := map[string]int{"api": 2, "apis": 3}[path[0]]
	if skip == 0 || len(path) <= skip {
		return "discovery"
	}
	path = path[skip:]
	if path[0] == "namespaces" && len(path) > 2 {
		path = path[2:]
	}
	if len(path) == 1 {
		return "list"
	}
	return "get"
}
