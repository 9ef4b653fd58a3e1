package target

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Archive is a tar file: a root file system, or an image as `docker save`
// writes it. It may be compressed by gzip or zstd.
type Archive struct{ Path string }

// Name is the file as a target.
func (a Archive) Name() string { return "tar://" + a.Path }

// Open implements Image. A root file system has no Config.
func (a Archive) Open(context.Context) (io.ReadCloser, Config, error) {
	saved, err := a.isSavedImage()
	if err != nil {
		class := fault.Failed
		if errors.Is(err, fs.ErrNotExist) {
			class = fault.NotFound
		}
		return nil, Config{}, fault.Wrap(class, err, "Give a tar file of a root file system, or of `docker save`.")
	}
	if !saved {
		files, err := a.plain()
		return files, Config{}, err
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return a.plain() }, nil)
	if err != nil {
		return nil, Config{}, fault.Wrap(fault.Failed, fmt.Errorf("reading %s: %w", a.Path, err), "An archive with one image is needed: docker save ONE.")
	}
	return flatten(img)
}

// isSavedImage looks for manifest.json, which `docker save` puts beside the
// layers, at the top.
func (a Archive) isSavedImage() (bool, error) {
	files, err := a.plain()
	if err != nil {
		return false, err
	}
	defer files.Close()
	archive, folders := tar.NewReader(files), false
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading %s: %w", a.Path, err)
		}
		name := strings.TrimPrefix(header.Name, "./")
		if name == "manifest.json" {
			return true, nil
		}
		// Root file systems are long, saved images short: stop early.
		if folders = folders || strings.HasPrefix(name, "etc/") || strings.HasPrefix(name, "usr/"); folders {
			return false, nil
		}
	}
}

// plain gives the archive without its compression.
func (a Archive) plain() (io.ReadCloser, error) {
	file, err := os.Open(a.Path)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(file, 64<<10)
	magic, _ := in.Peek(4)
	switch {
	case strings.HasPrefix(string(magic), "\x1f\x8b"):
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("reading %s: %w", a.Path, err)
		}
		return stacked{unpacked, file}, nil
	case string(magic) == "\x28\xb5\x2f\xfd":
		unpacked, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("reading %s: %w", a.Path, err)
		}
		return stacked{unpacked.IOReadCloser(), file}, nil
	}
	return stacked{io.NopCloser(in), file}, nil
}

// stacked closes a reader and what it reads from.
type stacked struct {
	io.ReadCloser
	below io.Closer
}

func (s stacked) Close() error { return errors.Join(s.ReadCloser.Close(), s.below.Close()) }
