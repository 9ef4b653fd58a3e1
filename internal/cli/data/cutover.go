package data

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// cutoverFile in a copy's folder asks the process that follows to cut over.
const cutoverFile = "cutover"

func newCutover(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:   "cutover NAME",
		Short: "Let a copy that follows its source drain, verify and end",
		Long: `Tell a copy that runs with --follow, on this machine or in the cluster, that it is
time: it stops writes at the source where it may (--stop-writes), applies what is
left, verifies that both sides are equal, and ends. Where it may not, see to it
that nothing writes to the source any more.`,
		Example:           "  landfall data cutover shop-to-shop-3f1c2a\n  landfall data cutover staging-to-pr-1-x7k2p",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeCopies(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := folderOf(c, args[0])
			if err != nil {
				return err
			}
			if _, here := os.Stat(string(f)); here == nil {
				err = cutoverHere(f, args[0])
			} else {
				err = cutoverThere(cmd.Context(), c, args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "asked for; the copy says when both sides are equal\n")
			return err
		},
	}
}

func cutoverHere(f folder, name string) error {
	if _, err := os.Stat(f.path(followFile)); err != nil {
		return fault.New(fault.NotFound, "`landfall data copy --follow` starts one.", "copy %s does not follow its source on this machine", name)
	}
	if err := os.WriteFile(f.path(cutoverFile), nil, 0o600); err != nil {
		return fmt.Errorf("asking for the cut-over of %s: %w", name, err)
	}
	return nil
}

// cutoverThere asks a copy in the cluster, which need not have come to
// following yet.
func cutoverThere(ctx context.Context, c *command.Context, name string) error {
	dc, err := dataCopy(ctx, c, name)
	switch {
	case err != nil:
		return err
	case !dc.Spec.Follow:
		return fault.New(fault.Invalid, "`landfall data copy --follow` starts one.", "copy %s does not follow its source", name)
	case dc.Status.Phase.Final():
		return fault.New(fault.Refused, "`landfall data status "+name+"` shows it.", "copy %s has ended already", name)
	}
	_, err = request(ctx, c, dc, v1alpha1.AnnotationCutoverRequested)
	return err
}

const (
	// followFile says that a process follows.
	followFile = "follows"
	// cutoverEvery is how often it is looked whether to cut over.
	cutoverEvery = 200 * time.Millisecond
)

// cutover gives a channel that is closed when it is time: at once, or when
// somebody asks.
func (f folder) cutover(ctx context.Context, immediately bool) <-chan struct{} {
	now := make(chan struct{})
	if immediately {
		close(now)
		return now
	}
	_ = os.Remove(f.path(cutoverFile))
	_ = os.WriteFile(f.path(followFile), nil, 0o600)
	go func() {
		defer os.Remove(f.path(followFile))
		for ctx.Err() == nil {
			if _, err := os.Stat(f.path(cutoverFile)); err == nil {
				close(now)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(cutoverEvery):
			}
		}
	}()
	return now
}
