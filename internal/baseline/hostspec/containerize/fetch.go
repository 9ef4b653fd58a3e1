package containerize

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
)

// maxConfig bounds a configuration file, in bytes: what a ConfigMap holds is
// less than 1 MB in all.
const maxConfig = 256 << 10

// fetched is what came back of the files asked for.
type fetched struct {
	// config files by path.
	config map[string][]byte
	// found credentials in what would be part of the image.
	found []leak
	// got says which files came.
	got map[string]bool
}

// leak is a file that looks as if it held a credential.
type leak struct{ Path, Why string }

// sink takes the files of the image as they come, in the order asked for.
type sink interface {
	// put adds one entry; content is nil where there is none.
	put(header *tar.Header, content io.Reader) error
}

// fetch streams files from the host in one session: those in config are kept,
// those in image are looked through where no package shipped them, and passed
// on to the sinks.
func fetch(ctx context.Context, host target.Shell, picked *choice, read []string, whole bool, to sink, progress func(bytes int64)) (*fetched, error) {
	names := slices.Clone(read)
	for _, f := range picked.image {
		if whole || !picked.shipped[f.path] && !picked.derived[f.path] {
			names = append(names, f.path)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	reader, writer := io.Pipe()
	result := make(chan error, 1)
	f := &fetched{config: map[string][]byte{}, got: map[string]bool{}}
	go func() {
		err := f.read(&counter{r: reader, tell: progress}, picked, read, to)
		reader.CloseWithError(err)
		result <- err
	}()
	script, err := fetchScript(names, host.Compress())
	if err != nil {
		return nil, err
	}
	err = host.Run(ctx, strings.NewReader(script), writer)
	writer.CloseWithError(io.EOF)
	if readErr := <-result; readErr != nil {
		return nil, fmt.Errorf("reading files of %s: %w", host.Name(), readErr)
	}
	if err != nil {
		return nil, fmt.Errorf("reading files of %s: %w", host.Name(), err)
	}
	return f, nil
}

// fetchScript packs the files; the list is part of the script, since its
// standard input is the script.
func fetchScript(names []string, compress bool) (string, error) {
	mark := make([]byte, 16)
	if _, err := rand.Read(mark); err != nil {
		return "", err
	}
	end := "landfall-" + hex.EncodeToString(mark)
	pack := "tar -cf - --format=gnu --numeric-owner --no-recursion --verbatim-files-from -T /dev/fd/3 2> /dev/null"
	if compress {
		pack += " | gzip -1"
	}
	var script strings.Builder
	fmt.Fprintf(&script, "LC_ALL=C; export LC_ALL; cd / && { %s; } 3<<'%s'\n", pack, end)
	for _, name := range names {
		script.WriteString(strings.TrimPrefix(name, "/") + "\n")
	}
	script.WriteString(end + "\n")
	return script.String(), nil
}

// read goes through the archive; nothing of it is trusted.
func (f *fetched) read(stream io.Reader, picked *choice, read []string, to sink) error {
	plain, err := unpacked(stream)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, file := range picked.image {
		wanted[file.path] = true
	}
	keep := map[string]bool{}
	for _, name := range read {
		keep[name] = true
	}
	archive := tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, plain)
			return err
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + header.Name)
		if f.got[name] || !wanted[name] && !keep[name] {
			continue
		}
		f.got[name] = true
		if err := f.take(archive, header, name, keep[name], wanted[name], picked.shipped[name], to); err != nil {
			return fmt.Errorf("%s: %w", result.Clean(name), err)
		}
	}
}

func (f *fetched) take(content io.Reader, header *tar.Header, name string, keep, wanted, shipped bool, to sink) error {
	header.Name = strings.TrimPrefix(name, "/")
	if header.Typeflag != tar.TypeReg {
		if wanted {
			return to.put(header, nil)
		}
		return nil
	}
	looked := header.Size <= maxLooked && !shipped || keep && header.Size <= maxConfig
	if !looked {
		if wanted {
			return to.put(header, content)
		}
		return nil
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if keep {
		f.config[name] = data
	}
	if !wanted {
		return nil
	}
	if why := credential(name, data); why != "" && !shipped {
		f.found = append(f.found, leak{name, why})
	}
	return to.put(header, bytes.NewReader(data))
}

// unpacked reads a stream that may be compressed.
func unpacked(stream io.Reader) (io.Reader, error) {
	start := make([]byte, 2)
	n, err := io.ReadFull(stream, start)
	if err != nil {
		return nil, errors.New("the answer is empty")
	}
	whole := io.MultiReader(bytes.NewReader(start[:n]), stream)
	if start[0] == 0x1f && start[1] == 0x8b {
		return gzip.NewReader(whole)
	}
	return whole, nil
}

// counter tells how much was read.
type counter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}
