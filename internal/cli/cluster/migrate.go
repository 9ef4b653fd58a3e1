package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/replace"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/traffic"
)

type migrateFlags struct {
	wishes       replace.Wishes
	files        []string
	ignore       string
	evidence     string
	dryRun, undo bool
}

func newMigrate(c *command.Context) *cobra.Command {
	var flags migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate FROM TO",
		Short: "Move everything from one cluster to another, and let go of the old one",
		Long: `Move all that runs on cluster FROM to cluster TO, in steps:

` + listSteps() + `

Each step does nothing that is done already: broken off at any moment, the same
command goes on. It stops where a person must decide, and says how to go on. The
old side is left as it is until you let it go (--yes, or the answer to the
question); until then --undo returns all traffic and all environments.

Traffic moves by Migrations, given with -f or there already, which get a guard
for parity between the clusters. What no migration moves is yours to lead there.

Exit codes: 0 done · 1 a gate does not hold · 3 something failed · 4 it waits for
you to decide.`,
		Example: `  landfall cluster migrate blue green --dry-run
  landfall cluster migrate blue green -f migrations.yaml
  landfall cluster migrate blue green --yes --destroy --evidence green.html
  landfall cluster migrate blue green --undo
  landfall cluster migrate status green`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrate(cmd.Context(), c, args[0], args[1], flags)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&flags.files, "file", "f", nil, "`file` with Migrations that move the traffic (repeatable)")
	f.BoolVar(&flags.wishes.TrafficSwitched, "traffic-switched", false, "hostnames that no migration moves lead to TO already")
	f.StringSliceVar(&flags.wishes.Accept, "accept", nil, "`checks` of the preflight that are not made (landfall cluster preflight names them), or routing")
	f.StringVar(&flags.ignore, "ignore", "", "`file` with differences that are meant, as for landfall parity")
	f.BoolVar(&flags.wishes.Replace, "replace", false, "overwrite what is on TO under the same names and differs")
	f.BoolVarP(&flags.wishes.Yes, "yes", "y", false, "approve steps of migrations and let go of FROM without a question")
	f.BoolVar(&flags.wishes.Destroy, "destroy", false, "destroy FROM at the end, if Terraform made it")
	f.BoolVar(&flags.undo, "undo", false, "return all traffic and all environments to FROM")
	f.BoolVar(&flags.dryRun, "dry-run", false, "show what each step would do, and change nothing")
	f.StringVar(&flags.evidence, "evidence", "", "write what was found and done to `file`: a page, Markdown (.md) or JSON (.json)")
	cmd.AddCommand(newMigrateStatus(c), newMigrateEvidence(c))
	return cmd
}

func listSteps() string {
	var b strings.Builder
	for _, s := range replace.Steps {
		fmt.Fprintf(&b, "  %-13s %s\n", s.Name, s.About)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func migrate(ctx context.Context, c *command.Context, from, to string, flags migrateFlags) error {
	if err := flags.read(c); err != nil {
		return err
	}
	r, err := replacer(ctx, c, flags)
	if err != nil {
		return err
	}
	switch {
	case flags.dryRun:
		return planMigration(ctx, c, r, from, to, flags)
	case flags.undo:
		if err := r.Undo(ctx, from, to, flags.wishes, c.Progress()); err != nil {
			return command.Explain(err)
		}
		return c.Print(map[string]string{"from": from, "to": to, "undone": "true"}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "everything is on %s as before; what was copied to %s stays there\n", from, to)
			return err
		})
	}
	report, err := r.Run(ctx, from, to, flags.wishes, c.Progress())
	if report == nil {
		return command.Explain(err)
	}
	var kept error
	if flags.evidence != "" {
		kept = keepEvidence(context.WithoutCancel(ctx), c, report, flags.evidence, "")
	}
	printed := c.Print(report, func(w io.Writer) error {
		if err != nil {
			return nil // the error says it
		}
		_, err := fmt.Fprintf(w, "everything of %s runs on %s\n", from, to)
		return err
	})
	return errors.Join(command.Explain(err), kept, printed)
}

func planMigration(ctx context.Context, c *command.Context, r *replace.Replacer, from, to string, flags migrateFlags) error {
	world, err := r.Look(ctx, from, to, flags.wishes, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	planned := replace.Plan(world)
	return c.Print(planned, func(w io.Writer) error {
		var rows [][]string
		for _, p := range planned {
			rows = append(rows, []string{p.Name, p.State, p.What})
		}
		return command.Rows(w, []string{"step", "state", "what it will do"}, rows)
	})
}

// read takes in the files that flags name.
func (f *migrateFlags) read(c *command.Context) error {
	if len(f.files) > 0 {
		found, err := objects.Read(c, f.files)
		if err != nil {
			return err
		}
		for _, o := range found {
			m, ok := o.(*v1alpha1.Migration)
			if !ok {
				return fault.New(fault.Invalid, "Apply other objects with `landfall apply -f`.", "reading the migrations: %s %s is none", o.GetObjectKind().GroupVersionKind().Kind, o.GetName())
			}
			f.wishes.Migrations = append(f.wishes.Migrations, m)
		}
	}
	if f.ignore == "" {
		return nil
	}
	file, err := os.Open(f.ignore)
	if err != nil {
		return fault.New(fault.Invalid, "", "reading what is meant to differ: %w", err)
	}
	defer file.Close()
	f.wishes.Ignore, err = parity.ReadIgnore(file)
	return err
}

// replacer binds a replacement to what carries out its parts.
func replacer(ctx context.Context, c *command.Context, flags migrateFlags) (*replace.Replacer, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	author := c.WhoAmI(ctx)
	if author == "" {
		author = "somebody"
	}
	return replace.New(replace.Options{
		Client: cl, Clock: c.Clock, Confirm: c.Confirmed, Reached: crashPoint(c),
		Connect: func(ctx context.Context, from, to string) (replace.Sides, error) {
			if from == "" {
				target, err := Side(ctx, c, to)
				return replace.Between(nil, target), err
			}
			source, target, err := BothSides(ctx, c, from, to)
			return replace.Between(source, target), err
		},
		Say: func(m *v1alpha1.Migration, verb string, step int32) {
			migration.Say(m, traffic.Word{Verb: traffic.Verb(verb), Step: int(step) - 1, By: author, At: c.Clock(), Why: "landfall cluster migrate"})
		},
		FinishMove: func(env *v1alpha1.Environment) error { return environment.Finish(env, false) },
		Destroy: func(ctx context.Context, name string, reporter progress.Reporter) error {
			p, err := Provisioner(c)
			if err != nil {
				return err
			}
			return p.Destroy(ctx, name, provision.DestroyOptions{Patience: leftoverPatience, Approve: func(ctx context.Context, d *provision.Destruction) error {
				show := func(w io.Writer) error { return showDestruction(w, d, c.Color(c.Err)) }
				return consent(ctx, c, flags.wishes.Yes, "destroy cluster "+name+" for good?", show)
			}}, reporter)
		},
	}), nil
}
