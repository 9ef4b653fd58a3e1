// Package apply is `landfall apply`. Start at New.
package apply

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type applyFlags struct {
	files   []string
	dryRun  bool
	wait    bool
	timeout time.Duration
	message string
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE…",
		Short: "Apply blueprints, environments and clusters from files",
		Long: `Apply objects from YAML or JSON files to the project. Charts and kustomizations
that a blueprint names by path are packed into it. Everything is checked before
the first object is applied.`,
		Example: `  landfall apply -f blueprint.yaml
  landfall apply -f deploy/ --dry-run
  landfall apply -f environments.yaml --wait -m "bigger quota"`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), c, flags)
		},
	}
	cmd.Flags().StringSliceVarP(&flags.files, "filename", "f", nil, "`file` or folder to read; - is the standard input; repeatable")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "let the API server check everything, and change nothing")
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait until the applied environments are ready")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", ask.DeployTimeout, "how long to wait for each environment; 0 for ever")
	cmd.Flags().StringVarP(&flags.message, "message", "m", "", "`text` saying why, kept in the environments' releases")
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func run(ctx context.Context, c *command.Context, flags applyFlags) error {
	found, err := objects.Read(c, flags.files)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	author := c.WhoAmI(ctx)
	for _, o := range found {
		if env, ok := o.(*v1alpha1.Environment); ok {
			change.Sign(env, author, flags.message)
		}
		if _, err := objects.Apply(ctx, cl, o, true); err != nil {
			return err
		}
	}
	var all []objects.Applied
	for _, o := range found {
		applied, err := objects.Apply(ctx, cl, o, flags.dryRun)
		if err != nil {
			return err
		}
		all = append(all, applied)
	}
	if err := c.Print(all, func(w io.Writer) error { return list(w, all, flags.dryRun) }); err != nil {
		return err
	}
	if !flags.wait || flags.dryRun {
		return nil
	}
	return settle(ctx, c, cl, found, flags.timeout)
}

func list(w io.Writer, all []objects.Applied, dryRun bool) error {
	suffix := ""
	if dryRun {
		suffix = " (dry run)"
	}
	for _, a := range all {
		if _, err := fmt.Fprintf(w, "%s %s %s%s\n", strings.ToLower(a.Kind), a.Name, a.Change, suffix); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the environments among the objects, one after the other:
// they are all under way already.
func settle(ctx context.Context, c *command.Context, cl client.Client, found []client.Object, timeout time.Duration) error {
	for _, o := range found {
		env, ok := o.(*v1alpha1.Environment)
		if !ok {
			continue
		}
		written := &v1alpha1.Environment{}
		if err := cl.Get(ctx, client.ObjectKeyFromObject(env), written); err != nil {
			return command.Explain(err)
		}
		if _, err := follow.Settled(ctx, c, written, timeout); err != nil {
			return err
		}
	}
	return nil
}
