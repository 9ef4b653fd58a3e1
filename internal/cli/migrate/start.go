package migrate

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

type startFlags struct {
	file   string
	dryRun bool
	watch  bool
}

func newStart(c *command.Context) *cobra.Command {
	var flags startFlags
	cmd := &cobra.Command{
		Use:   "start [NAME]",
		Short: "Start a migration, or start one again that was reverted",
		Long: `Write the Migration of a file into the cluster: from then on the controller moves
traffic as it says. One that has reverted or was finished starts again, with
what the file says now: a new attempt, with evidence of its own.`,
		Example: `  landfall migrate start -f migration.yaml
  landfall migrate start -f migration.yaml --dry-run
  landfall migrate start shop -w`,
		Args:              command.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: complete(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := named(cmd.Context(), c, args, flags.file)
			if err != nil {
				return err
			}
			return start(cmd.Context(), c, m, flags)
		},
	}
	cmd.Flags().StringVarP(&flags.file, "file", "f", "", "`file` with the Migration; - is the standard input")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show the plan, let the API server check the object, and change nothing")
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "watch how it goes, as landfall migrate status -w")
	return cmd
}

func start(ctx context.Context, c *command.Context, m *v1alpha1.Migration, flags startFlags) error {
	fromCluster, before := m.ResourceVersion != "", m.Spec.Attempt
	again, err := nextAttempt(ctx, c, m)
	if err != nil {
		return err
	}
	if fromCluster && again == before && !flags.dryRun {
		return underWay(ctx, c, m, flags)
	}
	if err := migration.Definition(m).Validate(); err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	m.Spec.Words = nil // what was said stays as it is
	applied, err := objects.Apply(ctx, cl, m, flags.dryRun)
	if err != nil {
		return err
	}
	switch {
	case flags.dryRun:
		return plan(ctx, c, m)
	case applied.Change == "unchanged", flags.watch:
		return underWay(ctx, c, m, flags)
	}
	return c.Print(applied.After, func(w io.Writer) error {
		started := "started"
		if again > 1 {
			started = fmt.Sprintf("started again, attempt %d", again)
		}
		_, err := fmt.Fprintf(w, "migration %s %s; `landfall migrate status %s -w` shows how it goes\n", m.Name, started, m.Name)
		return err
	})
}

// underWay shows one that goes on as it did.
func underWay(ctx context.Context, c *command.Context, m *v1alpha1.Migration, flags startFlags) error {
	if flags.watch {
		return status(ctx, c, m.Name, statusFlags{watch: true})
	}
	return printSaid(c, m, fmt.Sprintf("migration %s is under way as it was; `landfall migrate status %s -w` shows how it goes", m.Name, m.Name))
}

// nextAttempt sets the attempt that the object would begin, and refuses while
// there is one that has not ended.
func nextAttempt(ctx context.Context, c *command.Context, m *v1alpha1.Migration) (int64, error) {
	cl, err := c.Client()
	if err != nil {
		return 0, err
	}
	there := &v1alpha1.Migration{}
	err = cl.Get(ctx, client.ObjectKeyFromObject(m), there)
	switch {
	case apierrors.IsNotFound(err) && !command.NotInstalled(err):
		m.Spec.Attempt = 1
		return 1, nil
	case err != nil:
		return 0, command.Explain(err)
	case !there.DeletionTimestamp.IsZero():
		return 0, fault.New(fault.Refused, "Wait until it is gone.", "migration %s is being deleted", m.Name)
	}
	m.Spec.Attempt = migration.Attempt(there)
	switch phase := migration.Phase(there); phase {
	case traffic.Reverted, traffic.Finished:
		m.Spec.Attempt++
	case traffic.Completed:
		return 0, fault.New(fault.Refused, fmt.Sprintf("`landfall migrate finish %s` lets go of %s, `landfall migrate abort %s` returns to it.", m.Name, there.Spec.From.Name, m.Name),
			"migration %s is completed, and its way back is open", m.Name)
	}
	return m.Spec.Attempt, nil
}
