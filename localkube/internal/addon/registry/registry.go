// Package registry is the OCI registry that a cluster's nodes pull from and
// people push to: the distribution library over a folder.
//
// It speaks plain HTTP without authentication, as registries on loopback do:
// the address it binds must only be reachable from the machine itself.
// Manifests can be deleted by digest; their blobs stay until the cluster goes.
package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
)

// Port is where the registry listens in the control plane's network namespace.
const Port = 5000

// shutdownTimeout is how long a pull or push under way may go on at the end.
const shutdownTimeout = 5 * time.Second

// Config says where the registry keeps images and listens.
type Config struct {
	// Root is the folder that holds the images; it is made as needed.
	Root string
	// Listen is the host:port to bind.
	Listen string
}

// AddFlags registers the component's command-line flags.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Root, "root", "", "folder that holds the images")
	fs.StringVar(&c.Listen, "listen", "", "host:port to listen on")
}

func (c *Config) validate() error {
	if !filepath.IsAbs(c.Root) {
		return fmt.Errorf("--root %q: must be an absolute path", c.Root)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	return nil
}

// Run serves the registry until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("configuring registry: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("starting registry: %w", err)
	}
	return serve(ctx, listener, Handler(ctx, cfg.Root))
}

// Handler returns the registry's HTTP API over the folder root. It keeps
// goroutines until ctx ends, and may be called once in a process's life: the
// library registers its metrics globally.
func Handler(ctx context.Context, root string) http.Handler {
	logrus.SetLevel(logrus.WarnLevel)
	return handlers.NewApp(ctx, storage(root))
}

func storage(root string) *configuration.Configuration {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": configuration.Parameters{"rootdirectory": root},
			"delete":     configuration.Parameters{"enabled": true},
			"cache":      configuration.Parameters{"blobdescriptor": "inmemory"},
		},
	}
	config.Catalog.MaxEntries = 1000
	// It signs the state of uploads, which do not outlive the process.
	config.HTTP.Secret = rand.Text()
	return config
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	select {
	case err := <-served:
		return fmt.Errorf("serving registry: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stopping registry: %w", err)
	}
	return nil
}
