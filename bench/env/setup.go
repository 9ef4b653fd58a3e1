package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/landfall-dev/landfall/bench/cluster"
)

const (
	project    = "default"
	blueprint  = "bench"
	components = 5
)

// bench is a cluster with Landfall's controllers running against it from this
// machine, and the tools to compare with.
type bench struct {
	*cluster.Cluster
	opts    options
	kubectl string
	image   string
}

// setUp builds the tools and starts everything. The bench it returns is to be
// torn down even with an error.
func setUp(ctx context.Context, opts options) (*bench, error) {
	c, err := cluster.Start(ctx, "bench-env", opts.cluster)
	b := &bench{Cluster: c, opts: opts, kubectl: filepath.Join(c.Dir, "kubectl"), image: c.Registry + "/bench/server"}
	if err != nil {
		return b, err
	}
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"building kubectl and the component", b.buildTools},
		{"pushing the component's image", b.pushImage},
		{"starting the controllers", func(context.Context) error { return b.Serve() }},
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

func (b *bench) buildTools(ctx context.Context) error {
	for _, tool := range []string{"kubectl", "server"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.Dir, tool), "./bench/env/"+tool)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", tool, err, out)
		}
	}
	return nil
}

func (b *bench) pushImage(ctx context.Context) error {
	for _, tag := range []string{"1", "2"} {
		_, err := b.landfall(ctx, "image", "push", filepath.Join(b.Dir, "server"), b.image+":"+tag, "--env", "VERSION="+tag, "--user", "1000")
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) applyBlueprint(ctx context.Context) error {
	file := filepath.Join(b.Dir, "blueprint.yaml")
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
	return b.Run(ctx, b.Landfall, args...)
}

// apply gives kubectl a manifest to apply.
func (b *bench) apply(ctx context.Context, manifest []byte) error {
	cmd := b.Command(ctx, b.kubectl, "apply", "-f", "-")
	cmd.Stdin = bytes.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(string(out))
	}
	return nil
}

func (b *bench) createNamespace(ctx context.Context, name string) error {
	return b.Client.Create(ctx, &corev1.Namespace{ObjectMeta: named(name)})
}

// timed gives how long f took.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}
