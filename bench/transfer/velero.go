package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/bench/cluster"
	"github.com/landfall-dev/landfall/bench/harness"
)

const (
	// veleroNamespaces is how much Velero restores: it is slow.
	veleroNamespaces = 2
	// veleroPublished is what its own users measured: 31,000 Secrets in 52 minutes
	// (github.com/vmware-tanzu/velero/issues/6845).
	veleroPublished = 10
)

// measureVelero restores some of the namespaces under other names with Velero,
// one server for each cluster, and compares rates.
func (b *bench) measureVelero(ctx context.Context) error {
	if b.rate == 0 {
		return fmt.Errorf("there is no transfer to compare with: measure that part, too")
	}
	velero, err := filepath.Abs(filepath.Join(filepath.Dir(b.blue.Landfall), "velero"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(velero); err != nil {
		log.Printf("Velero is not here (make velero), so its published figure is taken: %v", err)
		bar.AtLeast("transfer.times.velero.published", b.rate/veleroPublished, "x", timesVelero)
		return nil
	}
	rate, err := b.restoreRate(ctx, velero)
	if err != nil {
		return err
	}
	bar.Figure("velero.rate", rate, "objects/s")
	bar.AtLeast("transfer.times.velero", b.rate/rate, "x", timesVelero)
	return nil
}

// restoreRate is how many objects a second Velero restores.
func (b *bench) restoreRate(ctx context.Context, velero string) (float64, error) {
	store := filepath.Join(b.blue.Dir, "store")
	for _, c := range []*cluster.Cluster{b.blue, b.green} {
		stop, err := serveVelero(ctx, c, velero, store)
		if err != nil {
			return 0, err
		}
		defer stop()
	}
	var namespaces, mapping []string
	for i := range veleroNamespaces {
		namespaces = append(namespaces, namespace(i))
		mapping = append(mapping, fmt.Sprintf("%s:velero-%03d", namespace(i), i))
	}
	if _, err := b.blue.Run(ctx, velero, "backup", "create", "bench", "--include-namespaces", strings.Join(namespaces, ","), "--wait"); err != nil {
		return 0, err
	}
	if err := seen(ctx, b.green, velero); err != nil {
		return 0, err
	}
	if _, err := b.green.Run(ctx, velero, "restore", "create", "bench", "--from-backup", "bench", "--namespace-mappings", strings.Join(mapping, ","), "--wait"); err != nil {
		return 0, err
	}
	return rateOf(ctx, b.green, velero)
}

// serveVelero installs Velero's kinds and a place for backups, and runs its
// server as a process of this machine.
func serveVelero(ctx context.Context, c *cluster.Cluster, velero, store string) (stop func(), err error) {
	if _, err := c.Run(ctx, velero, "install", "--crds-only"); err != nil {
		return nil, err
	}
	kubectl := filepath.Join(filepath.Dir(c.Landfall), "kubectl")
	if _, err := c.Run(ctx, kubectl, "create", "namespace", "velero"); err != nil {
		return nil, err
	}
	// It looks at its own Deployment while it restores.
	if _, err := c.Run(ctx, kubectl, "create", "deployment", "velero", "--namespace", "velero", "--image", "registry.example/velero", "--replicas", "0"); err != nil {
		return nil, err
	}
	if _, err := c.Run(ctx, velero, "backup-location", "create", "default", "--default", "--provider", "landfall.dev/folder", "--bucket", "bench", "--config", "path="+store); err != nil {
		return nil, err
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(c.Dir, "velero.log"))
	if err != nil {
		return nil, err
	}
	profiler, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	// Its limits of requests are raised, as its documentation advises for speed.
	server := c.Command(context.WithoutCancel(ctx), velero, "server", "--plugin-dir", filepath.Join(filepath.Dir(velero), "velero-plugins"),
		"--client-qps", "1000", "--client-burst", "2000", "--backup-sync-period", "5s", "--store-validation-frequency", "5s",
		"--metrics-address", "127.0.0.1:"+port, "--profiler-address", "127.0.0.1:"+profiler)
	server.Stdout, server.Stderr = output, output
	if err := server.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
		_ = output.Close()
	}, nil
}

// seen waits until a cluster's Velero knows the backup.
func seen(ctx context.Context, c *cluster.Cluster, velero string) error {
	for range 60 {
		if _, err := c.Run(ctx, velero, "backup", "get", "bench"); err == nil {
			return nil
		}
		if err := harness.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("waiting for the other Velero to see the backup: not within a minute")
}

func rateOf(ctx context.Context, c *cluster.Cluster, velero string) (float64, error) {
	out, err := c.Run(ctx, velero, "restore", "get", "bench", "-o", "json")
	if err != nil {
		return 0, err
	}
	var restore struct {
		Status struct {
			Phase               string    `json:"phase"`
			StartTimestamp      time.Time `json:"startTimestamp"`
			CompletionTimestamp time.Time `json:"completionTimestamp"`
			Progress            struct {
				ItemsRestored int `json:"itemsRestored"`
			} `json:"progress"`
		} `json:"status"`
	}
	if err := json.Unmarshal([]byte(out), &restore); err != nil {
		return 0, fmt.Errorf("reading Velero's restore: %w", err)
	}
	s := restore.Status
	if s.Phase != "Completed" || s.Progress.ItemsRestored < veleroNamespaces*perNamespace {
		return 0, fmt.Errorf("restore by Velero is %s after %d objects: see velero.log (-keep keeps it)", s.Phase, s.Progress.ItemsRestored)
	}
	return float64(s.Progress.ItemsRestored) / s.CompletionTimestamp.Sub(s.StartTimestamp).Seconds(), nil
}
