package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/gzip"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Kind is what a source is.
type Kind string

// Kinds of source.
const (
	Program   Kind = "program"    // an ELF file
	Folder    Kind = "folder"     // becomes the root of the file system
	Archive   Kind = "archive"    // a tar of a file system, maybe compressed
	OCILayout Kind = "oci-layout" // an image in a folder
	Image     Kind = "image"      // a tar made by "docker save" or the like
)

const sourceHint = "Give a Linux program, a folder, a .tar or .tar.gz, an OCI layout or the output of `docker save`."

// Detect says what the file or folder at source is.
func Detect(source string) (Kind, error) {
	info, err := os.Stat(source)
	if err != nil {
		return "", fault.New(fault.NotFound, sourceHint, "reading %s: %w", source, errors.Unwrap(err))
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(source, "oci-layout")); err == nil {
			return OCILayout, nil
		}
		return Folder, nil
	}
	return detectFile(source)
}

func detectFile(source string) (Kind, error) {
	file, err := os.Open(source)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", source, err)
	}
	defer file.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(file, magic); err == nil && bytes.Equal(magic, []byte("\x7fELF")) {
		return Program, nil
	}
	archive, closer, err := openTar(source)
	if err != nil {
		return "", fault.New(fault.Invalid, sourceHint, "reading %s: it is none of the kinds that make an image", source)
	}
	defer closer.Close()
	kind := Archive
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if err != nil {
			if entries == 0 || !errors.Is(err, io.EOF) {
				return "", fault.New(fault.Invalid, sourceHint, "reading %s: it is none of the kinds that make an image", source)
			}
			return kind, nil
		}
		if path.Clean(header.Name) == "manifest.json" {
			return Image, nil
		}
	}
}

// Build makes an image of source: upon base if that is not nil, which only
// programs, folders and archives take. A program gets its shared libraries,
// the basics of a system, and becomes the entry point; it runs as NonRoot.
func Build(cache *Cache, source string, base v1.Image, config Config) (v1.Image, error) {
	kind, err := Detect(source)
	if err != nil {
		return nil, err
	}
	if base != nil && (kind == OCILayout || kind == Image) {
		return nil, fault.New(fault.Invalid, "Leave out --base.", "building image: %s is an image already, it takes no base", source)
	}
	switch kind {
	case Program:
		return fromProgram(cache, source, base, config)
	case Folder:
		tree := NewTree()
		if err := tree.AddFolder("/", source); err != nil {
			return nil, err
		}
		return Assemble(cache, base, config, tree)
	case Archive:
		return fromArchive(cache, source, base, config)
	case OCILayout:
		return fromLayout(source, config)
	default:
		img, err := tarball.ImageFromPath(source, nil)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading %s: %w", source, err), sourceHint)
		}
		return configure(img, config)
	}
}

func fromProgram(cache *Cache, source string, base v1.Image, config Config) (v1.Image, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	inside := path.Join("/usr/local/bin", filepath.Base(source))
	system, program := NewTree(), NewTree()
	if base == nil {
		system.AddBasics()
		if config.User == "" {
			config.User = NonRoot
		}
	}
	libraries, err := sharedLibraries("", source)
	if err != nil {
		return nil, err
	}
	for _, lib := range libraries {
		if err := system.AddFile(lib, lib); err != nil {
			return nil, err
		}
	}
	if err := program.AddFile(inside, source); err != nil {
		return nil, err
	}
	if len(config.Entrypoint) == 0 {
		config.Entrypoint = []string{inside}
	}
	// Two layers, since a new build changes the program only.
	return Assemble(cache, base, config, system, program)
}

func fromArchive(cache *Cache, source string, base v1.Image, config Config) (v1.Image, error) {
	layer, err := cache.Layer(func(w io.Writer) error { return normaliseTar(w, source) })
	if err != nil {
		return nil, err
	}
	img, err := Assemble(cache, base, Config{})
	if err != nil {
		return nil, err
	}
	if img, err = appendLayer(img, layer); err != nil {
		return nil, err
	}
	return configure(img, config)
}

// normaliseTar copies a tar archive without what differs between two makings
// of the same content. Names that lead out of the archive are an error.
func normaliseTar(w io.Writer, source string) error {
	archive, closer, err := openTar(source)
	if err != nil {
		return fmt.Errorf("reading %s: %w", source, err)
	}
	defer closer.Close()
	out := tar.NewWriter(w)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return fault.New(fault.Invalid, "", "reading %s: %w", source, err)
		}
		name := path.Clean(strings.TrimLeft(header.Name, "/"))
		if name == ".." || strings.HasPrefix(name, "../") {
			return fault.New(fault.Invalid, "", "reading %s: entry %q leads out of the archive", source, header.Name)
		}
		if name == "." {
			continue
		}
		if header.Typeflag == tar.TypeDir {
			name += "/"
		}
		plain := &tar.Header{
			Typeflag: header.Typeflag, Name: name, Linkname: header.Linkname, Size: header.Size,
			Mode: header.Mode & 0o7777, Uid: header.Uid, Gid: header.Gid,
			Devmajor: header.Devmajor, Devminor: header.Devminor, ModTime: time.Unix(0, 0),
		}
		if err := out.WriteHeader(plain); err != nil {
			return fmt.Errorf("reading %s: %s: %w", source, name, err)
		}
		if _, err := io.Copy(out, archive); err != nil {
			return fault.New(fault.Invalid, "", "reading %s: %s: %w", source, name, err)
		}
	}
}

func openTar(source string) (*tar.Reader, io.Closer, error) {
	file, err := os.Open(source)
	if err != nil {
		return nil, nil, err
	}
	buffered := bufio.NewReaderSize(file, 1<<16)
	if magic, err := buffered.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			_ = file.Close()
			return nil, nil, err
		}
		return tar.NewReader(unzipped), file, nil
	}
	return tar.NewReader(buffered), file, nil
}

func fromLayout(source string, config Config) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(source)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading OCI layout %s: %w", source, err), sourceHint)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading OCI layout %s: %w", source, err)
	}
	for _, entry := range manifest.Manifests {
		if !entry.MediaType.IsImage() || (entry.Platform != nil && entry.Platform.OS != "linux") {
			continue
		}
		img, err := index.Image(entry.Digest)
		if err != nil {
			return nil, fmt.Errorf("reading OCI layout %s: %w", source, err)
		}
		return configure(img, config)
	}
	return nil, fault.New(fault.Invalid, sourceHint, "reading OCI layout %s: it holds no image for Linux", source)
}

// Pull reads an image for this machine's architecture from a registry, to
// build upon.
func Pull(ctx context.Context, reference string) (v1.Image, error) {
	ref, err := parse(reference)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, fmt.Errorf("reading base image %s: %w", reference, err)
	}
	return img, nil
}

func parse(reference string) (name.Reference, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading image reference: %w", err), "Write it as REGISTRY/NAME:TAG, for example localhost:5001/shop/web:1.")
	}
	return ref, nil
}
