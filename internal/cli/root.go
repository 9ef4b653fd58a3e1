// Package cli is the tree of commands. Folders mirror the command words; each
// package below has New, which makes its command. Start at Main.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	"github.com/landfall-dev/landfall/internal/cli/apply"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/baseline"
	"github.com/landfall-dev/landfall/internal/cli/check"
	"github.com/landfall-dev/landfall/internal/cli/cluster"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/data"
	"github.com/landfall-dev/landfall/internal/cli/deploy"
	"github.com/landfall-dev/landfall/internal/cli/diff"
	"github.com/landfall-dev/landfall/internal/cli/down"
	"github.com/landfall-dev/landfall/internal/cli/env"
	"github.com/landfall-dev/landfall/internal/cli/frontdoor"
	"github.com/landfall-dev/landfall/internal/cli/history"
	"github.com/landfall-dev/landfall/internal/cli/image"
	"github.com/landfall-dev/landfall/internal/cli/kubeconfig"
	"github.com/landfall-dev/landfall/internal/cli/load"
	"github.com/landfall-dev/landfall/internal/cli/local"
	"github.com/landfall-dev/landfall/internal/cli/logs"
	"github.com/landfall-dev/landfall/internal/cli/migrate"
	"github.com/landfall-dev/landfall/internal/cli/parity"
	"github.com/landfall-dev/landfall/internal/cli/rollback"
	"github.com/landfall-dev/landfall/internal/cli/serve"
	"github.com/landfall-dev/landfall/internal/cli/spec"
	"github.com/landfall-dev/landfall/internal/cli/up"
	"github.com/landfall-dev/landfall/internal/cli/version"
	"github.com/landfall-dev/landfall/internal/cli/watchdog"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Command groups, in the order of the help.
const (
	groupEnvironments = "environments"
	groupBaseline     = "baseline"
	groupMoving       = "moving"
	groupPlatform     = "platform"
	groupOther        = "other"
)

// Main runs one command line and gives its exit code; see docs/exit-codes.md.
func Main(ctx context.Context, c *command.Context, args []string) int {
	root := NewRoot(c)
	started := markStart(root)
	root.SetArgs(args)
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	err := command.Explain(root.ExecuteContext(ctx))
	if err != nil && !*started && fault.ClassOf(err) == fault.Failed {
		err = fault.Wrap(fault.Invalid, err, "`landfall --help` lists the commands; every command has --help.")
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && fault.ExitCode(err) != fault.ExitInterrupted {
		err = fmt.Errorf("interrupted: %w", context.Canceled)
	}
	report(c, err)
	return fault.ExitCode(err)
}

// NewRoot makes the whole tree.
func NewRoot(c *command.Context) *cobra.Command {
	root := &cobra.Command{
		Use:           "landfall",
		Short:         "Move running services to Kubernetes, prove that nothing was lost, and give every team environments",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          command.Args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddFlags(root.PersistentFlags())
	root.RegisterFlagCompletionFunc("context", ask.CompleteContexts(c))
	root.RegisterFlagCompletionFunc("namespace", ask.CompleteNamespaces(c))
	root.RegisterFlagCompletionFunc("output", ask.CompleteWords(command.Table, command.JSON, command.YAML))
	root.AddGroup(
		&cobra.Group{ID: groupEnvironments, Title: "Environments:"},
		&cobra.Group{ID: groupBaseline, Title: "The baseline:"},
		&cobra.Group{ID: groupMoving, Title: "Moving data and traffic:"},
		&cobra.Group{ID: groupPlatform, Title: "Clusters and the local platform:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	add(root, groupEnvironments, apply.New(c), diff.New(c), env.New(c), deploy.New(c), rollback.New(c), history.New(c), logs.New(c))
	add(root, groupBaseline, spec.New(c), check.New(c), baseline.New(c), load.New(c))
	add(root, groupMoving, migrate.New(c), parity.New(c), watchdog.New(c), data.New(c))
	add(root, groupPlatform, up.New(c), down.New(c), cluster.New(c), kubeconfig.New(c), local.New(c), image.New(c))
	add(root, groupOther, serve.New(c), frontdoor.New(c), version.New(c))
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// markStart tells errors in the command line from errors of the command: the
// result is true once a command's own code runs.
func markStart(cmd *cobra.Command) *bool {
	started := false
	var wrap func(*cobra.Command)
	wrap = func(cmd *cobra.Command) {
		if run := cmd.RunE; run != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				started = true
				silenceLibraries(cmd)
				return run(cmd, args)
			}
		}
		for _, child := range cmd.Commands() {
			wrap(child)
		}
	}
	wrap(cmd)
	return &started
}

// silenceLibraries keeps log lines of the Kubernetes libraries off people's
// terminals: what matters of them comes back as errors. Commands that serve
// log for themselves.
func silenceLibraries(cmd *cobra.Command) {
	if cmd.Name() == "serve" || cmd.Name() == "front-door" {
		return
	}
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
}

// errorDocument is what programs read of an error.
type errorDocument struct {
	Error struct {
		Class    string `json:"class"`
		Message  string `json:"message"`
		Hint     string `json:"hint,omitempty"`
		ExitCode int    `json:"exitCode"`
	} `json:"error"`
}

// report writes err to the error stream: lines for people, one JSON document
// for programs.
func report(c *command.Context, err error) {
	var told interface{ Told() bool }
	if err == nil || errors.As(err, &told) && told.Told() {
		return
	}
	message, hint := err.Error(), fault.HintOf(err)
	if errors.Is(err, context.Canceled) && fault.ExitCode(err) == fault.ExitInterrupted {
		message = interrupted(err)
	}
	if c.Output.Machine() {
		var doc errorDocument
		doc.Error.Class, doc.Error.Message, doc.Error.Hint = fault.ClassOf(err).String(), message, hint
		doc.Error.ExitCode = fault.ExitCode(err)
		json.NewEncoder(c.Err).Encode(doc)
		return
	}
	fmt.Fprintf(c.Err, "landfall: %s\n", message)
	if hint != "" {
		fmt.Fprintf(c.Err, "  next: %s\n", hint)
	}
}

// interrupted says what state an interruption leaves, where the command said.
func interrupted(err error) string {
	if message := strings.TrimSuffix(err.Error(), context.Canceled.Error()); message != "" {
		return strings.TrimSuffix(message, ": ")
	}
	return "interrupted"
}
