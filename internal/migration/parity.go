package migration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/guard"
)

const (
	// parityEvery is how often two clusters are compared, unless a guard says
	// otherwise: that reads many objects.
	parityEvery = 30 * time.Second
	// comparisons are how many are under way at once.
	comparisons = 3
	// findings that a reading names.
	findings = 3
)

// Comparer compares clusters for parity guards, a few at a time. Safe for
// concurrent use.
type Comparer struct {
	// Config reaches a Cluster by name. As long as it gives the same one,
	// connections are kept.
	Config func(ctx context.Context, cluster string) (*rest.Config, error)

	mu        sync.Mutex
	connected map[string]connection
	turns     chan struct{}
}

type connection struct {
	config *rest.Config
	*transfer.Cluster
}

// NewComparer makes a Comparer.
func NewComparer(config func(ctx context.Context, cluster string) (*rest.Config, error)) *Comparer {
	return &Comparer{Config: config, connected: map[string]connection{}, turns: make(chan struct{}, comparisons)}
}

// cluster connects to a Cluster by name.
func (c *Comparer) cluster(ctx context.Context, name string) (*transfer.Cluster, error) {
	config, err := c.Config(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.connected[name]; ok && known.config == config {
		return known.Cluster, nil
	}
	made, err := transfer.Connect(name, config)
	if err == nil {
		c.connected[name] = connection{config, made}
	}
	return made, err
}

// compare waits for its turn and compares both sides. What is ready is for other
// guards to watch: a pod that is replaced must not return traffic.
func (c *Comparer) compare(ctx context.Context, spec *v1alpha1.ParityGuard) (*parity.Report, error) {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other comparisons: %w", ctx.Err())
	}
	from, err := c.cluster(ctx, spec.From)
	if err != nil {
		return nil, err
	}
	to, err := c.cluster(ctx, spec.To)
	if err != nil {
		return nil, err
	}
	return parity.Compare(ctx, from, to, parity.Options{Namespaces: spec.Namespaces, Ignore: spec.Ignore, IgnoreReadiness: true}, progress.Discard)
}

// parity compares the objects of two clusters.
func (b Binder) parity(spec *v1alpha1.MigrationGuard) (traffic.Guard, func(), error) {
	if b.Parity == nil {
		return nil, nil, fault.New(fault.Refused, "The controller does.", "clusters cannot be compared from here")
	}
	return guard.Results(rule(*spec), func(ctx context.Context, _ time.Time) []result.Result {
		return []result.Result{b.Parity.look(ctx, spec.Parity)}
	}), nil, nil
}

// look is one reading: what cannot be compared is unknown.
func (c *Comparer) look(ctx context.Context, spec *v1alpha1.ParityGuard) result.Result {
	r := result.Result{Group: "parity", Name: spec.From + " and " + spec.To, Expected: fmt.Sprintf("%s equal to %s in %s", spec.To, spec.From, strings.Join(spec.Namespaces, ", "))}
	report, err := c.compare(ctx, spec)
	if err != nil {
		r.Reason = err.Error()
		return r
	}
	r.Answer, r.Actual = report.Answer, report.Summary()
	if r.Answer != result.Holds {
		r.Reason = strings.Join(report.First(findings), "; ")
	}
	return r
}
