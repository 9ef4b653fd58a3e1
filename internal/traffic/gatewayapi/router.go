// Package gatewayapi moves traffic by the weights of the backend references of
// one rule of an HTTPRoute, whichever gateway serves it.
//
// Only the migration's two references are ever changed, by JSON patches that
// test what was read: the references themselves, and the annotation that says
// who owns them and in which epoch. What somebody else has changed meanwhile
// makes a patch fail, and a process that was declared dead cannot write.
//
// It knows nothing of migrations beyond traffic.Router. Start at Router, then
// Prepare.
package gatewayapi

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// API is what the router needs of a Kubernetes API server. Errors are those of
// k8s.io/apimachinery. Implementations are safe for concurrent use.
type API interface {
	Get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error)
	// List gives the objects of a namespace that have the labels.
	List(ctx context.Context, kind schema.GroupVersionKind, namespace string, labels map[string]string) ([]unstructured.Unstructured, error)
	// Patch applies a JSON patch under Landfall's field manager.
	Patch(ctx context.Context, kind schema.GroupVersionKind, namespace, name string, patch []byte) error
}

// Config of a pair of Services behind one rule.
type Config struct {
	API API
	// Namespace and Route name the HTTPRoute.
	Namespace, Route string
	// Rule by its name; the only one that has the old side if empty.
	Rule string
	// Hostname that the requests are for.
	Hostname string
	// Migration owns the references' weights while it runs.
	Migration string
	Old, New  Target
	// Pin adds a rule for each side that requests with traffic.PinHeader take.
	Pin bool
	// Propagation is how long the gateway's proxies may need after it has
	// accepted a change; DefaultPropagation if zero.
	Propagation time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Target is one side: a Service.
type Target struct {
	// Name of the side, as traffic.PinHeader asks for it.
	Name    string
	Service string
	// Namespace of the Service; the route's if empty.
	Namespace string
	Port      int32
}

// DefaultPropagation leaves room for proxies that hear of a change late.
const DefaultPropagation = time.Second

// Router is a traffic.Router and traffic.Pinner. It is safe for concurrent use.
type Router struct {
	cfg Config

	mu sync.Mutex
	// seen are the weights as they were read last, and since when they have been
	// accepted so.
	seen  string
	since time.Time
}

var sideName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)

// New makes a router. It asks nobody.
func New(cfg Config) (*Router, error) {
	if len(validation.IsDNS1123Label(cfg.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(cfg.Route)) > 0 {
		return nil, invalid("%.80q and %.80q name no HTTPRoute", cfg.Namespace, cfg.Route)
	}
	for _, side := range []*Target{&cfg.Old, &cfg.New} {
		if side.Namespace == "" {
			side.Namespace = cfg.Namespace
		}
		if len(validation.IsDNS1035Label(side.Service)) > 0 || len(validation.IsDNS1123Label(side.Namespace)) > 0 || side.Port < 1 || side.Port > 65535 {
			return nil, invalid("%.80q in %.80q, port %d, is no Service", side.Service, side.Namespace, side.Port)
		}
		if !sideName.MatchString(side.Name) {
			return nil, invalid("%.80q is no name of a side", side.Name)
		}
	}
	switch {
	case cfg.Old.Service == cfg.New.Service && cfg.Old.Namespace == cfg.New.Namespace && cfg.Old.Port == cfg.New.Port:
		return nil, invalid("both sides are Service %s/%s", cfg.Old.Namespace, cfg.Old.Service)
	case cfg.Old.Name == cfg.New.Name:
		return nil, invalid("both sides are named %s", cfg.Old.Name)
	case cfg.Migration == "":
		return nil, invalid("the migration has no name")
	}
	if cfg.Propagation == 0 {
		cfg.Propagation = DefaultPropagation
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Router{cfg: cfg}, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "Correct the migration's gatewayAPI settings.", "reading router settings: "+format, args...)
}

func (c *Config) target(side traffic.Side) *Target {
	if side == traffic.New {
		return &c.New
	}
	return &c.Old
}

func (r *Router) place() string { return fmt.Sprintf("HTTPRoute %s/%s", r.cfg.Namespace, r.cfg.Route) }

// Describe says what the router can do.
func (r *Router) Describe() traffic.Description {
	return traffic.Description{Kind: "gatewayAPI", Place: r.place(), Takes: r.cfg.Propagation + time.Second}
}

// Read gives the rule's weights. They have settled when every gateway of the
// route has accepted them.
func (r *Router) Read(ctx context.Context) (traffic.State, error) {
	route, err := r.read(ctx)
	if err != nil {
		return traffic.State{}, err
	}
	i := traffic.Instance{Name: r.place(), Residual: -1}
	rule, err := r.find(route)
	if err != nil {
		i.Err = err
		return traffic.State{Instances: []traffic.Instance{i}}, nil
	}
	i.Old, i.New, i.Err = rule.weights()
	i.Waiting = r.waiting(route, fmt.Sprint(i.Old, i.New))
	i.Settled = i.Err == nil && i.Waiting == ""
	return traffic.State{Instances: []traffic.Instance{i}}, nil
}

// waiting says what keeps the weights from being in effect, or "".
func (r *Router) waiting(route *route, weights string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pending := route.pending(); pending != "" {
		r.seen = ""
		return pending
	}
	if r.seen != weights {
		r.seen, r.since = weights, r.cfg.Now()
	}
	if left := r.since.Add(r.cfg.Propagation).Sub(r.cfg.Now()); left > 0 {
		return fmt.Sprintf("the gateway's proxies may need another %s", left.Round(100*time.Millisecond))
	}
	return ""
}

// attempts of a write against changes of others at the same moment.
const attempts = 4

// Write sets both weights.
func (r *Router) Write(ctx context.Context, w traffic.Weight, fence traffic.Fence) error {
	if w < traffic.None || w > traffic.All {
		return invalid("a weight of %d %% of the new side", w)
	}
	var err error
	for range attempts {
		if err = r.write(ctx, w, fence); !errors.Is(err, errRaced) {
			return err
		}
	}
	return err
}

func (r *Router) write(ctx context.Context, w traffic.Weight, fence traffic.Fence) error {
	route, rule, err := r.owned(ctx, fence)
	if err != nil {
		return err
	}
	patch := rule.weigh(w)
	if len(patch) == 0 && route.owner.Epoch == fence.Epoch() {
		return fence.Check()
	}
	o := *route.owner
	o.Epoch = fence.Epoch()
	return r.patch(ctx, append(append(rule.asRead(), patch...), route.claim(o)...), fence)
}

// owned reads the route and the rule, which must be prepared for this process.
func (r *Router) owned(ctx context.Context, fence traffic.Fence) (*route, *rule, error) {
	route, err := r.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.mine(route, fence); err != nil {
		return nil, nil, err
	}
	if route.owner == nil {
		return nil, nil, fault.New(fault.Refused, "Start the migration anew.", "writing weights of %s: it is not prepared", r.place())
	}
	rule, err := r.find(route)
	return route, rule, err
}

// Pin says how to ask for a side.
func (r *Router) Pin(side traffic.Side) string {
	if !r.cfg.Pin {
		return ""
	}
	return fmt.Sprintf("the header %s: %s", traffic.PinHeader, r.cfg.target(side).Name)
}
