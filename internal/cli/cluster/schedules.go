package cluster

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
)

type scheduleFlags struct {
	transfer.Handover
	gone bool
	yes  bool
}

func newSchedules(c *command.Context) *cobra.Command {
	var flags scheduleFlags
	cmd := &cobra.Command{
		Use:   "schedules FROM TO",
		Short: "Hand the schedules of CronJobs over to another cluster",
		Long: `Hand the schedules of CronJobs over: those that a transfer left suspended in TO
run there, and their twins in FROM are suspended first, so that no moment has
both. Jobs that run already are left alone. What a person suspended stays so.

With FROM and TO exchanged the schedules go back.

` + Sides,
		Example: `  landfall cluster schedules blue green
  landfall cluster schedules green blue --namespace shop
  landfall cluster schedules blue green --gone`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: CompleteSides(c, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return handOver(cmd.Context(), c, args[0], args[1], flags)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&flags.Namespaces, "namespace", "n", nil, "only those in these `namespaces` of TO (repeatable)")
	cmd.RegisterFlagCompletionFunc("namespace", CompleteSideNamespaces(c, 1))
	f.BoolVar(&flags.gone, "gone", false, "FROM does not exist any more: nothing of it is asked")
	f.BoolVar(&flags.DryRun, "dry-run", false, "show which, and change nothing")
	f.BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	return cmd
}

func handOver(ctx context.Context, c *command.Context, from, to string, flags scheduleFlags) error {
	target, err := Side(ctx, c, to)
	if err != nil {
		return err
	}
	var source *transfer.Cluster
	if !flags.gone {
		if source, err = Side(ctx, c, from); err != nil {
			return err
		}
	}
	if !flags.DryRun && !flags.yes && !c.Confirmed(ctx, fmt.Sprintf("Let CronJobs run in %s and no longer in %s?", to, from)) {
		return fault.New(fault.Refused, "Add --yes to do it without a question, --dry-run to see which.", "handing schedules over from %s to %s: not confirmed", from, to)
	}
	schedules, err := transfer.HandOver(ctx, source, target, flags.Handover, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	return c.Print(schedules, func(w io.Writer) error {
		if len(schedules) == 0 {
			_, err := fmt.Fprintf(w, "no CronJob of %s waits for one of %s\n", to, from)
			return err
		}
		var rows [][]string
		for _, s := range schedules {
			rows = append(rows, []string{command.OrDash(s.From), s.To, s.Schedule, s.Note})
		}
		return command.Rows(w, []string{"from", "to", "schedule", "note"}, rows)
	})
}
