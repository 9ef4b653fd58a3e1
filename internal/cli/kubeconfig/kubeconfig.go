// Package kubeconfig is `landfall kubeconfig`: it puts contexts for the clusters
// that are ready, by role, into the user's kubeconfig. Start at New.
package kubeconfig

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/cluster/access/eks"
	"github.com/landfall-dev/landfall/internal/fault"
)

type flags struct {
	file, use      string
	roles, groups  []string
	remove, dryRun bool
	aws            awsFlags
}

type awsFlags struct {
	regions, roles []string
	tags, profile  string
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Put contexts for all ready clusters into your kubeconfig",
		Long: `Put contexts for all ready clusters into your kubeconfig: CLUSTER-ROLE for each
role that one of your groups has on a cluster, latest for the latest cluster,
and latest-ROLE. Run it again whenever clusters have come or gone: contexts of
clusters that are no longer ready go, and your current context stays.

Nothing else in the file is changed, whoever else writes it at the same time; a
copy of how it was stays beside it. A context called like one of Landfall's that
is not Landfall's is left alone and named.

No tokens are stored: for EKS the AWS CLI gets them, for roles by a
ServiceAccount this program does. Only clusters without roles are given by the
kubeconfig that Landfall itself uses, to those who may read its Secret.

With --eks no Landfall is needed in any cluster: what the account has in those
regions and is tagged landfall:ready=true is handed out.`,
		Example: `  # what you may use, and the latest cluster at once
  landfall kubeconfig --use latest

  # what would change; only one role, into a file of its own
  landfall kubeconfig --dry-run
  landfall kubeconfig --role viewer --file viewer.yaml

  # from the tags of EKS clusters
  landfall kubeconfig --eks ap-northeast-1 --eks-role viewer=arn:aws:iam::123456789012:role/viewer

  # take all of that out again
  landfall kubeconfig --remove`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), c, f) },
	}
	set := cmd.Flags()
	set.StringVar(&f.file, "file", "", "kubeconfig `file` to write; by default the one that is used")
	set.StringSliceVar(&f.roles, "role", nil, "`names` of the roles to put in; by default all that you have")
	set.StringSliceVar(&f.groups, "group", nil, "`groups` to go by instead of those that the cluster says you are in")
	set.StringVar(&f.use, "use", "", "`context` to make the current one afterwards, such as latest")
	set.BoolVar(&f.remove, "remove", false, "take all contexts out that were put in")
	set.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	set.StringSliceVar(&f.aws.regions, "eks", nil, "AWS `regions` whose EKS clusters to put in, by their tags, instead of Landfall's")
	set.StringArrayVar(&f.aws.roles, "eks-role", nil, "with --eks, `NAME=ARN` of an IAM role to assume (repeatable); by default admin by your own identity")
	set.StringVar(&f.aws.tags, "eks-tags", eks.DefaultTags, "how the `names` of the tags ready and latest of EKS clusters begin")
	set.StringVar(&f.aws.profile, "aws-profile", "", "`profile` of the AWS configuration to ask with, and to log in with")
	cmd.MarkFlagsMutuallyExclusive("eks", "group")
	cmd.MarkFlagsMutuallyExclusive("remove", "use")
	cmd.RegisterFlagCompletionFunc("role", completeRoles(c))
	cmd.RegisterFlagCompletionFunc("use", completeUse(c))
	cmd.AddCommand(newToken(c))
	return cmd
}

// outcome is what the command prints for programs.
type outcome struct {
	access.Result `json:",inline"`
	DryRun        bool          `json:"dryRun,omitempty"`
	Notes         []access.Note `json:"notes,omitempty"`
}

func run(ctx context.Context, c *command.Context, f *flags) error {
	read := access.UserFiles(c.Kube.Kubeconfig)
	source, err := sourceOf(c, f, read)
	if err != nil {
		return err
	}
	edit, notes := access.Edit{Source: source.Name}, []access.Note(nil)
	if !f.remove {
		clusters, err := clustersOf(ctx, c, f, source)
		if err != nil {
			return err
		}
		edit, notes = access.Contexts(source, clusters)
		edit.Use = f.use
		if err := usable(f, edit); err != nil {
			return err
		}
	}
	write := read
	if f.file != "" {
		write = access.Files{Target: f.file, All: []string{f.file}}
	}
	result, err := write.Edit(ctx, edit, f.dryRun)
	if err != nil {
		return err
	}
	out := outcome{Result: result, DryRun: f.dryRun, Notes: notes}
	if err := c.Print(out, func(w io.Writer) error { return out.people(w) }); err != nil {
		return err
	}
	return unknown(notes)
}

