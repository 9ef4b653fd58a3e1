// Package cluster lends benchmarks a local cluster of their own with Landfall's
// kinds, and Landfall's controllers as a process of this machine, so that what
// they use can be read from their own metrics. Start at Start.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/localcluster"

	"github.com/landfall-dev/landfall/bench/harness"
)

// Options of a Cluster.
type Options struct {
	// Landfall is the program under test.
	Landfall string
	// Keep leaves cluster and folder for looking around.
	Keep bool
}

// AddFlags lets users of a benchmark set them.
func (o *Options) AddFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.Landfall, "landfall", "bin/landfall", "the landfall `binary`, with localkube beside it")
	flags.BoolVar(&o.Keep, "keep", false, "leave clusters for a look")
}

// Cluster is a cluster of one node, with a folder that goes with it.
type Cluster struct {
	Options
	Name       string
	Dir        string
	Kubeconfig string
	// Registry that its nodes pull from.
	Registry string
	Client   client.Client

	serve   *exec.Cmd
	metrics string
}

// Start makes a cluster of that name with Landfall's kinds and an object for
// itself. What it gives is to be closed even with an error.
func Start(ctx context.Context, name string, o Options) (*Cluster, error) {
	// The client would ask for a logger; what fails is returned.
	ctrllog.SetLogger(logr.Discard())
	c := &Cluster{Options: o, Name: name}
	var err error
	if c.Landfall, err = filepath.Abs(o.Landfall); err != nil {
		return c, err
	}
	// Short: the path of a socket may have 100 characters.
	if c.Dir, err = os.MkdirTemp("", "lfb"); err != nil {
		return c, fmt.Errorf("making a folder to work in: %w", err)
	}
	c.Kubeconfig = filepath.Join(c.Dir, "kubeconfig")
	log.Print("creating the cluster")
	out, err := c.Run(ctx, c.Landfall, "local", "create", c.Name)
	if err != nil {
		return c, err
	}
	ready, err := localcluster.ParseReady(strings.TrimSpace(out))
	if err != nil {
		return c, err
	}
	c.Registry = ready.Registry
	if err := c.connect(); err != nil {
		return c, err
	}
	return c, c.installKinds(ctx)
}

// Close ends the controllers and removes the cluster.
func (c *Cluster) Close() error {
	if c.Keep {
		log.Printf("keeping the cluster: export KUBECONFIG=%s LANDFALL_LOCAL_DIR=%s", c.Kubeconfig, c.localDir())
		return nil
	}
	if c.serve != nil {
		_ = c.serve.Process.Signal(syscall.SIGTERM)
		_ = c.serve.Wait()
	}
	_, err := c.Run(context.Background(), c.Landfall, "local", "delete", c.Name)
	return errors.Join(err, os.RemoveAll(c.Dir))
}

func (c *Cluster) localDir() string { return filepath.Join(c.Dir, "local") }

func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	c.Client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

// installKinds creates the definitions of config/crd.
func (c *Cluster) installKinds(ctx context.Context) error {
	files, err := filepath.Glob("config/crd/*.yaml")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("reading config/crd: run this in the repository's root (%w)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, crd); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		if err := c.Client.Create(ctx, crd); err != nil {
			return err
		}
	}
	return c.Create(ctx, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}})
}

// Create creates an object whose kind may be served only in a moment.
func (c *Cluster) Create(ctx context.Context, object client.Object) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		err := c.Client.Create(ctx, object)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// Serve runs the controllers until the cluster is closed.
func (c *Cluster) Serve(args ...string) error {
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + port
	c.metrics = "http://" + address + "/metrics"
	output, err := os.Create(filepath.Join(c.Dir, "serve.log"))
	if err != nil {
		return err
	}
	c.serve = c.Command(context.Background(), c.Landfall, append([]string{"serve", "--metrics-address", address}, args...)...)
	c.serve.Stdout, c.serve.Stderr = output, output
	return c.serve.Start()
}

// Run runs a program that reaches the cluster, and gives its standard output.
func (c *Cluster) Run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := c.Command(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Command is a program that reaches the cluster.
func (c *Cluster) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "LANDFALL_LOCAL_DIR="+c.localDir())
	return cmd
}
