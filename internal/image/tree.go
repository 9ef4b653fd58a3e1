package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Tree is the content of one image layer: files, folders and links by their
// absolute path in the image. Everything belongs to root unless said
// otherwise, and carries no time, so that equal content gives an equal layer.
// It is not safe for concurrent use.
type Tree struct {
	entries map[string]entry
}

type entry struct {
	typeflag byte
	mode     int64
	uid      int
	link     string
	size     int64
	open     func() (io.ReadCloser, error)
}

// NewTree makes an empty tree.
func NewTree() *Tree { return &Tree{entries: map[string]entry{}} }

// Has says whether the tree holds something at name.
func (t *Tree) Has(name string) bool {
	_, ok := t.entries[clean(name)]
	return ok
}

// AddBytes adds a file with the given content.
func (t *Tree) AddBytes(name string, mode fs.FileMode, content []byte) {
	t.put(name, entry{
		typeflag: tar.TypeReg, mode: int64(mode.Perm()), size: int64(len(content)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	})
}

// AddDir adds a folder owned by uid, with the sticky bit if mode has it.
func (t *Tree) AddDir(name string, mode fs.FileMode, uid int) {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	t.put(name, entry{typeflag: tar.TypeDir, mode: bits, uid: uid})
}

// AddLink adds a symbolic link.
func (t *Tree) AddLink(name, target string) {
	t.put(name, entry{typeflag: tar.TypeSymlink, mode: 0o777, link: target})
}

// AddFile adds the host's file src, following links. The file is read when the
// layer is made.
func (t *Tree) AddFile(name, src string) error {
	info, err := os.Stat(src)
	if err != nil {
		return fmt.Errorf("adding %s: %w", src, err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "", "adding %s: it is not a regular file", src)
	}
	t.put(name, entry{
		typeflag: tar.TypeReg, mode: int64(info.Mode().Perm()), size: info.Size(),
		open: func() (io.ReadCloser, error) { return os.Open(src) },
	})
	return nil
}

// AddFolder adds what the host's folder src holds below the folder name; links
// stay links. Sockets, devices and pipes are errors.
func (t *Tree) AddFolder(name, src string) error {
	return filepath.WalkDir(src, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("adding folder %s: %w", src, err)
		}
		rel, err := filepath.Rel(src, file)
		if err != nil {
			return err
		}
		inside := path.Join("/", name, filepath.ToSlash(rel))
		switch {
		case rel == "." && inside == "/":
			return nil
		case d.IsDir():
			info, err := d.Info()
			if err != nil {
				return err
			}
			t.AddDir(inside, info.Mode(), 0)
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			t.AddLink(inside, target)
			return nil
		case d.Type().IsRegular():
			return t.AddFile(inside, file)
		}
		return fault.New(fault.Invalid, "Remove it, or push a folder without it.",
			"adding folder %s: %s is neither file, folder nor link", src, file)
	})
}

// WriteTo writes the tree as a tar stream, sorted by path, parents first.
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	archive := tar.NewWriter(counted)
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := writeEntry(archive, name, t.entries[name]); err != nil {
			return counted.n, fmt.Errorf("writing layer: %s: %w", name, err)
		}
	}
	return counted.n, archive.Close()
}

func writeEntry(archive *tar.Writer, name string, e entry) error {
	header := &tar.Header{
		Typeflag: e.typeflag, Name: strings.TrimPrefix(name, "/"), Linkname: e.link,
		Mode: e.mode, Uid: e.uid, Gid: e.uid, Size: e.size, ModTime: time.Unix(0, 0),
	}
	if e.typeflag == tar.TypeDir {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil || e.open == nil {
		return err
	}
	content, err := e.open()
	if err != nil {
		return err
	}
	defer content.Close()
	// A file that grew since it was added must not spoil the archive; one that
	// shrank is an error of the archive writer.
	_, err = io.Copy(archive, io.LimitReader(content, e.size))
	return err
}

// put adds e and the folders above it.
func (t *Tree) put(name string, e entry) {
	name = clean(name)
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if _, ok := t.entries[dir]; !ok {
			t.entries[dir] = entry{typeflag: tar.TypeDir, mode: 0o755}
		}
	}
	t.entries[name] = e
}

func clean(name string) string { return path.Clean("/" + name) }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
