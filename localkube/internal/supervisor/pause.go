package supervisor

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/landfall-dev/landfall/localkube/internal/host"
	"github.com/landfall-dev/landfall/localkube/internal/image"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// pauseUser has no rights anywhere.
const pauseUser = "65535:65535"

// ensurePauseArchive builds the image of the pause process from the
// executable beside our own.
func ensurePauseArchive(l plan.Layout) error {
	if _, err := os.Stat(l.PauseArchive()); err == nil {
		return nil
	}
	companions, err := host.FindCompanions()
	if err != nil {
		return err
	}
	pause, err := image.OfProgram(companions.Pause, pauseUser)
	if err != nil {
		return err
	}
	ref, err := name.NewTag(plan.PauseImage)
	if err != nil {
		return fmt.Errorf("building the pause image: %w", err)
	}
	tmp := l.PauseArchive() + ".new"
	if err := tarball.WriteToFile(tmp, ref, pause); err != nil {
		return fmt.Errorf("writing the pause image: %w", err)
	}
	return os.Rename(tmp, l.PauseArchive())
}
