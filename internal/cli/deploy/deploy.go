// Package deploy is `landfall deploy`. Start at New.
package deploy

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/cli/preview"
	"github.com/landfall-dev/landfall/internal/environment/change"
)

type deployFlags struct {
	ask.Flags
	set          []string
	adopt        bool
	approvePrune bool
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "deploy ENV",
		Short: "Deploy versions into an environment",
		Long: `Deploy other versions of components and wait until they serve. Every deploy is
a release that can be gone back to. A deploy ends a rollback: what the rollback
brought back stays, but for the components given here.

Without --set, or when nothing differs, everything is deployed again: tags are
resolved anew and what failed is tried once more.

With --dry-run nothing changes: it shows the objects that would differ.`,
		Example: `  landfall deploy staging --set web=1.4.2 -m "new basket"
  landfall deploy staging --set web=1.4.2 --set worker=sha256:0f3c…
  landfall deploy staging --set web=1.4.2 --dry-run`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), c, args[0], flags)
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	flags.AddMessageTo(cmd)
	cmd.Flags().StringArrayVar(&flags.set, "set", nil, "`COMPONENT=VERSION`: tag, digest or chart version; repeatable")
	cmd.Flags().BoolVar(&flags.adopt, "adopt", false, "take over objects that exist already and are not ours")
	cmd.Flags().BoolVar(&flags.approvePrune, "approve-prune", false, "allow the release that was refused to delete as many objects as it says")
	cmd.RegisterFlagCompletionFunc("set", ask.CompleteComponents(c))
	return cmd
}

func run(ctx context.Context, c *command.Context, name string, flags deployFlags) error {
	versions, err := command.Pairs("set", flags.set)
	if err != nil {
		return err
	}
	edit := func(env *v1alpha1.Environment) error {
		before := env.Spec.DeepCopy()
		if err := ask.Deploy(ctx, c, env, versions); err != nil {
			return err
		}
		env.Spec.Adopt = env.Spec.Adopt || flags.adopt
		if flags.approvePrune {
			env.Annotations = with(env.Annotations, v1alpha1.AnnotationPruneApproved, env.Status.RefusedInputs)
		}
		if equality.Semantic.DeepEqual(before, &env.Spec) && !flags.approvePrune {
			change.Request(env, v1alpha1.AnnotationRedeployRequested, c.Clock())
		}
		return nil
	}
	if flags.DryRun && !c.Output.Machine() {
		return show(ctx, c, name, flags, edit)
	}
	return ask.Edit(ctx, c, name, "deploy to", flags.Flags, edit)
}

// show prints what would change in the cluster.
func show(ctx context.Context, c *command.Context, name string, flags deployFlags, edit func(*v1alpha1.Environment) error) error {
	env, err := ask.Write(ctx, c, name, flags.Flags, edit)
	if err != nil {
		return err
	}
	differences, err := preview.Of(ctx, c, env)
	if err != nil {
		return err
	}
	if err := objects.Show(c.Out, differences, c.Color(c.Out)); err != nil {
		return err
	}
	return ask.Finish(ctx, c, env, "deploy to", flags.Flags)
}

func with(annotations map[string]string, key, value string) map[string]string {
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	return annotations
}
