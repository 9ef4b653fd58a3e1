package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/localkube/internal/host"
)

// install puts our programs into dir and gives the path of localkube there. A
// running cluster must outlive a new build, and the removal, of the programs
// that made it.
func install(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding own executable: %w", err)
	}
	companions, err := host.FindCompanions()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for _, program := range []string{self, companions.Pause, companions.Netpol} {
		if err := installFile(program, filepath.Join(dir, filepath.Base(program))); err != nil {
			return "", fmt.Errorf("installing %s: %w", program, err)
		}
	}
	return filepath.Join(dir, filepath.Base(self)), nil
}

// installFile replaces target by source: by another name for it on the same
// disk, so that clusters of one build share its memory, else by a copy.
func installFile(source, target string) error {
	same, err := sameFile(source, target)
	if err != nil || same {
		return err
	}
	next := target + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Link(source, next) != nil {
		if err := copyFile(source, next); err != nil {
			return err
		}
	}
	return os.Rename(next, target)
}

func sameFile(source, target string) (bool, error) {
	from, err := os.Stat(source)
	if err != nil {
		return false, err
	}
	to, err := os.Stat(target)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(from, to), err
}

func copyFile(source, target string) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
