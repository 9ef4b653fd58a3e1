package spec

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newDiff(c *command.Context) *cobra.Command {
	var flags targetFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two documents, two targets, or one of each",
		Long: `Show what differs between two documents, two targets, or one of each, grouped by
kind. What the rules of a document leave out is not compared. The exit code is 0
if nothing differs, 1 if something does, and 3 if something could not be
compared.

` + targetHelp,
		Example: `  landfall spec diff web1.yaml web2.yaml
  landfall spec diff web1.yaml ssh://deploy@web1
  landfall spec diff ssh://web1 image://registry.example.org/shop:1.4 -o json`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.diff(cmd.Context(), c, args)
		},
	}
	flags.addReach(cmd.Flags())
	return cmd
}

func (f *targetFlags) diff(ctx context.Context, c *command.Context, args []string) error {
	sides, salt, err := f.pair(c, args)
	if err != nil {
		return err
	}
	var specs []*hostspec.Spec
	err = eachSide(ctx, c, sides, len(sides), capture.Options{Salt: salt}, factsOrError, func(_ string, side facts) error {
		specs = append(specs, side.spec)
		return side.err
	})
	if err != nil {
		return err
	}
	difference := verify.Compare(sides[0].name, specs[0], sides[1].name, specs[1])
	if err := c.Print(difference, func(w io.Writer) error { return difference.Write(w, c.Color(w)) }); err != nil {
		return err
	}
	return difference.Err()
}

// pair reads the two sides, and the salt that makes their secrets comparable.
func (f *targetFlags) pair(c *command.Context, args []string) (sides []side, salt string, err error) {
	for _, arg := range args {
		one, err := f.sides(c, []string{arg})
		if err != nil {
			return nil, "", err
		}
		if len(one) != 1 {
			return nil, "", fault.New(fault.Invalid, "`landfall spec fleet` compares many.", "comparing %s: these are %d targets", arg, len(one))
		}
		if one[0].document != "" && salt == "" {
			if salt, err = saltOf(c, one[0].document); err != nil {
				return nil, "", err
			}
		}
		sides = append(sides, one[0])
	}
	if sides[0].name == sides[1].name {
		sides[0].name, sides[1].name = args[0], args[1]
	}
	return sides, salt, nil
}

// saltOf reads just the salt; standard input can be read only once.
func saltOf(c *command.Context, path string) (string, error) {
	if path == "-" {
		return "", nil
	}
	spec, err := readDocument(c, path)
	if err != nil {
		return "", err
	}
	return spec.Salt, nil
}

// facts of one side, or why there are none.
type facts struct {
	spec *hostspec.Spec
	err  error
}

func factsOrError(spec *hostspec.Spec, err error) facts { return facts{spec, err} }
