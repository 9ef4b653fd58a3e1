package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/localcluster"
)

const (
	clusterName = "bench-env"
	project     = "default"
	blueprint   = "bench"
	components  = 5
)

// bench is a cluster with Landfall's controllers running against it from this
// machine, and the tools to compare with.
type bench struct {
	opts       options
	dir        string
	kubectl    string
	kubeconfig string
	image      string
	client     client.Client
	serve      *exec.Cmd
	metricsURL string
}

// setUp builds the tools and starts everything. The bench it returns is to be
// torn down even with an error.
func setUp(ctx context.Context, opts options) (*bench, error) {
	dir, err := os.MkdirTemp("", "landfall-bench-env-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	b := &bench{opts: opts, dir: dir, kubectl: filepath.Join(dir, "kubectl"), kubeconfig: filepath.Join(dir, "kubeconfig")}
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"building kubectl and the component", b.buildTools},
		{"creating the cluster", b.createCluster},
		{"pushing the component's image", b.pushImage},
		{"starting the controllers", b.startServe},
		{"applying the blueprint", b.applyBlueprint},
	}
	for _, step := range steps {
		log.Print(step.name)
		if err := step.run(ctx); err != nil {
			return b, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return b, nil
}

func (b *bench) tearDown() error {
	if b.opts.keep {
		log.Printf("keeping the cluster: export KUBECONFIG=%s LANDFALL_LOCAL_DIR=%s", b.kubeconfig, b.localDir())
		return nil
	}
	if b.serve != nil {
		_ = b.serve.Process.Signal(syscall.SIGTERM)
		_ = b.serve.Wait()
	}
	_, err := b.landfall(context.Background(), "local", "delete", clusterName)
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *bench) localDir() string { return filepath.Join(b.dir, "local") }

func (b *bench) buildTools(ctx context.Context) error {
	for _, tool := range []string{"kubectl", "server"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.dir, tool), "./bench/env/"+tool)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", tool, err, out)
		}
	}
	return nil
}

func (b *bench) createCluster(ctx context.Context) error {
	out, err := b.landfall(ctx, "local", "create", clusterName)
	if err != nil {
		return err
	}
	ready, err := localcluster.ParseReady(strings.TrimSpace(out))
	if err != nil {
		return err
	}
	b.image = ready.Registry + "/bench/server"
	return b.connect()
}

func (b *bench) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", b.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	b.client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

func (b *bench) pushImage(ctx context.Context) error {
	for _, tag := range []string{"1", "2"} {
		_, err := b.landfall(ctx, "image", "push", filepath.Join(b.dir, "server"), b.image+":"+tag, "--env", "VERSION="+tag, "--user", "1000")
		if err != nil {
			return err
		}
	}
	return nil
}

// startServe runs the controllers on this machine, so that their memory and
// requests can be read from their own metrics.
func (b *bench) startServe(ctx context.Context) error {
	if _, err := b.run(ctx, b.kubectl, nil, "apply", "--server-side", "-f", "config/crd"); err != nil {
		return err
	}
	if _, err := b.run(ctx, b.kubectl, nil, "wait", "--for=condition=Established", "--timeout=30s", "customresourcedefinition", "--all"); err != nil {
		return err
	}
	if err := b.client.Create(ctx, &v1alpha1.Cluster{ObjectMeta: named("local")}); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	b.metricsURL = fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	logFile, err := os.Create(filepath.Join(b.dir, "serve.log"))
	if err != nil {
		return err
	}
	b.serve = exec.Command( //nolint:noctx // it ends when the bench is torn down
		b.opts.landfall, "serve", "--kubeconfig", b.kubeconfig,
		"--metrics-address", fmt.Sprintf("127.0.0.1:%d", port))
	b.serve.Stdout, b.serve.Stderr = logFile, logFile
	b.serve.Env = b.env()
	return b.serve.Start()
}

func (b *bench) applyBlueprint(ctx context.Context) error {
	file := filepath.Join(b.dir, "blueprint.yaml")
	if err := os.WriteFile(file, []byte(blueprintYAML(b.image)), 0o600); err != nil {
		return err
	}
	_, err := b.landfall(ctx, "apply", "-f", file)
	return err
}

func blueprintYAML(image string) string {
	text := &strings.Builder{}
	fmt.Fprintf(text, "apiVersion: landfall.dev/v1alpha1\nkind: Blueprint\nmetadata: {name: %s}\nspec:\n  components:\n", blueprint)
	for i := range components {
		fmt.Fprintf(text, "  - name: part%d\n    image: %s:1\n    ports: [{name: http, port: 8080}]\n    health: {path: /, periodSeconds: 1}\n", i, image)
	}
	return text.String()
}

// landfall runs the CLI and gives its standard output.
func (b *bench) landfall(ctx context.Context, args ...string) (string, error) {
	return b.run(ctx, b.opts.landfall, nil, args...)
}

func (b *bench) run(ctx context.Context, program string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = b.env()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func (b *bench) env() []string {
	return append(os.Environ(), "KUBECONFIG="+b.kubeconfig, "LANDFALL_LOCAL_DIR="+b.localDir())
}

func (b *bench) createNamespace(ctx context.Context, name string) error {
	return b.client.Create(ctx, &corev1.Namespace{ObjectMeta: named(name)})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// timed gives how long f took.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}
