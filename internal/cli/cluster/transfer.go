package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
)

type transferFlags struct {
	scope          Scope
	keepCronJobs   bool
	keepFinalizers []string
	execution      transfer.Execution
	yes            bool
	velero         string
}

func newTransfer(c *command.Context) *cobra.Command {
	var flags transferFlags
	cmd := &cobra.Command{
		Use:   "transfer FROM TO",
		Short: "Copy objects from one cluster to another",
		Long: `Copy objects from one cluster to another, through their APIs alone. What belongs
to the source is left behind (uid, status, addresses, bindings, …:
docs/transfer-table.md has all), in an order in which each object finds what it
needs. The source is only read.

The plan is shown first. Then the target checks every object by a dry run, and
only when it takes them all is anything but namespaces and kinds written. Broken
off at any moment, the same command goes on; done, it finds nothing to do.

CronJobs arrive suspended, so that they run on one side only: landfall cluster
schedules hands them over. Data of volumes is not copied, unless Velero carries:
where both clusters have it and share a place for backups, it does. Objects are
then backed up and restored, with their volumes, and only CronJobs are copied.

` + Sides + `

Exit codes: 0 all is there · 3 something failed · 4 refused: other objects are
there under these names, or a kind is missing.`,
		Example: `  landfall cluster transfer blue green --dry-run
  landfall cluster transfer blue green --namespace shop --rename shop=store
  landfall cluster transfer context:old context:new --selector team=web --yes`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: CompleteSides(c, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return transferObjects(cmd.Context(), c, args[0], args[1], flags)
		},
	}
	f := cmd.Flags()
	flags.scope.AddFlags(f)
	cmd.RegisterFlagCompletionFunc("namespace", CompleteSideNamespaces(c, 0))
	f.BoolVar(&flags.keepCronJobs, "keep-cron-jobs", false, "let CronJobs run in TO, too")
	f.StringSliceVar(&flags.keepFinalizers, "keep-finalizer", nil, "`finalizers` that TO has controllers for; others are left out")
	f.BoolVar(&flags.execution.Replace, "replace", false, "overwrite what is there under the same names and differs")
	f.BoolVar(&flags.execution.DropUnknown, "drop-unknown-fields", false, "write objects without the fields that TO does not know, instead of refusing them")
	f.BoolVar(&flags.execution.DryRun, "dry-run", false, "let TO check everything, and change nothing")
	f.StringVar(&flags.velero, "velero", veleroAuto, "`who` carries: auto, always or never Velero")
	f.BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	return cmd
}

// transferred is what the command prints for programs.
type transferred struct {
	*transfer.Plan
	Result *transfer.Result `json:"result,omitempty"`
}

