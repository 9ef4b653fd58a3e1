package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/bench/cluster"
)

// The bars.
const (
	leastRate       = 100 // objects a second
	timesVelero     = 5
	mostParity      = 20 * time.Second
	mostParityMiB   = 300
	from, to        = "context:landfall-bench-blue", "context:landfall-bench-green"
	exitDifferences = 1
	settledWithin   = 10 * time.Minute
)

// ran is what one run of the program took.
type ran struct {
	took time.Duration
	// cpu is the program's own.
	cpu time.Duration
	// memory at most resident, in MiB.
	memory float64
	output []byte
	code   int
}

// landfall runs the program with both clusters at hand.
func (b *bench) landfall(ctx context.Context, args ...string) (ran, error) {
	cmd := b.blue.Command(ctx, b.blue.Landfall, args...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+b.blue.Kubeconfig+":"+b.green.Kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	r := ran{took: time.Since(began), output: stdout.Bytes()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, err
	}
	r.code = cmd.ProcessState.ExitCode()
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = float64(usage.Maxrss) / 1024
	}
	if r.code > exitDifferences {
		return r, fmt.Errorf("landfall %s: exit code %d: %s", strings.Join(args, " "), r.code, stderr.String())
	}
	return r, nil
}

// measureTransfer copies everything, and asks again.
func (b *bench) measureTransfer(ctx context.Context) error {
	first, err := b.landfall(ctx, "cluster", "transfer", from, to, "--yes", "-o", "json")
	if err != nil {
		return err
	}
	written, err := writtenBy(first.output)
	if err != nil {
		return err
	}
	if written < b.opts.objects {
		return fmt.Errorf("the transfer wrote %d objects, not %d", written, b.opts.objects)
	}
	b.rate = float64(written) / first.took.Seconds()
	bar.AtLeast("transfer.rate", b.rate, "objects/s", leastRate)
	bar.Figure("transfer.objects", float64(written), "objects")
	bar.Figure("transfer.cpu", first.cpu.Seconds(), "s")
	bar.Figure("transfer.memory", first.memory, "MiB")
	again, err := b.landfall(ctx, "cluster", "transfer", from, to, "--yes", "-o", "json")
	if err != nil {
		return err
	}
	if written, err = writtenBy(again.output); err != nil {
		return err
	}
	bar.Exactly("transfer.again.written", float64(written), "objects", 0)
	bar.Figure("transfer.again", again.took.Seconds(), "s")
	return nil
}

// writtenBy counts what the program says it wrote.
func writtenBy(output []byte) (int, error) {
	var report struct {
		Result struct {
			Outcomes []struct {
				Done bool `json:"done"`
			} `json:"outcomes"`
		} `json:"result"`
	}
	if err := json.Unmarshal(output, &report); err != nil {
		return 0, fmt.Errorf("reading what the transfer printed: %w", err)
	}
	n := 0
	for _, o := range report.Result.Outcomes {
		if o.Done {
			n++
		}
	}
	return n, nil
}

// settle waits until the controllers of a cluster have seen what is there: until
// then parity is not known.
func settle(ctx context.Context, c *cluster.Cluster) error {
	return wait.PollUntilContextTimeout(ctx, 2*time.Second, settledWithin, true, func(ctx context.Context) (bool, error) {
		var deployments appsv1.DeploymentList
		if err := c.Client.List(ctx, &deployments); err != nil {
			return false, err
		}
		return !slices.ContainsFunc(deployments.Items, func(d appsv1.Deployment) bool { return d.Status.ObservedGeneration < d.Generation }), nil
	})
}

// measureParity compares both clusters, which are the same.
func (b *bench) measureParity(ctx context.Context) error {
	for _, c := range []*cluster.Cluster{b.blue, b.green} {
		if err := settle(ctx, c); err != nil {
			return fmt.Errorf("waiting for the controllers of %s: %w", c.Name, err)
		}
	}
	r, err := b.landfall(ctx, "parity", from, to)
	if err != nil {
		return err
	}
	bar.AtMost("parity.time", r.took.Seconds(), "s", mostParity.Seconds())
	bar.AtMost("parity.memory", r.memory, "MiB", mostParityMiB)
	bar.Exactly("parity.false", float64(r.code), "exit code", 0)
	bar.Figure("parity.cpu", r.cpu.Seconds(), "s")
	return nil
}
