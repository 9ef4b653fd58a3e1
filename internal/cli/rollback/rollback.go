// Package rollback is `landfall rollback`. Start at New.
package rollback

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

type rollbackFlags struct {
	ask.Flags
	to int32
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var flags rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback ENV",
		Short: "Go back to what an earlier release ran, and prove it",
		Long: `Apply the stored objects of an earlier release again, as a new release: images
by digest, configuration too. What the bad release added is removed, edits made
by other tools are undone. No git, chart repository or registry tag is needed,
and the environment may be broken in any way.

The command ends with a live comparison of the cluster with the release, which
must be empty. The rollback stays until the next deploy.

By default it goes back to the last release that succeeded before the current
one and ran something else; going back twice goes back further.`,
		Example: `  landfall rollback staging
  landfall rollback staging --to 12 -m "basket loses items"`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), c, args[0], flags)
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	flags.AddMessageTo(cmd)
	cmd.Flags().Int32Var(&flags.to, "to", 0, "`number` of the release to go back to")
	cmd.RegisterFlagCompletionFunc("to", ask.CompleteReleases(c))
	return cmd
}

func run(ctx context.Context, c *command.Context, name string, flags rollbackFlags) error {
	target, written, err := request(ctx, c, name, flags)
	if err != nil {
		return err
	}
	if flags.DryRun || !flags.Wait {
		return ask.Finish(ctx, c, written, fmt.Sprintf("go back to release %d in", target.Spec.Number), flags.Flags)
	}
	result, err := follow.Settled(ctx, c, written, flags.Timeout)
	if err != nil {
		return err
	}
	return proof(c, name, target, result)
}

// request asks for the rollback and gives the release gone back to.
func request(ctx context.Context, c *command.Context, name string, flags rollbackFlags) (*v1alpha1.Release, *v1alpha1.Environment, error) {
	releases, err := ask.Releases(ctx, c, name)
	if err != nil {
		return nil, nil, err
	}
	author := c.WhoAmI(ctx)
	var target *v1alpha1.Release
	written, err := ask.Write(ctx, c, name, flags.Flags, func(env *v1alpha1.Environment) error {
		if target, err = change.RollbackTarget(env, releases, flags.to); err != nil {
			return err
		}
		if env.Spec.RollbackTo == target.Name {
			// Once more: something may have changed since, or it failed.
			change.Request(env, v1alpha1.AnnotationRedeployRequested, c.Clock())
		}
		env.Spec.RollbackTo = target.Name
		change.Sign(env, author, flags.Message)
		return nil
	})
	return target, written, err
}

// evidence is what the command prints for programs.
type evidence struct {
	Environment string          `json:"environment"`
	RolledBack  string          `json:"rolledBackTo"`
	Release     string          `json:"release"`
	Proof       *v1alpha1.Drift `json:"proof"`
}

// proof prints what runs now and the live comparison that ended the rollback;
// one that is not empty is an error.
func proof(c *command.Context, name string, target *v1alpha1.Release, result follow.Result) error {
	if result.Release == nil {
		return fault.New(fault.Failed, "`landfall env get "+name+"` shows the environment.", "rolling back %s: no release was made", name)
	}
	found := result.Release.Status.Proof
	e := evidence{Environment: name, RolledBack: target.Name, Release: result.Release.Name, Proof: found}
	err := c.Print(e, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s runs release %d, which is release %d again: %s\nproof: %s\n", name,
			result.Release.Spec.Number, target.Spec.Number, ask.Versions(result.Release.Spec.Components), sentence(found))
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case found == nil || found.State == v1alpha1.DriftUnknown:
		return fault.New(fault.Failed, "`landfall env drift "+name+"` compares again.", "rolling back %s: done, but not proven", name)
	case found.State == v1alpha1.DriftDrifted:
		return fault.New(fault.NotHolding, "`landfall env drift "+name+"` shows the differences.", "rolling back %s: %s left", name, english.Plural(int(found.Total), "difference", ""))
	}
	return nil
}

func sentence(d *v1alpha1.Drift) string {
	switch {
	case d == nil:
		return "the cluster was not compared"
	case d.State == v1alpha1.DriftClean:
		return "compared with the cluster: no difference"
	case d.State == v1alpha1.DriftDrifted:
		return "compared with the cluster: " + english.Plural(int(d.Total), "difference", "")
	}
	return "unknown: " + d.Reason
}