func transferObjects(ctx context.Context, c *command.Context, from, to string, flags transferFlags) error {
	names, err := flags.scope.Renamed()
	if err != nil {
		return err
	}
	source, target, err := BothSides(ctx, c, from, to)
	if err != nil {
		return err
	}
	options := transfer.Options{Namespaces: names, KeepCronJobs: flags.keepCronJobs, KeepFinalizers: flags.keepFinalizers}
	switch by, err := byVelero(ctx, source, target, flags); {
	case err != nil:
		return command.Explain(err)
	case by:
		return carry(ctx, c, source, target, options, flags)
	}
	plan, err := transfer.Make(ctx, source, target, flags.scope.Selection, options, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	if !c.Output.Machine() {
		if err := showPlan(c.Out, plan); err != nil {
			return err
		}
	}
	if err := agreed(ctx, c, plan, flags); err != nil {
		if c.Output.Machine() {
			return errors.Join(c.Print(transferred{Plan: plan}, nil), err)
		}
		return err
	}
	result, err := plan.Execute(ctx, flags.execution, c.Progress())
	if result == nil {
		return err
	}
	if printed := c.Print(transferred{plan, result}, func(w io.Writer) error { return showResult(ctx, w, plan, result, flags.execution) }); printed != nil {
		return printed
	}
	return err
}

// agreed asks before anything is written.
func agreed(ctx context.Context, c *command.Context, plan *transfer.Plan, flags transferFlags) error {
	if err := plan.Refused(flags.execution); err != nil {
		return err
	}
	writes := plan.Writes()
	if flags.execution.Replace {
		writes += plan.Count(transfer.Conflict)
	}
	if flags.yes || flags.execution.DryRun || writes == 0 || c.Confirmed(ctx, fmt.Sprintf("Write %d objects to cluster %s?", writes, plan.To)) {
		return nil
	}
	return fault.New(fault.Refused, "Add --yes to do it without a question, --dry-run to have it checked only.", "transferring to cluster %s: not confirmed", plan.To)
}

// most is how many single objects are shown to people.
const most = 20

// showPlan writes the plan by kind, then what a person should look at.
func showPlan(w io.Writer, plan *transfer.Plan) error {
	if err := command.Rows(w, []string{"kind", "create", "update", "unchanged", "conflict", "stays", "why it stays"}, planRows(plan)); err != nil {
		return err
	}
	var lines []string
	for _, item := range plan.Items {
		if item.Action == transfer.Conflict {
			lines = append(lines, fmt.Sprintf("conflict: %s %s", item.Key, item.Reason))
		}
	}
	for _, item := range plan.Items {
		for _, note := range item.Notes {
			if item.Action == transfer.Create || item.Action == transfer.Update {
				lines = append(lines, fmt.Sprintf("note: %s: %s", item.Key, note))
			}
		}
	}
	return someLines(w, lines)
}

// someLines writes the first lines, and how many there are beside.
func someLines(w io.Writer, lines []string) error {
	shown := lines[:min(len(lines), most)]
	if more := len(lines) - len(shown); more > 0 {
		shown = append(shown[:len(shown):len(shown)], fmt.Sprintf("… and %d more: -o json has all", more))
	}
	for _, line := range shown {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// planRows are the counts of each kind, in the order in which they are made.
func planRows(plan *transfer.Plan) [][]string {
	var order []string
	counts := map[string]map[transfer.Action]int{}
	why := map[string][]string{}
	for _, item := range plan.Items {
		k := item.Key.Kind.String()
		if counts[k] == nil {
			order, counts[k] = append(order, k), map[transfer.Action]int{}
		}
		counts[k][item.Action]++
		if item.Action == transfer.Stay {
			why[k] = append(why[k], item.Reason)
		}
	}
	var rows [][]string
	for _, k := range order {
		row := []string{k}
		for _, action := range []transfer.Action{transfer.Create, transfer.Update, transfer.Unchanged, transfer.Conflict, transfer.Stay} {
			row = append(row, countOrDash(counts[k][action]))
		}
		rows = append(rows, append(row, reasons(why[k])))
	}
	return rows
}

func countOrDash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// reasons in a few words: the first ones, each once.
func reasons(all []string) string {
	const few = 2
	var distinct []string
	seen := map[string]bool{}
	for _, reason := range all {
		if !seen[reason] {
			seen[reason] = true
			distinct = append(distinct, reason)
		}
	}
	text := strings.Join(distinct[:min(len(distinct), few)], "; ")
	if len(distinct) > few {
		text += "; …"
	}
	return text
}

// showResult says what was done, and each object that failed.
func showResult(ctx context.Context, w io.Writer, plan *transfer.Plan, result *transfer.Result, e transfer.Execution) error {
	var lines []string
	for _, o := range result.Failed() {
		lines = append(lines, fmt.Sprintf("failed: %s: %s", o.Key, o.Reason))
	}
	if err := someLines(w, lines); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, outcome(ctx, plan, result, e))
	return err
}

// outcome is the last line.
func outcome(ctx context.Context, plan *transfer.Plan, result *transfer.Result, e transfer.Execution) string {
	switch {
	case ctx.Err() != nil:
		return fmt.Sprintf("broken off after %s; the same command goes on", objectsIn(result.Done()))
	case len(result.Failed()) > 0 && e.DryRun:
		return fmt.Sprintf("cluster %s would refuse %s; nothing was changed", plan.To, objectsIn(len(result.Failed())))
	case len(result.Failed()) > 0:
		return fmt.Sprintf("%s written, %d failed; the same command goes on", objectsIn(result.Done()), len(result.Failed()))
	case e.DryRun:
		text := fmt.Sprintf("cluster %s takes %s; nothing was changed", plan.To, objectsIn(result.Done()))
		if result.Unchecked > 0 {
			text += fmt.Sprintf("; %d more are checked once their namespace or kind is made", result.Unchecked)
		}
		return text
	case result.Done() == 0:
		return fmt.Sprintf("nothing to do: cluster %s has it all", plan.To)
	}
	return fmt.Sprintf("%s written to cluster %s", objectsIn(result.Done()), plan.To)
}

func objectsIn(n int) string { return english.Plural(n, "object", "") }
