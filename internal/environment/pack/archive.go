package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

const (
	// maxUnpacked bounds what an archive may unfold to.
	maxUnpacked = 64 << 20
	maxEntries  = 10_000
)

// write packs files into a .tgz whose bytes depend on names and contents only.
func write(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	for _, name := range sortedNames(files) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Unpack reads the files of a .tgz, in memory. Names that leave the archive,
// links and anything else that is not a plain file are refused, as is an
// archive that unfolds to more than 64 MiB.
func Unpack(archive []byte) (map[string][]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("unpacking the archive: %w", err)
	}
	defer zip.Close()
	// One byte more than allowed tells a file that is too long from one that
	// just fits.
	limited := &io.LimitedReader{R: zip, N: maxUnpacked + 1}
	reader := tar.NewReader(limited)
	files := map[string][]byte{}
	for {
		header, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case limited.N <= 0:
			return nil, fmt.Errorf("the archive unfolds to more than %d MiB", maxUnpacked>>20)
		case err != nil:
			return nil, fmt.Errorf("unpacking the archive: %w", err)
		case len(files) >= maxEntries:
			return nil, fmt.Errorf("the archive holds more than %d files", maxEntries)
		}
		name, isFile, err := entryName(header)
		if err != nil {
			return nil, err
		}
		if !isFile {
			continue
		}
		content, err := io.ReadAll(reader)
		if limited.N <= 0 {
			return nil, fmt.Errorf("the archive unfolds to more than %d MiB", maxUnpacked>>20)
		}
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", name, err)
		}
		files[name] = content
	}
}

// entryName is the clean, relative name of an archive's entry, and whether it is
// a file; folders are not needed.
func entryName(header *tar.Header) (string, bool, error) {
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return "", false, nil
	default:
		return "", false, fmt.Errorf("the archive holds %q, which is neither a file nor a folder", header.Name)
	}
	name := path.Clean(header.Name)
	if path.IsAbs(name) || name == "." || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\\\x00") {
		return "", false, fmt.Errorf("the archive holds %q, which leaves its folder", header.Name)
	}
	return name, true, nil
}
