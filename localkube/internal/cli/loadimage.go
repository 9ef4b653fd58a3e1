package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/spf13/cobra"
)

func newLoadImage(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "load-image NAME REF-OR-ARCHIVE...",
		Short: "Put images into every running node of a cluster",
		Long: `Put images into every running node of a cluster, from OCI or Docker archives
(files) or from registries (references). Pods use them under the same name, with
imagePullPolicy IfNotPresent or Never.`,
		Example: "  localkube load-image blue web.tar docker.io/library/redis:7",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			for _, image := range args[1:] {
				archive, cleanup, err := archiveOf(c, image)
				if err != nil {
					return err
				}
				err = o.manager().LoadArchive(c.Context(), args[0], archive)
				cleanup()
				if err != nil {
					return err
				}
				fmt.Fprintln(o.streams.Err, "loaded", image)
			}
			return o.printDone("loaded", args[0])
		},
	}
}

// archiveOf returns the archive itself, or one made of the image in a registry.
func archiveOf(c *cobra.Command, image string) (archive string, cleanup func(), err error) {
	if _, err := os.Stat(image); err == nil {
		archive, err := filepath.Abs(image)
		return archive, func() {}, err
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", nil, fmt.Errorf("loading image %s: neither a file nor a reference: %w", image, err)
	}
	pulled, err := remote.Image(ref, remote.WithContext(c.Context()))
	if err != nil {
		return "", nil, fmt.Errorf("pulling image %s: %w", image, err)
	}
	file, err := os.CreateTemp("", "localkube-*.tar")
	if err != nil {
		return "", nil, fmt.Errorf("pulling image %s: %w", image, err)
	}
	cleanup = func() { os.Remove(file.Name()) }
	if err := tarball.Write(ref, pulled, file); err != nil {
		file.Close()
		cleanup()
		return "", nil, fmt.Errorf("pulling image %s: %w", image, err)
	}
	return file.Name(), cleanup, file.Close()
}
