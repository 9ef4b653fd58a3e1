// Package local is `landfall local`: Kubernetes clusters and legacy servers on
// this machine. The clusters are the work of localkube, a process of its own;
// here its commands are passed on and the user's kubeconfig is kept up to date.
// Start at New.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/legacyhost"
	"github.com/landfall-dev/landfall/internal/localcluster"
)

// verb is a command of localkube.
type verb struct {
	words, short, example string
	// then runs after success with what localkube printed.
	then func(ctx context.Context, c *command.Context, args []string, printed string) error
}

var verbs = []verb{
	{"create NAME", "Create a cluster and wait until it is ready", "landfall local create blue --nodes 3", useContext},
	{"list", "List the clusters", "landfall local list -o json", nil},
	{"start NAME", "Start a stopped cluster, or put a broken one right", "landfall local start blue", useContext},
	{"stop NAME", "Stop a cluster; its data stays", "landfall local stop blue", nil},
	{"delete NAME", "Delete a cluster with all that it made on this machine", "landfall local delete blue", dropContext},
	{"load-image NAME REF-OR-ARCHIVE…", "Put images into every node of a cluster", "landfall local load-image blue web.tar", nil},
	{"kubeconfig NAME", "Print the administrator's kubeconfig of a cluster", "landfall local kubeconfig blue > blue.kubeconfig", nil},
}

var nodeVerbs = []verb{
	{"stop NAME NODE", "Stop a node as if its power were cut", "landfall local node stop blue blue-2", nil},
	{"start NAME NODE", "Start a stopped node", "landfall local node start blue blue-2", nil},
	{"delete NAME NODE", "Remove a node with its data", "landfall local node delete blue blue-2", nil},
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	node := command.Group(&cobra.Command{
		Use:     "node",
		Short:   "Stop, start or delete one node, to see what its loss does",
		Example: "  landfall local node stop blue blue-2",
	}, passed(c, []string{"node"}, nodeVerbs)...)
	return command.Group(&cobra.Command{
		Use:   "local",
		Short: "Kubernetes clusters and legacy servers on this machine",
		Long: `Create and run real Kubernetes clusters on this machine. A created cluster
becomes the context landfall-NAME of your kubeconfig.

Each command takes the flags of localkube's: see its --help. ` + "`landfall local legacy`" + `
runs servers as they were before Kubernetes.`,
		Example: "  landfall local create blue --nodes 3\n  landfall local delete blue\n  landfall local legacy create --hosts 3",
	}, append(passed(c, nil, verbs), node, newLegacy(c))...)
}

func passed(c *command.Context, group []string, verbs []verb) []*cobra.Command {
	var all []*cobra.Command
	for _, v := range verbs {
		all = append(all, newVerb(c, group, v))
	}
	return all
}

func newVerb(c *command.Context, group []string, v verb) *cobra.Command {
	name, _, _ := strings.Cut(v.words, " ")
	return &cobra.Command{
		Use: v.words, Short: v.short, Example: "  " + v.example,
		DisableFlagParsing: true, // the flags are localkube's
		RunE: func(cmd *cobra.Command, args []string) error {
			return pass(cmd.Context(), c, v, append(append(group, name), args...), args)
		},
	}
}

// pass hands the command to localkube, which talks to the user directly.
func pass(ctx context.Context, c *command.Context, v verb, line, args []string) error {
	if line[0] == "create" && slices.Contains(args, legacyhost.Folder) {
		return fault.New(fault.Invalid, "Choose another name.", "creating cluster %s: its folder would be that of `landfall local legacy`", legacyhost.Folder)
	}
	tool, err := localcluster.Find(c.Getenv)
	if err != nil {
		return err
	}
	var printed bytes.Buffer
	out := c.Out
	if v.then != nil {
		out = io.MultiWriter(c.Out, &printed)
	}
	err = tool.Pass(ctx, localcluster.Streams{In: c.In, Out: out, Err: c.Err}, line...)
	var exit *localcluster.ExitError
	if errors.As(err, &exit) {
		return &said{err}
	}
	if err != nil || v.then == nil || asksForHelp(args) {
		return err
	}
	return v.then(ctx, c, args, printed.String())
}

// said is an error that localkube has told the user already.
type said struct{ err error }

// Error is that of localkube's failure.
func (e *said) Error() string { return e.err.Error() }

// Unwrap keeps the class of the failure.
func (e *said) Unwrap() error { return e.err }

// Told says that nothing more needs to be printed.
func (e *said) Told() bool { return true }

func asksForHelp(args []string) bool {
	for _, a := range args {
		if a == "-h" || a == "--help" {
			return true
		}
	}
	return false
}

// useContext makes the cluster the current context.
func useContext(ctx context.Context, c *command.Context, _ []string, printed string) error {
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	ready, err := localcluster.ParseReady(lines[len(lines)-1])
	if err != nil {
		return nil // JSON was asked for: the path is in it, the rest is the caller's
	}
	name, err := access.UserFiles("").MergeLocal(ctx, ready.Kubeconfig, ready.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Err, "your kubeconfig's current context is now %s\n", name)
	return nil
}

// dropContext forgets the contexts of deleted clusters.
func dropContext(ctx context.Context, _ *command.Context, args []string, _ string) error {
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			continue
		}
		if err := access.UserFiles("").RemoveLocal(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
