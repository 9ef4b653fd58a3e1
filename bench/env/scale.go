package main

import (
	"context"
	"encoding/json"
	"fmt"
	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/bench/cluster"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"

	"github.com/landfall-dev/landfall/bench/harness"
)

const (
	kwokModule     = "sigs.k8s.io/kwok/cmd/kwok@v0.8.0"
	simulatedNodes = 10
	// few environments are the measure that many are compared with.
	few = 10
	// flat is how much more an environment may cost among many than among few.
	flat = 1.2
)

// usage is what the controllers have used so far, and for what.
type usage struct {
	cluster.Usage
	ready int // environments, of those created last
	took  time.Duration
}

// measureScale creates few and then many environments at once on simulated
// nodes, and compares what each of them cost the controllers.
func (b *bench) measureScale(ctx context.Context) error {
	stop, err := b.simulateNodes(ctx)
	if stop != nil {
		defer stop()
	}
	if err != nil {
		return err
	}
	idle, err := b.Usage(ctx)
	if err != nil {
		return err
	}
	afterFew, err := b.createMany(ctx, "few", few)
	if err != nil {
		return err
	}
	afterMany, err := b.createMany(ctx, "many", b.opts.many)
	if err != nil {
		return err
	}
	reportScale(idle, afterFew, afterMany, float64(b.opts.many))
	return b.reportRest(ctx)
}

func reportScale(idle cluster.Usage, afterFew, afterMany usage, many float64) {
	amongFew := (afterFew.Requests - idle.Requests) / few
	amongMany := (afterMany.Requests - afterFew.Requests) / many
	bar.AtLeast("env-scale-ready", float64(afterMany.ready), "environments", many)
	fmt.Printf("env-scale: %d of %.0f environments of %d components ready after %s; %.0f requests an environment among %d, %.0f among %.0f\n",
		afterMany.ready, many, components, afterMany.took.Round(time.Second), amongFew, few, amongMany, many)
	fmt.Printf("env-scale: controller memory %.0f MiB idle, %.0f MiB with %d, %.0f MiB with %.0f more\n",
		idle.Memory, afterFew.Memory, few, afterMany.Memory, many)
	bar.AtMost("env-scale-requests-growth", amongMany/amongFew, "x", flat)
	perEnvironment := (afterMany.Memory - afterFew.Memory) / many
	bar.AtMost("env-scale-memory", perEnvironment, "MiB/environment", 1.5)
}

// reportRest measures what all those environments cost while nothing happens.
func (b *bench) reportRest(ctx context.Context) error {
	const rest = time.Minute
	before, err := b.Usage(ctx)
	if err != nil {
		return err
	}
	if err := harness.Sleep(ctx, rest); err != nil {
		return err
	}
	after, err := b.Usage(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("env-scale: at rest %.1f requests an environment and minute\n",
		(after.Requests-before.Requests)/float64(b.opts.many+few))
	return nil
}

// patience is how long environments may take to be ready. Those that are not
// by then count as not ready.
const patience = 15 * time.Minute

// createMany creates environments all at once, waits until they are ready and
// removes nothing.
func (b *bench) createMany(ctx context.Context, prefix string, n int) (usage, error) {
	ready := 0
	took, err := timed(func() (err error) {
		for i := range n {
			env := &v1alpha1.Environment{
				ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: fmt.Sprintf("%s-%d", prefix, i)},
				Spec:       v1alpha1.EnvironmentSpec{Blueprint: blueprint},
			}
			if err := b.Client.Create(ctx, env); err != nil {
				return err
			}
		}
		ready, err = b.waitReady(ctx, prefix, n)
		return err
	})
	if err != nil {
		return usage{}, err
	}
	used, err := b.Usage(ctx)
	return usage{Usage: used, ready: ready, took: took}, err
}

