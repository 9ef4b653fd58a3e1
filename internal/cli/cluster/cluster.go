// Package cluster is `landfall cluster`: the clusters that environments run
// on. Start at New.
package cluster

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "cluster",
		Aliases: []string{"clusters"},
		Short:   "The clusters that environments run on",
		Example: "  landfall cluster add green --from-kubeconfig green.yaml --domain green.example.org --ingress-class nginx\n  landfall cluster list",
	}, newCreate(c), newPlan(c), newApply(c), newDrift(c), newImport(c), newUnlock(c), newDestroy(c),
		newAdd(c), newList(c), newGet(c), newRemove(c), newCapacity(c), newHostnames(c), newJob(c), newPreflight(c), newTransfer(c), newSchedules(c), newMigrate(c))
}

func newList(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the clusters and whether they answer",
		Example: "  landfall cluster list",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), c)
		},
	}
}

func list(ctx context.Context, c *command.Context) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	var found v1alpha1.ClusterList
	if err := cl.List(ctx, &found); err != nil {
		return command.Explain(err)
	}
	found.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ClusterList"))
	for i := range found.Items {
		found.Items[i].ManagedFields = nil
	}
	return c.Print(found, func(w io.Writer) error {
		var rows [][]string
		for i := range found.Items {
			rows = append(rows, row(c, &found.Items[i]))
		}
		return command.Rows(w, []string{"name", "reachable", "version", "nodes", "routing", "endpoint", "age"}, rows)
	})
}

func row(c *command.Context, cluster *v1alpha1.Cluster) []string {
	reachable := "Unknown"
	if condition := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReachable); condition != nil {
		reachable = string(condition.Status)
	}
	return []string{
		cluster.Name, reachable, command.OrDash(cluster.Status.Version), strconv.Itoa(int(cluster.Status.Nodes)),
		routing(cluster.Spec.Routing), command.OrDash(cluster.Status.Endpoint), c.Age(cluster.CreationTimestamp.Time),
	}
}

// routing in a few words: "ingress nginx, *.example.org".
func routing(r *v1alpha1.Routing) string {
	switch {
	case r == nil:
		return "none"
	case r.Gateway != nil:
		return fmt.Sprintf("gateway %s/%s, *.%s", r.Gateway.Namespace, r.Gateway.Name, r.Domain)
	}
	return fmt.Sprintf("ingress %s, *.%s", r.IngressClassName, r.Domain)
}

func newGet(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a cluster",
		Example:           "  landfall cluster get green",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, err := ask.Cluster(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			cluster.ManagedFields = nil
			cluster.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Cluster"))
			return c.Print(cluster, func(w io.Writer) error { return show(c, w, cluster) })
		},
	}
}

func show(c *command.Context, w io.Writer, cluster *v1alpha1.Cluster) error {
	kubeconfig := "none: it is the cluster that Landfall runs in"
	if ref := cluster.Spec.KubeconfigSecret; ref != nil {
		kubeconfig = fmt.Sprintf("secret %s/%s", ref.Namespace, ref.Name)
	}
	reachable := "Unknown, it has not been asked yet"
	if condition := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReachable); condition != nil {
		reachable = strings.TrimSuffix(string(condition.Status)+", "+condition.Message, ", ")
	}
	seen := "-"
	if cluster.Status.SeenAt != nil {
		seen = c.Age(cluster.Status.SeenAt.Time) + " ago"
	}
	for _, fact := range [][2]string{
		{"Name", cluster.Name},
		{"Kubeconfig", kubeconfig},
		{"Endpoint", command.OrDash(cluster.Status.Endpoint)},
		{"Reachable", reachable},
		{"Seen", seen},
		{"Version", command.OrDash(cluster.Status.Version)},
		{"Nodes", strconv.Itoa(int(cluster.Status.Nodes))},
		{"Routing", routing(cluster.Spec.Routing)},
		{"Terraform", infrastructure(c, cluster)},
	} {
		if _, err := fmt.Fprintf(w, "%-11s %s\n", fact[0], fact[1]); err != nil {
			return err
		}
	}
	return nil
}

// infrastructure says in a line what Terraform last did.
func infrastructure(c *command.Context, cluster *v1alpha1.Cluster) string {
	if cluster.Spec.Terraform == nil {
		return "no: the cluster is only reached"
	}
	text, status := "module "+cluster.Spec.Terraform.Module, cluster.Status.Terraform
	if status == nil || status.Phase == "" {
		return text + ", nothing done yet"
	}
	text += ", " + strings.ToLower(string(status.Phase))
	if status.AppliedAt != nil {
		text += ", applied " + c.Age(status.AppliedAt.Time) + " ago"
	}
	if status.DriftCheckedAt != nil {
		text += fmt.Sprintf(", %s %s ago", status.Drift, c.Age(status.DriftCheckedAt.Time))
	}
	if status.Message != "" {
		text += ": " + status.Message
	}
	return text
}
