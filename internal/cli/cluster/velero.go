package cluster

import (
	"context"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/cluster/velero"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Values of --velero.
const (
	veleroAuto   = "auto"
	veleroAlways = "always"
	veleroNever  = "never"
)

// byVelero decides who carries: Velero where both clusters have it and share a
// place for backups, unless told otherwise.
func byVelero(ctx context.Context, source, target *transfer.Cluster, flags transferFlags) (bool, error) {
	switch flags.velero {
	case veleroNever:
		return false, nil
	case veleroAlways:
		return true, nil
	case veleroAuto:
		return velero.Shares(ctx, source, target, "")
	}
	return false, fault.New(fault.Invalid, "Write --velero auto, always or never.", "reading --velero %q: not a choice", flags.velero)
}

// carried is what the command prints for programs when Velero carries.
type carried struct {
	Velero *velero.Report `json:"velero,omitempty"`
	// CronJobs is the transfer of what Velero would let run on both sides.
	CronJobs *transferred `json:"cronJobs,omitempty"`
	DryRun   bool         `json:"dryRun,omitempty"`
}

// carry has Velero carry everything but CronJobs, which it would let run on both
// sides: these are copied after it.
func carry(ctx context.Context, c *command.Context, source, target *transfer.Cluster, o transfer.Options, flags transferFlags) error {
	options := velero.Options{Namespaces: flags.scope.Namespaces, Rename: o.Namespaces, Without: []string{"cronjobs.batch"}, Update: flags.execution.Replace, Clock: c.Clock}
	var err error
	if options.Labels, err = labels.ConvertSelectorToLabelsMap(flags.scope.Labels); err != nil {
		return fault.New(fault.Invalid, "Write --selector NAME=VALUE,…, or add --velero never.", "reading --selector %q: Velero takes nothing but NAME=VALUE: %w", flags.scope.Labels, err)
	}
	what := fmt.Sprintf("%s from cluster %s to %s by Velero, volumes included", meant(flags.scope.Selection), source.Name, target.Name)
	if flags.execution.DryRun {
		return c.Print(carried{DryRun: true}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "would carry %s; --velero never copies through the APIs, and lets the target check each object\n", what)
			return err
		})
	}
	if !flags.yes && !c.Confirmed(ctx, "Carry "+what+"?") {
		return fault.New(fault.Refused, "Add --yes to do it without a question.", "transferring to cluster %s: not confirmed", target.Name)
	}
	report, failed := velero.Carry(ctx, source, target, options, c.Progress())
	if failed != nil {
		if err := printCarried(c, carried{Velero: report}); err != nil {
			return err
		}
		return command.Explain(failed)
	}
	jobs, failed := copyCronJobs(ctx, c, source, target, o, flags)
	if err := printCarried(c, carried{Velero: report, CronJobs: jobs}); err != nil {
		return err
	}
	return command.Explain(failed)
}

// meant is the selection in words.
func meant(s transfer.Selection) string {
	text := "everything"
	if len(s.Namespaces) > 0 {
		text = "namespaces " + strings.Join(s.Namespaces, ", ")
	}
	if s.Labels != "" {
		text += " with labels " + s.Labels
	}
	return text
}

func copyCronJobs(ctx context.Context, c *command.Context, source, target *transfer.Cluster, o transfer.Options, flags transferFlags) (*transferred, error) {
	selection := flags.scope.Selection
	selection.Skip = func(u *unstructured.Unstructured) string {
		if u.GetKind() != "CronJob" {
			return "is carried by Velero"
		}
		return ""
	}
	plan, err := transfer.Make(ctx, source, target, selection, o, c.Progress())
	if err != nil {
		return nil, err
	}
	result, err := plan.Execute(ctx, flags.execution, c.Progress())
	return &transferred{plan, result}, err
}

func printCarried(c *command.Context, done carried) error {
	return c.Print(done, func(w io.Writer) error {
		if done.Velero.Backup.Name == "" {
			return nil // nothing began, and the error says why
		}
		var lines []string
		for _, m := range done.Velero.Messages {
			lines = append(lines, fmt.Sprintf("%s: %s", m.Severity, m))
		}
		if err := someLines(w, lines); err != nil {
			return err
		}
		b, r := done.Velero.Backup, done.Velero.Restore
		text := fmt.Sprintf("backup %s %s, restore %s: %d items, %d warnings, %d errors", b.Name, command.OrDash(b.Phase), command.OrDash(r.Phase), r.Items, b.Warnings+r.Warnings, b.Errors+r.Errors)
		if done.CronJobs != nil && done.CronJobs.Result != nil {
			text += fmt.Sprintf("; %d CronJobs copied, suspended", done.CronJobs.Result.Done())
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
