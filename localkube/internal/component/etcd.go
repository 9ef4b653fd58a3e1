package component

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

func runEtcd() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dataDir := flags.String("data-dir", "", "folder of the database")
	listen := flags.String("listen", "127.0.0.1:2379", "address for clients")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if err := serveEtcd(ctx, *dataDir, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	return 0
}

// serveEtcd runs a single-member etcd until ctx ends.
func serveEtcd(ctx context.Context, dataDir, listen string) error {
	config := embed.NewConfig()
	config.Name = "localkube"
	config.Dir = dataDir
	client := url.URL{Scheme: "http", Host: listen}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.LogLevel = "warn"
	config.WarningUnaryRequestDuration = time.Second
	config.AutoCompactionMode, config.AutoCompactionRetention = "periodic", "30m"
	// One member needs few raft entries in memory to catch nobody up.
	config.SnapshotCount, config.SnapshotCatchUpEntries = 5000, 500
	config.QuotaBackendBytes = 4 << 30

	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return fmt.Errorf("starting: not ready after a minute")
	case <-ctx.Done():
		return nil
	}
	select {
	case err := <-server.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}
