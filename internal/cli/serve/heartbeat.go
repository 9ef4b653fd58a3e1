package serve

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// addHeartbeat answers for the migrations of this process. It belongs to the
// leader: where nobody answers, nobody works, and whatever balances requests
// over several processes must find the one that does.
func addHeartbeat(mgr ctrl.Manager, heartbeat *route53.Heartbeat, address string) error {
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		logger := slog.New(logr.ToSlogHandler(mgr.GetLogger().WithName("heartbeat")))
		stop, err := listen("--heartbeat-address", address, heartbeat, logger)
		if err != nil {
			return err
		}
		defer stop()
		<-ctx.Done()
		return nil
	}))
}
