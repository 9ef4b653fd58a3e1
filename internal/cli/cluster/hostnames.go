package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/dnsaccount"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

func newHostnames(c *command.Context) *cobra.Command {
	var dryRun, records bool
	cmd := &cobra.Command{
		Use:   "hostnames NAME",
		Short: "Bring a cluster's hostnames in Route 53 to what its environments want",
		Long: `Show what a cluster's hosted zones (spec.routing.dns) need so that they hold the
hostnames of its environments, and change them. The controller does this by
itself; here you see it beforehand (--dry-run), at once, and with your own
identity at AWS where the cluster names no Secret.

Records of others are left alone and named with their owner. Exit code 1 says
that hostnames are refused for that.`,
		Example: `  landfall cluster hostnames blue --dry-run
  landfall cluster hostnames blue --dry-run --records`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return hostnames(cmd.Context(), c, args[0], dryRun, records)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the plan, and change nothing")
	cmd.Flags().BoolVar(&records, "records", false, "show each record that is created and deleted")
	return cmd
}

// hostnamesOutcome is what the command prints for programs.
type hostnamesOutcome struct {
	Plans  []hostname.Plan `json:"plans"`
	DryRun bool            `json:"dryRun,omitempty"`
}

func hostnames(ctx context.Context, c *command.Context, name string, dryRun, records bool) error {
	cluster, err := ask.Cluster(ctx, c, name)
	if err != nil {
		return err
	}
	if cluster.Spec.Routing == nil || cluster.Spec.Routing.DNS == nil {
		return fault.New(fault.Invalid, "Give it spec.routing.dns: docs/hostnames.md shows how.", "reading cluster %s: it keeps no hostnames in DNS", name)
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	var clusters v1alpha1.ClusterList
	var envs v1alpha1.EnvironmentList
	if err := errors.Join(cl.List(ctx, &clusters), cl.List(ctx, &envs)); err != nil {
		return command.Explain(err)
	}
	open := dnsaccount.Opener(cl, &awsaccount.Accounts{})
	all, failed := hostname.Plans(ctx, open, clusters.Items, envs.Items)
	mine := hostname.ZonesOf(clusters.Items)[name]
	out := hostnamesOutcome{DryRun: dryRun, Plans: slices.DeleteFunc(all, func(p hostname.Plan) bool { return !slices.Contains(mine, p.ZoneID) })}
	maps.DeleteFunc(failed, func(id string, _ error) bool { return !slices.Contains(mine, id) })
	if err := c.Print(out, func(w io.Writer) error { return out.people(w, records) }); err != nil {
		return err
	}
	if !dryRun {
		out.carry(ctx, c, open, failed)
	}
	return out.verdict(name, failed)
}

// carry applies the plans; what fails is added to failed.
func (o hostnamesOutcome) carry(ctx context.Context, c *command.Context, open hostname.Open, failed map[string]error) {
	for _, plan := range o.Plans {
		done, err := hostname.Carry(ctx, open, plan)
		switch {
		case errors.Is(err, hostname.ErrOvertaken):
			failed[plan.ZoneID] = fault.New(fault.Failed, "Run the command again.", "changing zone %s: somebody else changed it meanwhile; %d of %d hostnames are done", plan.Zone, done, len(plan.Steps))
		case err != nil:
			failed[plan.ZoneID] = err
		case done > 0 && !c.Output.Machine():
			fmt.Fprintf(c.Out, "zone %s: %s changed\n", plan.Zone, english.Plural(done, "hostname", ""))
		}
	}
}

// verdict is the error of what failed, or of what was refused.
func (o hostnamesOutcome) verdict(name string, failed map[string]error) error {
	if len(failed) > 0 {
		var errs []error
		for _, id := range slices.Sorted(maps.Keys(failed)) {
			errs = append(errs, failed[id])
		}
		return errors.Join(errs...)
	}
	refused := 0
	for _, plan := range o.Plans {
		for _, r := range plan.Refused {
			if !r.Waiting {
				refused++
			}
		}
	}
	if refused > 0 {
		return fault.New(fault.NotHolding, "Each says above what would help.", "keeping the hostnames of cluster %s: %s refused", name, english.Plural(refused, "hostname", ""))
	}
	return nil
}

func (o hostnamesOutcome) people(w io.Writer, records bool) error {
	var rows [][]string
	for _, plan := range o.Plans {
		for _, step := range plan.Steps {
			rows = append(rows, []string{plan.Zone, step.Hostname, strings.TrimSpace(step.Action + " " + step.Why), command.OrDash(step.Resource), summaryOf(step)})
		}
		for _, name := range plan.Unchanged {
			rows = append(rows, []string{plan.Zone, name, "as it should be"})
		}
		for _, r := range plan.Refused {
			what := "refused"
			if r.Waiting {
				what = "left alone"
			}
			rows = append(rows, []string{plan.Zone, r.Hostname, what, command.OrDash(r.Resource), r.Reason})
		}
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "no hostnames are wanted, and none are there")
		return err
	}
	if err := command.Rows(w, []string{"zone", "hostname", "change", "for", "detail"}, rows); err != nil || !records {
		return err
	}
	for _, plan := range o.Plans {
		for _, step := range plan.Steps {
			for _, change := range step.Changes {
				fmt.Fprintf(w, "%s %s\n", map[bool]string{true: "+", false: "-"}[change.Create], change.Record)
			}
		}
	}
	return nil
}

// summaryOf says where a hostname will lead.
func summaryOf(step hostname.Step) string {
	var to []string
	for _, change := range step.Changes {
		if change.Create && change.Record.Type != hostname.TXT {
			to = append(to, strings.TrimPrefix(change.Record.String(), change.Record.Name+" "))
		}
	}
	return strings.Join(to, ", ")
}