// waitReady gives how many of n environments are ready in the end.
func (b *bench) waitReady(ctx context.Context, prefix string, n int) (int, error) {
	for last, start := -1, time.Now(); ; {
		ready, err := b.countReady(ctx, prefix)
		if err != nil || ready == n || time.Since(start) > patience {
			return ready, err
		}
		if ready != last {
			log.Printf("%d of %d ready", ready, n)
			last = ready
		}
		if err := harness.Sleep(ctx, 2*time.Second); err != nil {
			return ready, err
		}
	}
}

func (b *bench) countReady(ctx context.Context, prefix string) (ready int, err error) {
	var list v1alpha1.EnvironmentList
	err = b.Client.List(ctx, &list, client.InNamespace(project))
	for i := range list.Items {
		env := &list.Items[i]
		if strings.HasPrefix(env.Name, prefix+"-") && meta.IsStatusConditionTrue(env.Status.Conditions, v1alpha1.ConditionReady) {
			ready++
		}
	}
	return ready, err
}

// simulateNodes runs KWOK against the cluster and cordons the real nodes.
func (b *bench) simulateNodes(ctx context.Context) (stop func(), err error) {
	install := exec.CommandContext(ctx, "go", "install", kwokModule)
	install.Env = append(os.Environ(), "GOBIN="+b.Dir)
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building KWOK: %w: %s", err, out)
	}
	if err := b.cordonNodes(ctx); err != nil {
		return nil, err
	}
	stop, err = b.startKWOK(ctx)
	if err != nil {
		return nil, err
	}
	for i := range simulatedNodes {
		if err := b.createSimulatedNode(ctx, fmt.Sprintf("simulated-%d", i)); err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// startKWOK runs it with the stages that it comes with: nodes and pods that are
// ready at once.
func (b *bench) startKWOK(ctx context.Context) (stop func(), err error) {
	stages, err := kwokStages(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(b.Dir, "stages.yaml")
	if err := os.WriteFile(config, stages, 0o600); err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(b.Dir, "kwok.log"))
	if err != nil {
		return nil, err
	}
	kwok := exec.CommandContext(ctx, filepath.Join(b.Dir, "kwok"), "--kubeconfig", b.Kubeconfig, "--config", config,
		"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds=40")
	kwok.Stdout, kwok.Stderr = output, output
	kwok.Cancel = func() error { return kwok.Process.Signal(syscall.SIGTERM) }
	if err := kwok.Start(); err != nil {
		return nil, fmt.Errorf("starting KWOK: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := kwok.Wait(); ctx.Err() == nil {
			log.Printf("KWOK ended (%v): see %s", err, output.Name())
		}
	}()
	return func() {
		_ = kwok.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = output.Close()
	}, nil
}

// kwokStages are the files of KWOK's module that say what becomes of nodes and
// pods.
func kwokStages(ctx context.Context) ([]byte, error) {
	module, _, _ := strings.Cut(kwokModule, "/cmd/")
	_, version, _ := strings.Cut(kwokModule, "@")
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@"+version).Output()
	if err != nil {
		return nil, fmt.Errorf("finding KWOK's stages: %w", err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("finding KWOK's stages: %w", err)
	}
	var all []byte
	for _, folder := range []string{"node/fast", "node/heartbeat-with-lease", "pod/fast"} {
		files, err := filepath.Glob(filepath.Join(found.Dir, "kustomize/stage", folder, "*-*.yaml"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("finding KWOK's stages: none in %s of %s", folder, found.Dir)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading KWOK's stages: %w", err)
			}
			all = append(append(all, "---\n"...), text...)
		}
	}
	return all, nil
}

func (b *bench) cordonNodes(ctx context.Context) error {
	var nodes corev1.NodeList
	if err := b.Client.List(ctx, &nodes); err != nil {
		return err
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		before := node.DeepCopy()
		node.Spec.Unschedulable = true
		if err := b.Client.Patch(ctx, node, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) createSimulatedNode(ctx context.Context, name string) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("250"),
	}
	node := &corev1.Node{ObjectMeta: named(name)}
	node.Annotations = map[string]string{"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"}
	node.Labels = map[string]string{corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
	node.Status.Capacity, node.Status.Allocatable = capacity, capacity
	return b.Client.Create(ctx, node)
}
