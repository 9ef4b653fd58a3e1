package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/localcluster"
)

const (
	clusterName = "bench-logs"
	environment = "chatter"
)

// bench is a cluster with pods that have printed, and both tools.
type bench struct {
	opts       options
	dir        string
	stern      string
	kubeconfig string
	image      string
	client     client.Client
}

// side is one of the tools.
type side struct {
	name    string
	command func(context.Context) *exec.Cmd
	rates   []float64
}

// setUp makes everything ready. The bench it returns is to be torn down even
// with an error.
func setUp(ctx context.Context, opts options) (*bench, error) {
	dir, err := os.MkdirTemp("", "landfall-bench-logs-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	b := &bench{opts: opts, dir: dir, stern: filepath.Join(dir, "stern"), kubeconfig: filepath.Join(dir, "kubeconfig")}
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"building stern " + opts.stern, b.buildStern},
		{"creating the cluster", b.createCluster},
		{"pushing the image", b.pushImage},
		{"creating the environment", b.createEnvironment},
		{"letting the pods print", b.startPods},
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
	_, err := b.run(context.Background(), "", b.opts.landfall, "local", "delete", clusterName)
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *bench) localDir() string { return filepath.Join(b.dir, "local") }

// buildStern builds stern as published, with the dependencies it names.
func (b *bench) buildStern(ctx context.Context) error {
	if strings.ContainsRune(b.opts.stern, filepath.Separator) {
		b.stern = b.opts.stern
		return nil
	}
	module := filepath.Join(b.dir, "stern-module")
	if err := os.MkdirAll(module, 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module bench\n"), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"get", "github.com/stern/stern@" + b.opts.stern},
		{"build", "-ldflags", "-s -w", "-o", b.stern, "github.com/stern/stern"},
	} {
		if _, err := b.run(ctx, module, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) createCluster(ctx context.Context) error {
	out, err := b.run(ctx, "", b.opts.landfall, "local", "create", clusterName)
	if err != nil {
		return err
	}
	ready, err := localcluster.ParseReady(strings.TrimSpace(out))
	if err != nil {
		return err
	}
	b.image = ready.Registry + "/bench/chatter:1"
	config, err := clientcmd.BuildConfigFromFlags("", b.kubeconfig)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	b.client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

func (b *bench) pushImage(ctx context.Context) error {
	binary := filepath.Join(b.dir, "chatter")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./bench/logs/chatter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building chatter: %w: %s", err, out)
	}
	_, err := b.run(ctx, "", b.opts.landfall, "image", "push", binary, b.image, "--user", "1000")
	return err
}

// createEnvironment makes what `landfall logs` looks up. No controller runs:
// it would only take CPU from both sides.
func (b *bench) createEnvironment(ctx context.Context) error {
	files, err := filepath.Glob("config/crd/*.yaml")
	if err != nil {
		return err
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
		if err := b.client.Create(ctx, crd); err != nil {
			return err
		}
	}
	for _, object := range []client.Object{
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}},
		&v1alpha1.Environment{
			ObjectMeta: metav1.ObjectMeta{Name: environment, Namespace: corev1.NamespaceDefault},
			Spec:       v1alpha1.EnvironmentSpec{Blueprint: "none"},
		},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: environment}},
	} {
		if err := b.createServed(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// createServed creates an object whose kind may be served only in a moment.
func (b *bench) createServed(ctx context.Context, object client.Object) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		err := b.client.Create(ctx, object)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// startPods waits until all lines are printed.
func (b *bench) startPods(ctx context.Context) error {
	replicas := int32(b.opts.pods)
	labels := map[string]string{v1alpha1.LabelComponent: "web", v1alpha1.LabelEnvironment: environment}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: environment},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: b.image, Env: []corev1.EnvVar{{Name: "LINES", Value: strconv.Itoa(b.opts.lines)}},
				}}},
			},
		},
	}
	if err := b.client.Create(ctx, deployment); err != nil {
		return err
	}
	want := b.opts.pods * b.opts.lines
	return wait.PollUntilContextTimeout(ctx, 2*time.Second, 5*time.Minute, false, func(ctx context.Context) (bool, error) {
		n, err := lines(b.sternCommand(ctx))
		return n == want, err
	})
}

// sternCommand shows all there is, with no cap on streams.
func (b *bench) sternCommand(ctx context.Context) *exec.Cmd {
	return b.command(ctx, b.stern, "--namespace", environment, "--no-follow", "--color", "never",
		"--max-log-requests", strconv.Itoa(b.opts.pods+10), ".*")
}

func (b *bench) landfallCommand(ctx context.Context) *exec.Cmd {
	return b.command(ctx, b.opts.landfall, "logs", environment, "--color", "never")
}

func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = b.env()
	return cmd
}

// count runs one side and says how long it took to bring all lines.
func (b *bench) count(ctx context.Context, s *side, want int) (time.Duration, error) {
	began := time.Now()
	n, err := lines(s.command(ctx))
	took := time.Since(began)
	if err == nil && n != want {
		err = fmt.Errorf("it brought %d lines instead of %d", n, want)
	}
	return took, err
}

// lines runs a command and counts the lines it prints.
func lines(cmd *exec.Cmd) (n int, err error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	buf := make([]byte, 256<<10)
	for {
		k, err := out.Read(buf)
		n += bytes.Count(buf[:k], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
	}
	if err := cmd.Wait(); err != nil {
		return n, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return n, nil
}

func (b *bench) run(ctx context.Context, folder, program string, args ...string) (string, error) {
	cmd := b.command(ctx, program, args...)
	cmd.Dir = folder
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func (b *bench) env() []string {
	return append(os.Environ(), "KUBECONFIG="+b.kubeconfig, "LANDFALL_LOCAL_DIR="+b.localDir())
}
