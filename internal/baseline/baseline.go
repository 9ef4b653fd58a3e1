// Package baseline puts the definition of normal together: host specs of
// components, HTTP checks and objectives, as the Baseline object holds them. It
// knows neither clusters nor who asks; what a container or an address is comes
// from outside. Start at Read.
package baseline

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/baseline/objective"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Interval between two runs of the checks.
const (
	DefaultInterval = time.Minute
	MinInterval     = 5 * time.Second
)

// Definition is a Baseline that was read. It is immutable and safe for
// concurrent use.
type Definition struct {
	HostSpecs []HostSpec
	// Checks may be nil.
	Checks *check.Document
	// Secret that holds the checks' secrets by env; may be empty.
	Secret string
	// Component whose address the checks' paths belong to; empty for the first
	// public one.
	Component  string
	Objectives []objective.Objective
	Interval   time.Duration
}

// HostSpec is what must be so in the containers of a component.
type HostSpec struct {
	Component string
	// Container may be empty: the first.
	Container string
	*verify.Verifier
}

// Read reads the object's documents. Errors are fault.Invalid and name the
// field.
func Read(name string, spec v1alpha1.BaselineSpec) (*Definition, error) {
	d, err := read(spec)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading baseline %s: %w", name, err), fault.HintOf(err))
	}
	return d, nil
}

func read(spec v1alpha1.BaselineSpec) (*Definition, error) {
	d := &Definition{Secret: spec.SecretName, Component: spec.Component, Interval: spec.Interval.Duration}
	if d.Interval == 0 {
		d.Interval = DefaultInterval
	}
	if d.Interval < MinInterval {
		return nil, fmt.Errorf("spec.interval: %s is less than %s", d.Interval, MinInterval)
	}
	for i, h := range spec.HostSpecs {
		document, err := hostspec.Decode(h.Document.Raw, fmt.Sprintf("spec.hostSpecs[%d].document", i))
		if err != nil {
			return nil, err
		}
		d.HostSpecs = append(d.HostSpecs, HostSpec{h.Component, h.Container, verify.New(document)})
	}
	if spec.Checks != nil {
		document, err := check.Parse(bytes.NewReader(spec.Checks.Raw))
		if err != nil {
			return nil, fmt.Errorf("spec.checks: %w", err)
		}
		if err := confined(document); err != nil {
			return nil, fmt.Errorf("spec.checks: %w", err)
		}
		d.Checks = document
	}
	return d, d.readObjectives(spec.Objectives)
}

// confined says whether a document asks the environment alone. Whoever runs the
// checks of others must not be made to ask elsewhere, or to read files, for
// them.
func confined(d *check.Document) error {
	const hint = "Checks of a baseline ask the environment they belong to; `landfall check run` runs others."
	refused := func(what string) error { return fault.New(fault.Invalid, hint, "%s is not for a baseline", what) }
	switch {
	case len(d.AllowHosts) > 0:
		return refused("allowHosts")
	case len(d.Addresses) > 0:
		return refused("addresses")
	case d.TLS.CAFile != "":
		return refused("tls.caFile")
	}
	for name, secret := range d.Secrets {
		if secret.File != "" {
			return refused("secrets." + name + ".file")
		}
	}
	for _, c := range d.Checks {
		if c.Request.URL != "" {
			return refused(fmt.Sprintf("check %q: request.url", c.Name))
		}
		for _, s := range c.Steps {
			if s.Request.URL != "" {
				return refused(fmt.Sprintf("check %q, step %q: request.url", c.Name, s.Name))
			}
		}
	}
	return nil
}

func (d *Definition) readObjectives(objectives []v1alpha1.Objective) error {
	known := map[string]bool{"": true}
	if d.Checks != nil {
		for _, c := range d.Checks.Checks {
			known[c.Name] = true
		}
	}
	for i, o := range objectives {
		if !known[o.Check] {
			return fmt.Errorf("spec.objectives[%d].check: there is no check %q", i, o.Check)
		}
		objective, err := objective.New(o.Name, o.Check, o.Target, o.Window.Duration)
		if err != nil {
			return fmt.Errorf("spec.objectives[%d]: %w", i, err)
		}
		d.Objectives = append(d.Objectives, objective)
	}
	return nil
}

// Verify captures what the document asks for in one container and compares. A
// container that cannot be read is one unknown result.
func (h HostSpec) Verify(ctx context.Context, container target.Target) []result.Result {
	facts, err := capture.Capture(ctx, container, capture.Options{Salt: h.Salt(), Kinds: h.Kinds(), Paths: h.Paths()})
	if err != nil {
		return []result.Result{{Group: "target", Name: "facts", Target: container.Name(), Answer: result.Unknown, Reason: err.Error()}}
	}
	return h.Verifier.Verify(facts)
}

// URL is what the checks ask of an environment. A document that is about one of
// its hostnames is taken at its word; any other asks the address of the
// component.
func (d *Definition) URL(env *v1alpha1.Environment) (string, error) {
	if u, err := url.Parse(d.Checks.URL); err == nil && u.Host != "" && slices.Contains(hostnames(env), u.Hostname()) {
		return d.Checks.URL, nil
	}
	for _, u := range env.Status.URLs {
		if d.Component == u.Component || d.Component == "" {
			return u.URL, nil
		}
	}
	return "", fault.New(fault.Invalid, "`landfall env get "+env.Name+"` shows its addresses.", "environment %s has no public address of component %q", env.Name, d.Component)
}

// Hosts are the names that an environment answers to, each with its component.
func Hosts(env *v1alpha1.Environment) map[string]string {
	hosts := map[string]string{}
	for _, u := range env.Status.URLs {
		if parsed, err := url.Parse(u.URL); err == nil {
			hosts[parsed.Hostname()] = u.Component
		}
	}
	if len(env.Status.URLs) == 1 {
		for _, name := range hostnames(env) {
			hosts[name] = env.Status.URLs[0].Component
		}
	}
	return hosts
}

// hostnames that somebody chose.
func hostnames(env *v1alpha1.Environment) []string {
	if env.Spec.Hostname == "" {
		return env.Spec.Aliases
	}
	return append([]string{env.Spec.Hostname}, env.Spec.Aliases...)
}

// Runs counts, for each objective, the checks of one run that hold. A check is
// good when all its results hold, and one whose answer is unknown is counted
// as bad: users who got no answer were not served.
func (d *Definition) Runs(results []result.Result) map[string][2]int64 {
	good := map[string]bool{}
	for _, r := range results {
		if !slices.ContainsFunc(d.Checks.Checks, func(c check.Check) bool { return c.Name == r.Group }) {
			continue // that the checks could not be run is nobody's failure
		}
		held, seen := good[r.Group]
		good[r.Group] = (held || !seen) && r.Answer == result.Holds
	}
	counts := map[string][2]int64{}
	for _, o := range d.Objectives {
		var count [2]int64
		for name, held := range good {
			if o.Check != "" && o.Check != name {
				continue
			}
			count[1]++
			if held {
				count[0]++
			}
		}
		counts[o.Name] = count
	}
	return counts
}
