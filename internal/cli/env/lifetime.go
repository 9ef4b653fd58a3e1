package env

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newExtend(c *command.Context) *cobra.Command {
	var flags ask.Flags
	var forever bool
	cmd := &cobra.Command{
		Use:   "extend NAME DURATION",
		Short: "Let an environment live longer: DURATION from now",
		Example: `  landfall env extend pr-1 8h
  landfall env extend pr-1 --forever`,
		Args:              command.Args(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return extend(cmd.Context(), c, args, forever, flags)
		},
	}
	cmd.Flags().BoolVar(&flags.DryRun, "dry-run", false, "show what would be asked for, and change nothing")
	cmd.Flags().BoolVar(&forever, "forever", false, "take away its expiry")
	return cmd
}

func extend(ctx context.Context, c *command.Context, args []string, forever bool, flags ask.Flags) error {
	name := args[0]
	if forever == (len(args) == 2) {
		return fault.New(fault.Invalid, "As in `landfall env extend "+name+" 8h`.", "extending %s: give a duration or --forever", name)
	}
	var longer time.Duration
	if !forever {
		var err error
		if longer, err = time.ParseDuration(args[1]); err != nil {
			return fault.New(fault.Invalid, "Write durations as 90m or 8h.", "extending %s: %w", name, err)
		}
	}
	return ask.EditThen(ctx, c, name, flags, func(env *v1alpha1.Environment) error {
		if forever {
			env.Spec.TTL = nil
			return nil
		}
		return change.Extend(env, longer, c.Clock())
	}, func(w io.Writer, env *v1alpha1.Environment) error {
		if env.Spec.TTL == nil {
			_, err := fmt.Fprintf(w, "%s stays until it is deleted\n", name)
			return err
		}
		until := env.CreationTimestamp.Add(env.Spec.TTL.Duration)
		_, err := fmt.Fprintf(w, "%s stays until %s\n", name, until.Local().Format("Mon 2 Jan 15:04 MST"))
		return err
	})
}

func newSleep(c *command.Context) *cobra.Command {
	return sleeping(c, "sleep", "Scale an environment to zero; its data stays", "put to sleep", true)
}

func newWake(c *command.Context) *cobra.Command {
	return sleeping(c, "wake", "Wake a sleeping environment to exactly the sizes it had", "wake", false)
}

// sleeping is a command that changes whether an environment sleeps; words are
// how it is said that this was asked for.
func sleeping(c *command.Context, verb, short, words string, asleep bool) *cobra.Command {
	var flags ask.Flags
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Example:           "  landfall env " + verb + " pr-1",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask.Edit(cmd.Context(), c, args[0], words, flags, func(env *v1alpha1.Environment) error {
				env.Spec.Asleep = asleep
				return nil
			})
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	return cmd
}
