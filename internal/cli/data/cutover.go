package data

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// cutoverFile in a copy's folder asks the process that follows to cut over.
const cutoverFile = "cutover"

func newCutover(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:   "cutover NAME",
		Short: "Let a copy that follows its source drain, verify and end",
		Long: `Tell a copy on this machine that runs with --follow that it is time: it stops
writes at the source where it may (--stop-writes), applies what is left, verifies
that both sides are equal, and ends.`,
		Example:           "  landfall data cutover shop-to-shop-3f1c2a",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeCopies(c),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := folderOf(c, args[0])
			if err != nil {
				return err
			}
			if _, err := os.Stat(f.path(followFile)); err != nil {
				return fault.New(fault.NotFound, "`landfall data copy --follow` starts one.", "copy %s does not follow its source on this machine", args[0])
			}
			if err := os.WriteFile(f.path(cutoverFile), nil, 0o600); err != nil {
				return fmt.Errorf("asking for the cut-over of %s: %w", args[0], err)
			}
			_, err = fmt.Fprintf(c.Out, "asked for; the copy says when both sides are equal\n")
			return err
		},
	}
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
