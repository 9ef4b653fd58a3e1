package migration

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/guard"
)

// Guards makes the guards that the object asks for. One that cannot be made is
// unknown, with the cause: it must not keep anybody from returning traffic.
// Close lets go of their connections.
func (b Binder) Guards(ctx context.Context, m *v1alpha1.Migration, router traffic.Router) (guards []traffic.Guard, close func()) {
	var closers []func()
	for i := range m.Spec.Guards {
		spec := &m.Spec.Guards[i]
		made, closer, err := b.guard(ctx, m, spec, router)
		if err != nil {
			made = &unmade{rule: rule(*spec), again: func(ctx context.Context) (traffic.Guard, func(), error) { return b.guard(ctx, m, spec, router) }, err: err}
			closer = made.(*unmade).close
		}
		guards = append(guards, made)
		if closer != nil {
			closers = append(closers, closer)
		}
	}
	return guards, func() {
		for _, closer := range closers {
			closer()
		}
	}
}

// guard makes one guard, and what closes it; nil where there is nothing to
// close.
func (b Binder) guard(ctx context.Context, m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard, router traffic.Router) (traffic.Guard, func(), error) {
	switch {
	case spec.Checks != nil:
		return b.checks(ctx, m, spec)
	case spec.Objective != nil:
		return b.objective(m, spec)
	case spec.Parity != nil:
		return b.parity(spec)
	case spec.Router != nil:
		return routerGuard(spec, router)
	case spec.Prometheus != nil:
		made, err := b.prometheus(ctx, m, spec)
		return made, nil, err
	case spec.Datadog != nil:
		made, err := b.datadog(ctx, m, spec)
		return made, nil, err
	case spec.CloudWatch != nil:
		made, err := b.cloudWatch(ctx, m, spec)
		return made, nil, err
	}
	return nil, nil, fault.New(fault.Invalid, "Name one of router, checks, prometheus, datadog, cloudWatch, objective and parity.", "guard %s says nothing to look at", spec.Name)
}

// unmade is a guard that could not be made; it is tried again.
type unmade struct {
	rule   traffic.GuardRule
	again  func(context.Context) (traffic.Guard, func(), error)
	made   traffic.Guard
	closer func()
	err    error
	tried  time.Time
}

// makeEvery is how often an unmade guard is tried again.
const makeEvery = 5 * time.Second

func (u *unmade) Rule() traffic.GuardRule { return u.rule }

func (u *unmade) Read(ctx context.Context, at time.Time) traffic.Reading {
	if u.made == nil && at.Sub(u.tried).Abs() >= makeEvery {
		u.tried = at
		u.made, u.closer, u.err = u.again(ctx)
	}
	if u.err != nil {
		return traffic.Reading{Guard: u.rule.Name, At: at, Answer: result.Unknown, Reason: u.err.Error()}
	}
	return u.made.Read(ctx, at)
}

func (u *unmade) close() {
	if u.closer != nil {
		u.closer()
	}
}

// routerGuard judges the router's own counters.
func routerGuard(spec *v1alpha1.MigrationGuard, router traffic.Router) (traffic.Guard, func(), error) {
	counter, ok := router.(traffic.Counter)
	if !ok {
		return nil, nil, fault.New(fault.Invalid, "Use a metric source, checks or an objective.", "router %s does not count requests", router.Describe().Kind)
	}
	config := guard.RouterConfig{Compare: spec.Router.Compare == nil || *spec.Router.Compare, Window: spec.Router.Window.Duration}
	if spec.Router.MaxLatency != nil {
		config.MaxLatency = spec.Router.MaxLatency.Duration
	}
	var err error
	if config.MaxErrorRate, err = part("maxErrorRate", spec.Router.MaxErrorRate); err != nil {
		return nil, nil, err
	}
	confidence, err := part("confidence", spec.Router.Confidence)
	if err != nil {
		return nil, nil, err
	}
	if confidence != nil {
		config.Confidence = *confidence
	}
	if spec.Router.MaxSlowdown != "" {
		if config.MaxSlowdown, err = strconv.ParseFloat(spec.Router.MaxSlowdown, 64); err != nil {
			return nil, nil, fault.New(fault.Invalid, "", "maxSlowdown %q is no number", spec.Router.MaxSlowdown)
		}
	}
	made, err := guard.Router(rule(*spec), counter, config)
	if err != nil {
		return nil, nil, err
	}
	return made, nil, nil
}

// part is a percentage as a part of 1; nil where there is none.
func part(field, percent string) (*float64, error) {
	if percent == "" {
		return nil, nil
	}
	number, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Write a percentage, such as 99.5.", "%s %q is no number", field, percent)
	}
	number /= 100
	return &number, nil
}

// checks asks one side what a Baseline says.
func (b Binder) checks(ctx context.Context, m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard) (traffic.Guard, func(), error) {
	side := m.Spec.To
	if spec.Checks.Side == string(traffic.Old) {
		side = m.Spec.From
	}
	if side.URL == "" {
		return nil, nil, fault.New(fault.Invalid, "Give it a url, at which checks reach it past the router.", "side %s has no url", side.Name)
	}
	object := &v1alpha1.Baseline{}
	err := b.Reader.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: spec.Checks.Baseline}, object)
	if apierrors.IsNotFound(err) {
		return nil, nil, fault.New(fault.Invalid, "`landfall baseline create` makes one.", "baseline %s does not exist", spec.Checks.Baseline)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading baseline %s: %w", spec.Checks.Baseline, err)
	}
	normal, err := baseline.Read(object.Name, object.Spec)
	if err != nil {
		return nil, nil, err
	}
	if normal.Checks == nil {
		return nil, nil, fault.New(fault.Invalid, "Add some with `landfall baseline create --checks`.", "baseline %s has no checks", object.Name)
	}
	secrets, err := b.secret(ctx, m, normal.Secret)
	if err != nil {
		return nil, nil, err
	}
	options := check.Options{
		URL: side.URL, Host: virtualHost(side.URL, m.Spec.Hostname), KeepConnections: true, Now: b.Clock,
		Getenv: func(key string) string { return string(secrets[key]) },
	}
	if only := spec.Checks.Only; len(only) > 0 {
		options.Only = func(name string) bool { return slices.Contains(only, name) }
	}
	runner, err := check.NewRunner(normal.Checks, options)
	if err != nil {
		return nil, nil, err
	}
	ask := func(ctx context.Context, _ time.Time) []result.Result { return runner.Run(ctx).Results }
	return guard.Results(rule(*spec), ask), runner.Close, nil
}

// virtualHost is the name to ask for: the migration's, where the side is known
// by its address alone.
func virtualHost(side, hostname string) string {
	u, err := url.Parse(side)
	if err != nil || net.ParseIP(u.Hostname()) == nil {
		return ""
	}
	return hostname
}
