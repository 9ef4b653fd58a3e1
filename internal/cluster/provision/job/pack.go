package job

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/landfall-dev/landfall/internal/fault"
)

// largestModule is what fits into a Secret beside the request.
const largestModule = 900 << 10

// largestUnpacked bounds what a pod takes out of an archive.
const largestUnpacked = 64 << 20

// notTaken are folders that Terraform and git keep beside a module.
var notTaken = []string{".terraform", ".git"}

// pack takes a module's folder along, as it is; what is beside the folder stays.
func pack(folder string) ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(notTaken, entry.Name()):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			return fault.New(fault.Refused, "Put the file itself there, or give the module as a git URL.", "%s is no plain file", file)
		}
		return add(archive, folder, file)
	})
	if err = errors.Join(err, archive.Close(), zip.Close()); err != nil {
		hint := fault.HintOf(err)
		if errors.Is(err, fs.ErrNotExist) {
			hint = "Run it where the folder is, or give the module as a git URL."
		}
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("taking module %s along: %w", folder, err), hint)
	}
	if packed.Len() > largestModule {
		return nil, fault.New(fault.Refused, "Give the module as a git URL, or leave out --in-cluster.",
			"taking module %s along: packed it has %d KiB, and a Secret holds %d KiB", folder, packed.Len()>>10, largestModule>>10)
	}
	return packed.Bytes(), nil
}

func add(archive *tar.Writer, folder, file string) error {
	name, err := filepath.Rel(folder, file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() > largestUnpacked {
		return fmt.Errorf("%s has %d MiB", file, info.Size()>>20)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Neither times nor owners: an unchanged module is an unchanged archive.
	header := &tar.Header{Name: filepath.ToSlash(name), Mode: int64(0o600 | info.Mode()&0o111), Size: int64(len(text)), Typeflag: tar.TypeReg}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(text)
	return err
}

// unpack puts an archive into a folder that is made for it. Nothing in it can
// reach beyond the folder.
func unpack(packed io.Reader, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	zip, err := gzip.NewReader(packed)
	if err != nil {
		return fmt.Errorf("unpacking the module: %w", err)
	}
	archive := tar.NewReader(io.LimitReader(zip, largestUnpacked))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = extract(root, header, archive)
		}
		if err != nil {
			return fmt.Errorf("unpacking the module: %w", err)
		}
	}
}

func extract(root *os.Root, header *tar.Header, content io.Reader) error {
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("%s is no plain file", header.Name)
	}
	if dir := path.Dir(header.Name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	file, err := root.OpenFile(header.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(header.Mode)&0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
