package containerize

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// output takes the files of the image: those that no package shipped go below
// rootfs, for the Dockerfile; all go into the archive, where one is wanted.
type output struct {
	picked  *choice
	adapter *adapter
	root    *os.Root
	archive *os.File
	tar     *tar.Writer
}

func newOutput(work string, archive bool, picked *choice, a *adapter) (*output, error) {
	folder := filepath.Join(work, "rootfs")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	o := &output{picked: picked, adapter: a, root: root}
	if archive {
		if o.archive, err = os.CreateTemp("", "landfall-image-*.tar"); err != nil {
			return nil, errors.Join(err, root.Close())
		}
		o.tar = tar.NewWriter(o.archive)
	}
	return o, nil
}

// put implements sink. Configuration is adapted on the way.
func (o *output) put(header *tar.Header, content io.Reader) error {
	name := "/" + header.Name
	changed := false
	if content != nil && isAdapted(name) {
		before, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		after := o.adapter.adapt(name, before)
		changed = !bytes.Equal(before, after)
		header.Size, content = int64(len(after)), bytes.NewReader(after)
	}
	var copied bytes.Buffer
	own := changed || !o.picked.shipped[name] && !o.picked.derived[name]
	if own && content != nil && o.tar != nil {
		content = io.TeeReader(content, &copied)
	}
	if o.tar != nil {
		if err := o.pack(header, content); err != nil {
			return err
		}
		if own && content != nil {
			content = &copied
		}
	}
	if !own {
		return nil
	}
	return o.extract(header, content)
}

func (o *output) pack(header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	default:
		return nil // sockets, devices and pipes come about at run time
	}
	plain := &tar.Header{Typeflag: header.Typeflag, Name: header.Name, Linkname: header.Linkname, Size: header.Size, Mode: header.Mode & 0o7777, Uid: header.Uid, Gid: header.Gid}
	if header.Typeflag == tar.TypeDir {
		plain.Name = strings.TrimSuffix(plain.Name, "/") + "/"
	}
	if header.Typeflag == tar.TypeLink {
		plain.Linkname = strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")
	}
	if err := o.tar.WriteHeader(plain); err != nil {
		return err
	}
	if content == nil {
		return nil
	}
	_, err := io.Copy(o.tar, content)
	return err
}

// extract writes below rootfs and never outside of it, whatever links are there.
func (o *output) extract(header *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(strings.TrimSuffix(header.Name, "/"))
	if err := o.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := o.root.MkdirAll(name, 0o755); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return o.root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return o.root.Link(filepath.FromSlash(strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")), name)
	case tar.TypeReg:
		file, err := o.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fs.FileMode(header.Mode&0o777)|0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return nil
}

// addConfig puts configuration into the image that is too large, or no text,
// for a ConfigMap.
func (o *output) addConfig(names []string, contents map[string][]byte) error {
	for _, name := range names {
		content := contents[name]
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), Mode: 0o644, Size: int64(len(content))}
		if err := o.put(header, bytes.NewReader(content)); err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
	}
	return nil
}

// finish adds what is made anew: the accounts of the system without people's,
// the package database of what is packed, and folders that the application
// writes to. It gives the archive's path.
func (o *output) finish(s *survey, picked *choice, p *plan) (string, error) {
	defer o.root.Close()
	if o.tar == nil {
		return "", nil
	}
	for _, dir := range sortedLinks(s.links) {
		if err := o.pack(&tar.Header{Typeflag: tar.TypeSymlink, Name: dir[0][1:], Linkname: dir[1][1:], Mode: 0o777}, nil); err != nil {
			return "", err
		}
	}
	for _, f := range []struct{ name, content string }{
		{"etc/passwd", systemAccounts(s.users, 2)},
		{"etc/group", systemAccounts(s.groups, 2)},
		{"var/lib/dpkg/status", status(picked.packages)},
	} {
		if err := o.pack(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.content))}, strings.NewReader(f.content)); err != nil {
			return "", err
		}
	}
	uid, gid := numbers(p.User)
	for _, v := range p.Volumes {
		if err := o.pack(&tar.Header{Typeflag: tar.TypeDir, Name: v.Path[1:], Mode: 0o775, Uid: uid, Gid: gid}, nil); err != nil {
			return "", err
		}
	}
	name := o.archive.Name()
	if err := errors.Join(o.tar.Close(), o.archive.Close()); err != nil {
		_ = os.Remove(name)
		return "", fmt.Errorf("writing the image's files: %w", err)
	}
	return name, nil
}

// discard removes what was begun.
func (o *output) discard() {
	_ = o.root.Close()
	if o.archive != nil {
		_ = o.archive.Close()
		_ = os.Remove(o.archive.Name())
	}
}

// systemAccounts keeps the lines of passwd or group whose number is a system's.
func systemAccounts(all []string, field int) string {
	var kept strings.Builder
	for _, line := range all {
		fields := strings.Split(line, ":")
		if len(fields) <= field {
			continue
		}
		if n, err := strconv.Atoi(fields[field]); err == nil && (n < 1000 || n == 65534) {
			fields[1] = "x"
			if len(fields) == 4 { // a group: its members may be people
				fields[3] = ""
			}
			kept.WriteString(strings.Join(fields, ":") + "\n")
		}
	}
	return kept.String()
}

// status is dpkg's database of the packages.
func status(packages []*dpkgPackage) string {
	var text strings.Builder
	for _, p := range packages {
		text.WriteString(p.stanza + "\n\n")
	}
	return text.String()
}

func sortedLinks(links map[string]string) [][2]string {
	var list [][2]string
	for _, from := range []string{"/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"} {
		if to, ok := links[from]; ok {
			list = append(list, [2]string{from, to})
		}
	}
	return list
}

func numbers(user string) (uid, gid int) {
	u, g, _ := strings.Cut(user, ":")
	uid, _ = strconv.Atoi(u)
	gid, _ = strconv.Atoi(g)
	return uid, gid
}
