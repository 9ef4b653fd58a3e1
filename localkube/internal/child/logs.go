package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxLog is the size in bytes at which a log file is rotated; one old one is kept.
const maxLog = 16 << 20

// RotateLogs moves the content of each oversized log file of the folder to
// NAME.1. Processes hold their files open for appending, so the file itself
// stays and is cut to nothing; lines written meanwhile may be lost.
func RotateLogs(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	var errs error
	for _, file := range files {
		info, err := os.Stat(file)
		if err == nil && info.Size() > maxLog {
			err = rotate(file)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = errors.Join(errs, fmt.Errorf("rotating %s: %w", filepath.Base(file), err))
		}
	}
	return errs
}

func rotate(file string) error {
	from, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(file+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), from.Truncate(0))
}
