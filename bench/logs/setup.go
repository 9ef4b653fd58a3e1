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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/bench/cluster"
)

const environment = "chatter"

// bench is a cluster with pods that have printed, and both tools.
type bench struct {
	*cluster.Cluster
	opts  options
	stern string
	image string
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
	c, err := cluster.Start(ctx, "bench-logs", opts.cluster)
	b := &bench{Cluster: c, opts: opts, stern: filepath.Join(c.Dir, "stern"), image: c.Registry + "/bench/chatter:1"}
	if err != nil {
		return b, err
	}
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"building stern " + opts.stern, b.buildStern},
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

// buildStern builds stern as published, with the dependencies it names.
func (b *bench) buildStern(ctx context.Context) error {
	if strings.ContainsRune(b.opts.stern, filepath.Separator) {
		b.stern = b.opts.stern
		return nil
	}
	module := filepath.Join(b.Dir, "stern-module")
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
		build := exec.CommandContext(ctx, "go", args...)
		build.Dir = module
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building stern: %w: %s", err, out)
		}
	}
	return nil
}

func (b *bench) pushImage(ctx context.Context) error {
	binary := filepath.Join(b.Dir, "chatter")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./bench/logs/chatter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building chatter: %w: %s", err, out)
	}
	_, err := b.Run(ctx, b.Landfall, "image", "push", binary, b.image, "--user", "1000")
	return err
}

// createEnvironment makes what `landfall logs` looks up. No controller runs:
// it would only take CPU from both sides.
func (b *bench) createEnvironment(ctx context.Context) error {
	for _, object := range []client.Object{
		&v1alpha1.Environment{
			ObjectMeta: metav1.ObjectMeta{Name: environment, Namespace: corev1.NamespaceDefault},
			Spec:       v1alpha1.EnvironmentSpec{Blueprint: "none"},
		},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: environment}},
	} {
		if err := b.Create(ctx, object); err != nil {
			return err
		}
	}
	return nil
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
	if err := b.Client.Create(ctx, deployment); err != nil {
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
	return b.Command(ctx, b.stern, "--namespace", environment, "--no-follow", "--color", "never",
		"--max-log-requests", strconv.Itoa(b.opts.pods+10), ".*")
}

func (b *bench) landfallCommand(ctx context.Context) *exec.Cmd {
	return b.Command(ctx, b.Landfall, "logs", environment, "--color", "never")
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
