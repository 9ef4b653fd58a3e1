// Package controller registers Landfall's reconcilers with a manager. Start at
// Setup; each kind has its own package below.
package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/metric/datadog"
	"github.com/landfall-dev/landfall/internal/controller/baseline"
	"github.com/landfall-dev/landfall/internal/controller/cluster"
	"github.com/landfall-dev/landfall/internal/controller/datacopy"
	"github.com/landfall-dev/landfall/internal/controller/environment"
	"github.com/landfall-dev/landfall/internal/controller/hostname"
	"github.com/landfall-dev/landfall/internal/controller/migration"
	"github.com/landfall-dev/landfall/internal/dnsaccount"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/kube"
	objects "github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options are what the reconcilers work with. All but Reached, Image and
// Heartbeat are required.
type Options struct {
	// Pool reaches the clusters that environments run on. The caller closes it
	// when the manager has stopped.
	Pool *kube.Pool
	// Resolver finds images and charts.
	Resolver version.Resolver
	// OpenStore reaches a server that environments get stores on.
	OpenStore func(serverURL string) (store.Provisioner, error)
	// Concurrency is how many Environments are reconciled at once.
	Concurrency int
	// Image is Landfall's own, which the Jobs of data copies run; without it they
	// wait.
	Image string
	// Heartbeat is asked by Route 53 whether migrations live; nil where nobody
	// asks.
	Heartbeat *route53.Heartbeat
	// Registerer of metrics.
	Registerer prometheus.Registerer
	// Reached is told of every named point of the work; see CrashPoints.
	Reached func(point string)
}

// Setup registers the reconcilers.
func Setup(ctx context.Context, mgr ctrl.Manager, opts Options) error {
	clusters := cluster.New(cluster.Options{
		Client: mgr.GetClient(), Ask: asker(opts.Pool), Drop: opts.Pool.Drop,
		Recorder: mgr.GetEventRecorder("landfall"), Clock: time.Now,
	})
	if err := clusters.SetupWithManager(mgr, opts.Concurrency); err != nil {
		return fmt.Errorf("setting up the cluster controller: %w", err)
	}
	environments := environment.New(environment.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Targets: targets(opts.Pool), APIs: newAPICache(opts.Pool).get,
		Resolver: opts.Resolver, OpenStore: opts.OpenStore,
		Recorder: mgr.GetEventRecorder("landfall"), Clock: time.Now,
		Reached: opts.Reached, Metrics: environment.NewMetrics(opts.Registerer),
	})
	if err := environments.SetupWithManager(ctx, mgr, opts.Pool, opts.Concurrency); err != nil {
		return fmt.Errorf("setting up the environment controller: %w", err)
	}
	baselines := baseline.New(baseline.Options{Client: mgr.GetClient(), Target: opts.Pool.Target, Clock: time.Now})
	if err := baselines.SetupWithManager(mgr, opts.Concurrency); err != nil {
		return fmt.Errorf("setting up the baseline controller: %w", err)
	}
	accounts := &awsaccount.Accounts{}
	hostnames := hostname.New(hostname.Options{
		Client: mgr.GetClient(), Open: dnsaccount.Opener(mgr.GetClient(), accounts),
		Recorder: mgr.GetEventRecorder("landfall"), Clock: time.Now,
	})
	if err := hostnames.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the hostname controller: %w", err)
	}
	migrations := migration.New(migration.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Binder: objects.Binder{
			Reader: mgr.GetClient(), Cluster: clients(opts.Pool, mgr.GetClient()), Clock: time.Now,
			AWS: accounts, Datadog: &datadog.Accounts{}, Heartbeat: opts.Heartbeat,
			Parity: objects.NewComparer(configs(opts.Pool)),
		},
		Recorder: mgr.GetEventRecorder("landfall"), Clock: time.Now,
		Registerer: opts.Registerer, Reached: opts.Reached,
	})
	if err := migrations.SetupWithManager(mgr, opts.Concurrency); err != nil {
		return fmt.Errorf("setting up the migration controller: %w", err)
	}
	copies := datacopy.New(datacopy.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Recorder: mgr.GetEventRecorder("landfall"), Clock: time.Now, Image: opts.Image,
	})
	if err := copies.SetupWithManager(mgr, opts.Concurrency); err != nil {
		return fmt.Errorf("setting up the data copy controller: %w", err)
	}
	return nil
}

// CrashPoints names the points that Options.Reached is told of.
func CrashPoints() []string {
	points := environment.CrashPoints()
	for _, point := range traffic.Points {
		points = append(points, string(point))
	}
	return points
}

// clients reaches routes: on a cluster by name, or on our own.
func clients(pool *kube.Pool, own client.Client) func(context.Context, string) (client.Client, error) {
	return func(ctx context.Context, name string) (client.Client, error) {
		if name == "" {
			return own, nil
		}
		target, err := pool.Target(ctx, name)
		if err != nil {
			return nil, err
		}
		return target.Client, nil
	}
}

// configs reaches clusters whose objects are compared.
func configs(pool *kube.Pool) func(context.Context, string) (*rest.Config, error) {
	return func(ctx context.Context, name string) (*rest.Config, error) {
		target, err := pool.Target(ctx, name)
		if err != nil {
			return nil, err
		}
		return target.Config, nil
	}
}

// targets narrows the pool's targets to what the environment reconciler uses.
func targets(pool *kube.Pool) func(context.Context, string) (environment.Target, error) {
	return func(ctx context.Context, name string) (environment.Target, error) {
		target, err := pool.Target(ctx, name)
		if err != nil {
			return nil, err // not a nil *kube.Target in a non-nil interface
		}
		return target, nil
	}
}
