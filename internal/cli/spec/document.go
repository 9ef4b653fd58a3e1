package spec

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// readDocument reads a host spec; "-" is standard input.
func readDocument(c *command.Context, path string) (*hostspec.Spec, error) {
	data, err := readAll(c, path, hostspec.MaxDocument)
	if err != nil {
		return nil, err
	}
	return hostspec.Decode(data, path)
}

// readAll reads a file whole, up to a limit beyond which it is no document.
func readAll(c *command.Context, path string, limit int64) ([]byte, error) {
	in := c.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading the document: %w", err), "`landfall spec capture TARGET -o FILE` writes one.")
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fault.Wrap(fault.Failed, fmt.Errorf("reading %s: %w", path, err), "")
	}
	return data, nil
}

// isDocument tells the name of a file from that of a target.
func isDocument(text string) bool {
	if text == "-" {
		return true
	}
	if strings.Contains(text, "://") {
		return false
	}
	info, err := os.Stat(text)
	return err == nil && info.Mode().IsRegular()
}

// writeDocument writes a host spec to a file, or to the output where none is
// named.
func writeDocument(c *command.Context, path string, spec *hostspec.Spec) error {
	var document bytes.Buffer
	if err := spec.Encode(&document); err != nil {
		return err
	}
	if path == "" || path == "-" {
		_, err := c.Out.Write(document.Bytes())
		return err
	}
	return replaceFile(path, document.Bytes())
}
