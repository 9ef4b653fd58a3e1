package data

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newResume(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "Go on with a copy that was ended or has failed",
		Long: `Go on with a copy where it stopped: what its journal holds as done is not done
again. Of a copy of this machine the mask key has to be given once more, and the
number of workers may be another.`,
		Example:           "  landfall data resume shop-to-shop-3f1c2a\n  landfall data resume staging-to-pr-1-x7k2p",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeCopies(c),
		RunE:              func(cmd *cobra.Command, args []string) error { return flags.resume(cmd.Context(), c, args[0]) },
	}
	cmd.Flags().StringVar(&flags.keyFile, "mask-key-file", "", "`file` with the mask key; by default $LANDFALL_MASK_KEY")
	cmd.Flags().IntVar(&flags.parallel, "parallel", 0, "`workers` for each store; by default as before")
	cmd.Flags().StringVar(&flags.evidence, "evidence", "", "write the evidence to this `file`: a page, or JSON where it ends in .json")
	cmd.Flags().BoolVar(&flags.follow, "follow", false, "of a copy of this machine: go on with the source's changes until landfall data cutover says enough")
	cmd.Flags().BoolVar(&flags.cutover, "cutover", false, "with --follow: cut over as soon as everything is copied")
	flags.waitFlags.add(cmd)
	return cmd
}

func (f *askFlags) resume(ctx context.Context, c *command.Context, name string) error {
	kept, err := folderOf(c, name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(kept)); err != nil {
		return f.resumeThere(ctx, c, name)
	}
	var job batch.Job
	if err := kept.read(batch.JobFile, &job); err != nil {
		return err
	}
	if len(job.Stores) == 0 {
		return fault.New(fault.Refused, "`landfall data copy` begins another one.", "resuming %s: the copy is finished", name)
	}
	if f.parallel > 0 {
		job.Parallel = f.parallel
	}
	if job.Rules != "" {
		if job.Key, err = f.key(c); err != nil {
			return err
		}
	}
	job.Follow = f.follow
	ctx, cancel, err := f.within(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	state, err := runHere(ctx, c, job, f.how())
	return f.finish(c, state, err)
}

// resumeThere asks the controller to go on.
func (f *askFlags) resumeThere(ctx context.Context, c *command.Context, name string) error {
	dc, err := dataCopy(ctx, c, name)
	if err != nil {
		return err
	}
	switch dc.Status.Phase {
	case v1alpha1.DataCopySucceeded, v1alpha1.DataCopyDifferent:
		return fault.New(fault.Refused, "`landfall data copy` begins another one.", "resuming %s: the copy is finished", name)
	case v1alpha1.DataCopyFailed:
		if dc, err = request(ctx, c, dc, v1alpha1.AnnotationResumeRequested); err != nil {
			return err
		}
	}
	if !f.wait {
		return nil
	}
	state, err := follow(ctx, c, dc, f.timeout)
	return f.finish(c, state, err)
}