// clustersOf asks whoever knows the clusters.
func clustersOf(ctx context.Context, c *command.Context, f *flags, source access.Source) ([]access.Cluster, error) {
	accounts := newAccounts(f.aws)
	if len(f.aws.regions) > 0 {
		return accounts.clusters(ctx, f)
	}
	return gather(ctx, c, f, source, accounts)
}

// sourceOf names what keeps the contexts. When the current context is one that
// this command has made, the management cluster is reached by the context that
// it was made with.
func sourceOf(c *command.Context, f *flags, files access.Files) (access.Source, error) {
	if len(f.aws.regions) > 0 {
		return access.Source{Name: "eks:" + strings.Join(slices.Sorted(slices.Values(f.aws.regions)), ",")}, nil
	}
	if c.Kube.Context == "" {
		current, err := files.Current()
		if err != nil {
			return access.Source{}, err
		}
		mark, marked, err := files.MarkOf(current)
		if err != nil {
			return access.Source{}, err
		}
		if c.Kube.Context = current; marked && mark.Via != "" {
			c.Kube.Context = mark.Via
		}
	}
	config, err := c.RESTConfig()
	if err != nil {
		return access.Source{}, err
	}
	return access.Source{Name: config.Host, Via: c.Kube.Context}, nil
}

// usable refuses what was asked for by name and is not there.
func usable(f *flags, edit access.Edit) error {
	has := func(is func(access.Entry) bool) bool { return slices.ContainsFunc(edit.Want, is) }
	for _, role := range f.roles {
		if !has(func(e access.Entry) bool { return e.Mark.Role == role }) {
			return fault.New(fault.NotFound, "Without --role you get all roles that you have; --dry-run shows them.", "role %s is not yours on any cluster that is ready", role)
		}
	}
	if f.use != "" && !has(func(e access.Entry) bool { return e.Context == f.use }) {
		return fault.New(fault.NotFound, "--dry-run shows the contexts that there would be.", "context %s would not be there", f.use)
	}
	return nil
}

// unknown is the error for clusters of which nothing could be told.
func unknown(notes []access.Note) error {
	var names []string
	for _, n := range notes {
		if n.Unknown {
			names = append(names, n.Cluster)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.New(fault.Failed, "Their contexts stay as they are; run the command again.", "asking about all clusters: nothing is known of %s", strings.Join(names, ", "))
}

// people shows the changes, then what there is no context for.
func (o outcome) people(w io.Writer) error {
	var rows [][]string
	counts := map[string]int{}
	for _, change := range o.Changes {
		rows = append(rows, []string{change.Context, change.Cluster, command.OrDash(change.Role), change.Change, change.Reason})
		counts[change.Change]++
	}
	if len(rows) > 0 {
		if err := command.Rows(w, []string{"context", "cluster", "role", "change", "reason"}, rows); err != nil {
			return err
		}
	}
	for _, n := range o.Notes {
		fmt.Fprintf(w, "no context for %s: %s\n", strings.TrimSuffix(n.Cluster+", role "+n.Role, ", role "), n.Reason)
	}
	if _, err := fmt.Fprintf(w, "%s %s%s\n", o.File, summary(counts, o.Written), map[bool]string{true: " (dry run)"}[o.DryRun]); err != nil {
		return err
	}
	for _, backup := range o.Backups {
		fmt.Fprintf(w, "as it was: %s\n", filepath.Clean(backup))
	}
	return nil
}

func summary(counts map[string]int, written bool) string {
	if !written {
		return "is as it should be: nothing to change"
	}
	var parts []string
	for _, what := range []string{access.Added, access.Changed, access.Removed, access.Unchanged, access.Kept, access.Skipped} {
		if counts[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
		}
	}
	if len(parts) == 0 {
		return "has another current context"
	}
	return strings.Join(parts, ", ")
}
