// Package cli is the command line of localkube: one file per verb. A command
// parses, calls package cluster, and prints; it decides nothing. Start reading
// at NewCommand.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/localkube/internal/cluster"
	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	// defaultStateDir holds the clusters unless told otherwise.
	defaultStateDir = "/var/lib/landfall/local"
	envStateDir     = "LANDFALL_LOCAL_DIR"
)

// Streams are where a command reads and writes.
type Streams struct {
	Out, Err io.Writer
	// Terminal says that Err is a terminal, where progress may move.
	Terminal bool
}

type options struct {
	streams  Streams
	stateDir string
	output   string
}

// Run carries out the command line and returns the exit code.
func Run(ctx context.Context, args []string, streams Streams) int {
	o := &options{streams: streams}
	command := newRoot(o)
	command.SetArgs(args)
	command.SetOut(streams.Out)
	command.SetErr(streams.Err)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	o.printError(err)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fault.Interrupted.ExitCode()
	}
	return fault.ClassOf(err).ExitCode()
}

func newRoot(o *options) *cobra.Command {
	root := &cobra.Command{
		Use:   "localkube",
		Short: "A real Kubernetes on one machine, without Docker",
		Long: `localkube runs real Kubernetes clusters on one machine, without Docker: each
node is a set of Linux namespaces with its own containerd and kubelet, so that
one machine carries several nodes and several clusters.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return o.complete()
		},
	}
	dir := os.Getenv(envStateDir)
	if dir == "" {
		dir = defaultStateDir
	}
	root.PersistentFlags().StringVar(&o.stateDir, "state-dir", dir, "folder that holds the clusters (env "+envStateDir+")")
	root.PersistentFlags().StringVarP(&o.output, "output", "o", "table", "output format: table or json")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fault.New(fault.Usage, err, "See: "+c.CommandPath()+" --help")
	})
	root.AddCommand(newCreate(o), newList(o), newStop(o), newStart(o), newDelete(o),
		newNode(o), newLoadImage(o), newKubeconfig(o), newVersion(o), newSupervise(o))
	return root
}

func (o *options) complete() error {
	if o.output != "table" && o.output != "json" {
		return fault.New(fault.Usage, fmt.Errorf("output format %q: must be table or json", o.output), "")
	}
	dir, err := filepath.Abs(o.stateDir)
	if err != nil {
		return fmt.Errorf("finding the state folder: %w", err)
	}
	o.stateDir = dir
	return nil
}

func (o *options) manager() cluster.Manager {
	return cluster.Manager{Store: state.Store{Dir: o.stateDir}, Progress: newProgress(o.streams).report}
}

func (o *options) json() bool { return o.output == "json" }

func (o *options) printJSON(v any) error {
	encoder := json.NewEncoder(o.streams.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func (o *options) printError(err error) {
	hint := fault.HintOf(err)
	if o.json() {
		_ = json.NewEncoder(o.streams.Err).Encode(map[string]any{
			"error": err.Error(), "hint": hint, "exitCode": fault.ClassOf(err).ExitCode(),
		})
		return
	}
	fmt.Fprintln(o.streams.Err, "error:", err)
	if hint != "" {
		fmt.Fprintln(o.streams.Err, "next: ", hint)
	}
}

// exactly wants n arguments, named for the message.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fault.New(fault.Usage, fmt.Errorf("%s: wants %s, got %d arguments", c.CommandPath(), names, len(args)),
			"See: "+c.CommandPath()+" --help")
	}
}
