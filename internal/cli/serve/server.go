package serve

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/controller"
	"github.com/landfall-dev/landfall/internal/environment/store/server"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Times of leader election: another one takes over within ten seconds of the
// leader's death.
const (
	leaseDuration = 10 * time.Second
	renewDeadline = 7 * time.Second
	retryPeriod   = 2 * time.Second
	// shutdownTime is how long a reconcile under way may take to end.
	shutdownTime = 20 * time.Second
)

// imageVariable names the image of this program, which Jobs run.
const imageVariable = "LANDFALL_IMAGE"

// service is everything that runs.
type service struct {
	manager ctrl.Manager
	pool    *kube.Pool
}

func newServer(ctx context.Context, config *rest.Config, f *flags, getenv func(string) string, crash func(string)) (*service, error) {
	manager, err := newManager(config, f)
	if err != nil {
		return nil, err
	}
	mirrors, err := version.ParseMirrors(getenv(version.MirrorsVariable))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", version.MirrorsVariable, err)
	}
	pool := kube.NewPool(kube.PoolOptions{Reader: manager.GetClient(), Local: config, Registerer: metrics.Registry})
	s := &service{manager: manager, pool: pool}
	var heartbeat *route53.Heartbeat
	if f.heartbeat != "" {
		heartbeat = &route53.Heartbeat{}
	}
	err = controller.Setup(ctx, manager, controller.Options{
		Pool: pool, Resolver: version.New(version.Options{Mirrors: mirrors}), OpenStore: server.Open,
		Concurrency: f.concurrency, Registerer: metrics.Registry, Reached: crash,
		Image: getenv(imageVariable), Heartbeat: heartbeat,
	})
	if err == nil {
		err = addLogs(manager, pool, f)
	}
	if err == nil && heartbeat != nil {
		err = addHeartbeat(manager, heartbeat, f.heartbeat)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *service) run(ctx context.Context) error {
	if err := s.manager.Start(ctx); err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	return nil
}

func (s *service) close() { s.pool.Close() }

// newManager makes the manager. Secrets are watched by their metadata alone
// and read when needed, so that memory does not grow with what they hold;
// ConfigMaps are not watched at all.
func newManager(config *rest.Config, f *flags) (ctrl.Manager, error) {
	lease, renew, retry, shutdown := leaseDuration, renewDeadline, retryPeriod, shutdownTime
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: command.Scheme(),
		Cache: cache.Options{
			DefaultTransform:  cache.TransformStripManagedFields(),
			DefaultNamespaces: namespaces(f.watchNamespaces),
		},
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              "landfall",
		LeaderElectionNamespace:       f.leaderNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       &shutdown,
		Metrics:                       metricsserver.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:        f.health,
		PprofBindAddress:              f.pprof,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the controllers: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	if err := manager.AddReadyzCheck("caches", cachesSynced(manager)); err != nil {
		return nil, err
	}
	return manager, nil
}

// namespaces restricts the caches; none means all.
func namespaces(names []string) map[string]cache.Config {
	if len(names) == 0 {
		return nil
	}
	restricted := make(map[string]cache.Config, len(names))
	for _, name := range names {
		restricted[name] = cache.Config{}
	}
	return restricted
}

// cachesSynced is ready once what is watched has been read.
func cachesSynced(manager ctrl.Manager) healthz.Checker {
	return func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), time.Second)
		defer cancel()
		if !manager.GetCache().WaitForCacheSync(ctx) {
			return fmt.Errorf("caches are not filled yet")
		}
		return nil
	}
}
