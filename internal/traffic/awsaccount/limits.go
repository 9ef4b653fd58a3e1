package awsaccount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"

	"github.com/landfall-dev/landfall/internal/traffic"
)

const (
	// longestWait is how long a request waits for its turn before its caller is
	// told to come back: routers do not try for longer by themselves.
	longestWait = time.Second
	// quiet is how long requests that can wait are held back after AWS has
	// refused one: others use the account, too.
	quiet = 2 * time.Second
	// reserved is the part of a bucket that is kept for urgent requests.
	reserved = 0.2
)

// Bucket is a limit of AWS: so many requests at once, and so many more a second.
type Bucket struct {
	Burst  int
	Second float64
}

// Buckets of AWS, by account (Route 53) or account and region (Elastic Load
// Balancing), as its documentation gives them.
var (
	Route53      = Bucket{Burst: 50, Second: 10}
	ELBDescribes = Bucket{Burst: 40, Second: 10}
	ELBChanges   = Bucket{Burst: 20, Second: 3}
)

// Limits are the buckets of one place. They are safe for concurrent use.
type Limits struct {
	name string
	// of gives the bucket of an operation, or nil.
	of func(service, operation string) *limiter
}

// GlobalLimits are those of services that have no region.
func GlobalLimits() *Limits {
	dns := newLimiter(Route53)
	return &Limits{name: "global", of: func(service, _ string) *limiter {
		if service != "Route 53" {
			return nil
		}
		return dns
	}}
}

// RegionalLimits are those of services of one region.
func RegionalLimits() *Limits {
	describes, changes := newLimiter(ELBDescribes), newLimiter(ELBChanges)
	return &Limits{name: "regional", of: func(service, operation string) *limiter {
		switch {
		case service != "Elastic Load Balancing v2":
			return nil
		case strings.HasPrefix(operation, "Describe"):
			return describes
		}
		return changes
	}}
}

// install makes each request of a client wait for its turn.
func (l *Limits) install(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("LandfallLimits:"+l.name, l.handle), middleware.Before)
}

func (l *Limits) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	limiter := l.of(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx))
	if limiter == nil {
		return next.HandleInitialize(ctx, in)
	}
	if err := limiter.wait(ctx); err != nil {
		return middleware.InitializeOutput{}, middleware.Metadata{}, err
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	if throttled(err) {
		limiter.hush()
	}
	return out, metadata, err
}

// limiter is one bucket, part of which is for urgent requests alone.
type limiter struct {
	mu         sync.Mutex
	bucket     *rate.Limiter
	reserve    float64
	quietUntil time.Time
}

func newLimiter(b Bucket) *limiter {
	return &limiter{bucket: rate.NewLimiter(rate.Limit(b.Second), b.Burst), reserve: float64(b.Burst) * reserved}
}

// wait takes a token, or says when to come back.
func (l *limiter) wait(ctx context.Context) error {
	urgent := traffic.IsUrgent(ctx)
	giveUp := time.Now().Add(longestWait)
	for {
		delay := l.take(time.Now(), urgent)
		if delay <= 0 {
			return nil
		}
		if time.Now().Add(delay).After(giveUp) {
			return &traffic.Throttled{After: delay, Err: fmt.Errorf("the account's API requests are used up for %s", delay.Round(10*time.Millisecond))}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// take takes a token, or says how long there will be none.
func (l *limiter) take(now time.Time, urgent bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	least := 1.0
	if !urgent {
		if until := l.quietUntil.Sub(now); until > 0 {
			return until
		}
		least += l.reserve
	}
	if missing := least - l.bucket.TokensAt(now); missing > 0 {
		return time.Duration(missing/float64(l.bucket.Limit())*float64(time.Second)) + time.Millisecond
	}
	l.bucket.AllowN(now, 1)
	return 0
}

// hush holds back what can wait: AWS counts more requests than this process
// makes.
func (l *limiter) hush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quietUntil = time.Now().Add(quiet)
}

// throttled tells whether AWS, not the bucket, has refused a request.
func throttled(err error) bool {
	var own *traffic.Throttled
	return err != nil && !errors.As(err, &own) && throttles(err)
}
