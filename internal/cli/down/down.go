// Package down is `landfall down`: it removes what `landfall up` set up. Start
// at New.
package down

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/localcluster"
	"github.com/landfall-dev/landfall/internal/platform"
)

// surveyTime is how long a cluster may take to say what it holds.
const surveyTime = 15 * time.Second

type flags struct {
	name          string
	deleteCluster bool
	force         bool
	yes           bool
	dryRun        bool
}

// removed is what the command prints for programs.
type removed struct {
	Cluster string `json:"cluster"`
	// ClusterDeleted says that the local cluster itself is gone.
	ClusterDeleted bool `json:"clusterDeleted"`
	platform.Contents
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove what `landfall up` set up",
		Long: `Remove the controller, the store servers with their data, the front door and
Landfall's kinds with all blueprints. The cluster itself stays, unless
--delete-cluster says otherwise. Environments that are still there make it
refuse; with --force they are deleted first.

It acts on the local cluster, or on the one that --context or --kubeconfig
chooses. What is gone already is a success.`,
		Example: `  # everything that was local, without a question
  landfall down --delete-cluster --force --yes

  # Landfall out of a cluster that stays
  landfall down --context kind-dev`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), c, f) },
	}
	set := cmd.Flags()
	set.StringVar(&f.name, "name", "local", "`name` of the local cluster")
	set.BoolVar(&f.deleteCluster, "delete-cluster", false, "delete the local cluster too")
	set.BoolVar(&f.force, "force", false, "also when environments are still there: delete them")
	set.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	set.BoolVar(&f.dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}

func run(ctx context.Context, c *command.Context, f *flags) error {
	existing := c.Kube.Context != "" || c.Kube.Kubeconfig != ""
	if existing {
		if f.deleteCluster {
			return fault.New(fault.Invalid, "Leave out --delete-cluster, or --context and --kubeconfig.", "removing Landfall: only local clusters can be deleted")
		}
		config, err := c.RESTConfig()
		if err != nil {
			return err
		}
		return removePlatform(ctx, c, f, config, c.Kube.Context)
	}
	tool, err := localcluster.Find(c.Getenv)
	if err != nil {
		return err
	}
	cluster, err := findLocal(ctx, tool, f.name)
	if err != nil {
		return err
	}
	if cluster == nil {
		return c.Print(removed{Cluster: f.name, ClusterDeleted: true}, say("local cluster "+f.name+" is not there: nothing to do"))
	}
	if f.deleteCluster {
		return deleteLocal(ctx, c, f, tool, *cluster)
	}
	access, err := platform.AccessTo(ctx, localcluster.Ready{Name: cluster.Name, Kubeconfig: cluster.Kubeconfig, Registry: cluster.Registry})
	if err != nil {
		return err
	}
	return removePlatform(ctx, c, f, access.Config, f.name)
}

func findLocal(ctx context.Context, tool *localcluster.Tool, name string) (*localcluster.Cluster, error) {
	clusters, err := tool.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, cluster := range clusters {
		if cluster.Name == name {
			return &cluster, nil
		}
	}
	return nil, nil
}

func removePlatform(ctx context.Context, c *command.Context, f *flags, config *rest.Config, name string) error {
	cl, err := client.New(config, client.Options{Scheme: command.Scheme()})
	if err != nil {
		return command.Explain(err)
	}
	contents, err := platform.Survey(ctx, cl)
	if err != nil {
		return command.Explain(err)
	}
	if proceed, err := permit(ctx, c, f, "remove Landfall from cluster "+name, contents); !proceed {
		return err
	}
	if err := platform.Down(ctx, cl, c.Progress()); err != nil {
		return command.Explain(err)
	}
	return c.Print(removed{Cluster: name, Contents: contents}, say("Landfall is removed from cluster "+name))
}

// deleteLocal takes the cluster away whole. Nothing of its environments can
// stay: their stores and volumes are in it.
func deleteLocal(ctx context.Context, c *command.Context, f *flags, tool *localcluster.Tool, cluster localcluster.Cluster) error {
	contents, err := surveyLocal(ctx, cluster)
	if err != nil && !f.force {
		return fault.Wrap(fault.Refused, fmt.Errorf("asking cluster %s what it holds: %w", cluster.Name, err),
			"Start it with `landfall local start "+cluster.Name+"`, or delete it unseen with --force.")
	}
	if proceed, err := permit(ctx, c, f, "delete local cluster "+cluster.Name+" with everything in it", contents); !proceed {
		return err
	}
	step := c.Progress().Step("delete cluster " + cluster.Name)
	if err := tool.Delete(ctx, cluster.Name, func(line string) { step.Update("%s", line) }); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("")
	if err := access.UserFiles("").RemoveLocal(ctx, cluster.Name); err != nil {
		return err
	}
	return c.Print(removed{Cluster: cluster.Name, ClusterDeleted: true, Contents: contents}, say("local cluster "+cluster.Name+" is deleted"))
}

func surveyLocal(ctx context.Context, cluster localcluster.Cluster) (platform.Contents, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	access, err := platform.AccessTo(ctx, localcluster.Ready{Name: cluster.Name, Kubeconfig: cluster.Kubeconfig, Registry: cluster.Registry})
	if err != nil {
		return platform.Contents{}, err
	}
	access.Config.Timeout = surveyTime
	cl, err := client.New(access.Config, client.Options{Scheme: command.Scheme()})
	if err != nil {
		return platform.Contents{}, err
	}
	return platform.Survey(ctx, cl)
}

// permit refuses when environments would be lost unasked, shows what a dry run
// would remove, and asks.
func permit(ctx context.Context, c *command.Context, f *flags, what string, contents platform.Contents) (bool, error) {
	if f.dryRun {
		return false, c.Print(contents, say(fmt.Sprintf("would %s\nenvironments: %s\nblueprints:   %s", what, names(contents.Environments), names(contents.Blueprints))))
	}
	if len(contents.Environments) > 0 && !f.force {
		return false, fault.New(fault.Refused, "Delete them with `landfall env delete`, or use --force to lose them.",
			"%s: environments are still there: %s", what, names(contents.Environments))
	}
	question := fmt.Sprintf("%s (environments: %s; blueprints: %s)?", what, names(contents.Environments), names(contents.Blueprints))
	if f.yes || c.Confirmed(ctx, question) {
		return true, nil
	}
	return false, fault.New(fault.Refused, "Add --yes to do it without a question.", "%s: not confirmed", what)
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func say(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintln(w, text)
		return err
	}
}
