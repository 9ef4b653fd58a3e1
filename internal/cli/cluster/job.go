package cluster

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision/job"
)

// newJob makes the commands that pods run for --in-cluster.
func newJob(c *command.Context) *cobra.Command {
	cmd := command.Group(&cobra.Command{
		Use:     "job",
		Short:   "What the pods of --in-cluster run",
		Example: "  landfall cluster job run /etc/landfall",
	}, newJobInstall(), newJobRun(c))
	cmd.Hidden = true
	return cmd
}

func newJobInstall() *cobra.Command {
	return &cobra.Command{
		Use:     "install FILE",
		Short:   "Put this program into a file",
		Long:    "Put this program into a file: into a pod whose image has Terraform, but not\nLandfall.",
		Example: "  landfall cluster job install /landfall/landfall",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return job.Install(args[0]) },
	}
}

func newJobRun(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:   "run FOLDER",
		Short: "Carry out the request in a folder",
		Long: `Carry out the request in a folder, and write what happens as lines of JSON. The
last one is the answer, or the error.`,
		Example: "  landfall cluster job run /etc/landfall",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return runJob(cmd.Context(), c, args[0]) },
	}
}

func runJob(ctx context.Context, c *command.Context, folder string) error {
	server := job.Server{Job: c.Getenv(job.EnvJob), Out: c.Out}
	request, module, err := job.Read(folder, c.Getenv("HOME"))
	if err == nil {
		server.Provisioner, err = Provisioner(c)
	}
	if err != nil {
		return server.Fail(command.Explain(err))
	}
	server.Provisioner.Folder = module
	return server.Serve(ctx, request)
}
