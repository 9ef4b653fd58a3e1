package capture

import (
	"archive/tar"
	"context"
	"crypto/md5"  // #nosec G501 -- dpkg's checksums are MD5
	"crypto/sha1" // #nosec G505 -- apk's checksums are SHA-1
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
)

// maxEntries bounds the files of an image.
const maxEntries = 5_000_000

// readImage fills an Input from the files of an image in one pass over its
// layers, and a second one if files that are wanted are links to others.
func readImage(ctx context.Context, image target.Image, sources []Source, options Options) (*Input, error) {
	r := &imageReading{
		in:     &Input{Host: image.Name(), Image: true, User: "root", Full: options.Full, Paths: options.Paths, files: map[string]file{}, tree: tree{}},
		wanted: wantedOf(sources), extra: map[string]string{}, links: map[string]string{}, present: map[string]bool{},
	}
	if err := r.pass(ctx, image); err != nil {
		return nil, err
	}
	if r.follow(); len(r.extra) > 0 {
		r.wanted = nil
		if err := r.pass(ctx, image); err != nil {
			return nil, err
		}
	}
	return r.in, nil
}

func wantedOf(sources []Source) []string {
	wanted := globs(sources)
	for _, source := range sources {
		wanted = append(wanted, source.ImageFiles...)
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

// imageReading is an Input being filled.
type imageReading struct {
	in *Input
	// wanted are the globs of files whose contents are kept.
	wanted []string
	// extra are paths whose contents are kept for the link that leads to them.
	extra map[string]string
	links map[string]string
	// present are the wanted names that are links.
	present map[string]bool
	read    int
}

func (r *imageReading) pass(ctx context.Context, image target.Image) error {
	files, config, err := image.Open(ctx)
	if err != nil {
		return err
	}
	defer files.Close()
	r.in.config = config
	archive := tar.NewReader(files)
	for n := 0; ; n++ {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return errors.New("it has no files")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading its files: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n > maxEntries:
			return fmt.Errorf("it has more than %d files", maxEntries)
		}
		if err := r.entry(header, archive); err != nil {
			return fmt.Errorf("reading its files: %w", err)
		}
	}
}

// entry takes in one file: what it is, and its content where that is wanted.
func (r *imageReading) entry(header *tar.Header, content io.Reader) error {
	name := path.Join("/", header.Name)
	e := entryOf(name, header)
	if e == nil {
		return nil
	}
	if e.kind == 'l' {
		r.links[name] = e.link
	}
	if header.Typeflag == tar.TypeLink {
		r.hardLink(e, path.Join("/", header.Linkname))
		return nil
	}
	if r.inTree(name) && r.wanted != nil {
		r.in.tree[name] = e
	}
	asked := slices.ContainsFunc(r.wanted, func(glob string) bool { return matches(glob, name) })
	link := r.extra[name]
	switch {
	case asked && e.kind == 'l':
		r.present[name] = true
	case e.kind == 'f' && (asked || link != ""):
		if link == "" {
			link = name
		}
		return r.keep(e, link, content)
	case e.kind == 'f' && r.in.tree[name] == e && e.size <= maxHashed:
		return hashEntry(e, content)
	}
	return nil
}

func (r *imageReading) inTree(name string) bool {
	return belowRoots(name) || isTemplate(name) || slices.Contains(programFolders, path.Dir(name)) || r.in.Full || slices.Contains(r.in.Paths, name) ||
		path.Dir(name) == "/etc/alternatives"
}

// hardLink gives a name what the file has that it is another name of.
func (r *imageReading) hardLink(e *entry, to string) {
	if first := r.in.tree[to]; first != nil && r.inTree(e.path) {
		twin := *first
		twin.path = e.path
		r.in.tree[e.path] = &twin
	}
	if f, seen := r.in.files[to]; seen && slices.ContainsFunc(r.wanted, func(glob string) bool { return matches(glob, e.path) }) {
		r.in.files[e.path] = f
	}
}

// keep reads a content that a source wants.
func (r *imageReading) keep(e *entry, name string, content io.Reader) error {
	if e.size > maxImageFile || r.read > maxFiles {
		r.in.files[name] = file{err: fmt.Errorf("larger than %d MiB", maxImageFile>>20)}
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(content, maxImageFile))
	if err != nil {
		return err
	}
	r.read += len(data)
	r.in.files[name] = file{content: data}
	if r.in.tree[e.path] == e {
		return hashEntry(e, strings.NewReader(string(data)))
	}
	return nil
}

func hashEntry(e *entry, content io.Reader) error {
	strong, dpkg, apk := sha256.New(), md5.New(), sha1.New() // #nosec G401 -- see the imports
	if _, err := io.Copy(io.MultiWriter(strong, dpkg, apk), content); err != nil {
		return err
	}
	e.sha256 = hex.EncodeToString(strong.Sum(nil))
	e.sums = []string{hex.EncodeToString(dpkg.Sum(nil)), hex.EncodeToString(apk.Sum(nil))}
	return nil
}

// follow finds the files that wanted links lead to, some links further, also
// through folders that are links.
func (r *imageReading) follow() {
	for name := range r.present {
		to := name
		for range 10 {
			next := r.resolve(to)
			if next == to {
				break
			}
			to = next
		}
		if _, isLink := r.links[to]; isLink || to == name {
			continue
		}
		if f, seen := r.in.files[to]; seen {
			r.in.files[name] = f
			continue
		}
		r.extra[to] = name
	}
}

// resolve replaces the first part of a path that is a link.
func (r *imageReading) resolve(name string) string {
	for end := 1; end <= len(name); end++ {
		if end < len(name) && name[end] != '/' {
			continue
		}
		link, isLink := r.links[name[:end]]
		if !isLink {
			continue
		}
		if !path.IsAbs(link) {
			link = path.Join(path.Dir(name[:end]), link)
		}
		return path.Join(link, name[end:])
	}
	return name
}

func entryOf(name string, header *tar.Header) *entry {
	e := &entry{
		path: name, mode: header.Mode & 0o7777, uid: strconv.Itoa(header.Uid), gid: strconv.Itoa(header.Gid),
		size: header.Size, link: "", capabilities: capabilityOf(header),
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeLink:
		e.kind = 'f'
	case tar.TypeDir:
		e.kind = 'd'
	case tar.TypeSymlink:
		e.kind, e.link = 'l', header.Linkname
	case tar.TypeFifo:
		e.kind = 'p'
	case tar.TypeBlock:
		e.kind = 'b'
	case tar.TypeChar:
		e.kind = 'c'
	default:
		return nil
	}
	return e
}

// capabilityOf says that a file has capabilities; the archive has them in
// binary.
func capabilityOf(header *tar.Header) string {
	if raw := header.PAXRecords["SCHILY.xattr.security.capability"]; raw != "" {
		return "0x" + hex.EncodeToString([]byte(raw))
	}
	return ""
}

// link is where a link of an image leads, or "".
func (in *Input) link(name string) string {
	if e := in.tree[name]; e != nil {
		return e.link
	}
	return ""
}
