package env

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/data"
	"github.com/landfall-dev/landfall/internal/fault"
)

// seedFlags say whose data a new environment begins with.
type seedFlags struct {
	from, mask string
	stores     []string
	unmasked   bool
}

func (f *seedFlags) add(c *command.Context, cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "seed-from", "", "`environment` whose data its stores begin with")
	cmd.Flags().StringSliceVar(&f.stores, "seed-store", nil, "`name` of a store to fill; repeatable, all by default")
	cmd.Flags().StringVar(&f.mask, "mask", "", "`file` of mask rules for that data; see `landfall data mask`")
	cmd.Flags().BoolVar(&f.unmasked, "unmasked", false, "let data of production leave it as it is")
	cmd.RegisterFlagCompletionFunc("seed-from", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return ask.CompleteEnvironments(c, 1)(cmd, nil, typed)
	})
}

// choose puts the flags into the object.
func (f *seedFlags) choose(env *v1alpha1.Environment) error {
	if f.from == "" {
		if f.mask != "" || f.unmasked || len(f.stores) > 0 {
			return fault.New(fault.Invalid, "Give --seed-from ENVIRONMENT.", "creating %s: --mask, --seed-store and --unmasked are about data, and none is asked for", env.Name)
		}
		return nil
	}
	env.Spec.Seed = &v1alpha1.Seed{From: f.from, Stores: f.stores, Unmasked: f.unmasked}
	if f.mask == "" {
		return nil
	}
	var err error
	env.Spec.Seed.Mask, err = data.ReadMask(f.mask)
	return err
}
