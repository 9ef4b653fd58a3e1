package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	controllerlogs "github.com/landfall-dev/landfall/internal/controller/logs"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/gather"
	"github.com/landfall-dev/landfall/internal/logs/httpapi"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// addLogs keeps the output of environments in the folder of --log-archive and
// answers for it at --http-address. Both belong to the leader: another process
// could not open the archive.
func addLogs(mgr ctrl.Manager, pool *kube.Pool, f *flags) error {
	if f.archive == "" {
		if f.http != "" {
			return fault.New(fault.Invalid, "Add --log-archive FOLDER, or leave --http-address out.", "reading --http-address: there are no gathered logs to serve")
		}
		return nil
	}
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		return serveLogs(ctx, mgr, pool, f)
	}))
}

func serveLogs(ctx context.Context, mgr ctrl.Manager, pool *kube.Pool, f *flags) error {
	logger := slog.New(logr.ToSlogHandler(mgr.GetLogger().WithName("logs")))
	kept, err := archive.Open(f.archive, archive.Options{MaxAge: f.archiveAge, MaxSize: f.archiveSize.Value(), Log: logger})
	if err != nil {
		return err
	}
	stats := kept.Stats()
	logger.Info("keeping the output of environments", "folder", f.archive, "segments", stats.Segments, "bytes", stats.Bytes, "containers", stats.Streams)
	tokens := controllerlogs.Tokens{Client: mgr.GetClient()}
	if f.http != "" {
		mux := http.NewServeMux()
		mux.Handle(httpapi.Path, httpapi.Handler(kept, tokens.Token))
		stop, err := listen("--http-address", f.http, mux, logger)
		if err != nil {
			return errors.Join(err, kept.Close())
		}
		defer stop()
	}
	gatherer := gather.New(kept, gather.Options{MaxAge: f.archiveAge, Log: logger})
	r := controllerlogs.Runnable{Reader: mgr.GetClient(), Pool: pool, Archive: kept, Gatherer: gatherer, Tokens: tokens}
	return r.Start(ctx)
}

// listen answers at the address that a flag gives until stop is called.
func listen(flag, address string, answer http.Handler, logger *slog.Logger) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "Choose a free address with "+flag+".")
	}
	server := &http.Server{Handler: answer, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("answering at "+address, "error", err)
		}
	}()
	return func() { _ = server.Close() }, nil
}
