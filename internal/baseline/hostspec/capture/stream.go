package capture

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"strconv"
	"strings"
)

// Limits of a stream in bytes: what is read in total (unpacked), of the files
// together, and of noise before it starts, such as a login message.
const (
	maxStream = 256 << 20
	maxFiles  = 64 << 20
	maxNoise  = 64 << 10
)

// reading is what a stream said so far.
type reading struct {
	host     string
	user     string
	uid      int
	files    map[string]file
	closed   []string
	outcomes map[string]Output
	// limits of the sections that were asked for, in bytes, by their name.
	limits map[string]int
	// last is the part begun last, for errors.
	last string
}

// readStream reads what the collector wrote. It fails when the stream is not
// from the collector, or ends before the collector came to its end.
func readStream(r io.Reader, nonce string, sources []Source) (*reading, error) {
	body, err := afterNoise(bufio.NewReaderSize(r, maxNoise), nonce)
	if err != nil {
		return nil, err
	}
	result := &reading{
		files: map[string]file{}, outcomes: map[string]Output{}, limits: limits(sources),
		last: "its first part",
	}
	limited := &io.LimitedReader{R: body, N: maxStream}
	done, err := result.parts(bufio.NewReaderSize(limited, 64<<10), []byte(nonce+" "))
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("it sent more than %d MiB", maxStream>>20)
	case err != nil:
		return nil, fmt.Errorf("reading the collector's output after %s: %w", result.last, err)
	case !done:
		return nil, fmt.Errorf("the collector's output broke off in %s", result.last)
	}
	return result, nil
}

func limits(sources []Source) map[string]int {
	limits := map[string]int{}
	for _, source := range sources {
		for _, command := range source.Commands {
			limits[source.Name+"/"+command.ID] = orDefault(command.Bytes, DefaultBytes)
		}
	}
	return limits
}

// afterNoise skips what login scripts print and gives the unpacked stream.
func afterNoise(r *bufio.Reader, nonce string) (io.Reader, error) {
	var first string
	for seen := 0; seen < maxNoise; {
		line, err := r.ReadString('\n')
		seen += len(line)
		switch strings.TrimSpace(line) {
		case nonce + " gzip":
			return gzip.NewReader(r)
		case nonce + " plain":
			return r, nil
		}
		if first == "" {
			first = strings.TrimSpace(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if first == "" {
		return nil, errors.New("it sent nothing: is there a POSIX shell (sh)?")
	}
	return nil, fmt.Errorf("it did not run the collector but said %q", result.Clean(clip(first, 200)))
}

// parts reads all parts up to the one named done.
func (r *reading) parts(in *bufio.Reader, mark []byte) (done bool, err error) {
	head, content := "", []byte(nil)
	for {
		line, readErr := in.ReadSlice('\n')
		if len(content)+len(line) <= r.limit(head)+1 {
			content = append(content, line...)
		}
		if readErr == nil {
			next, _ := in.Peek(len(mark))
			if !bytes.Equal(next, mark) {
				continue
			}
			if err := r.part(head, bytes.TrimSuffix(content, []byte("\n"))); err != nil {
				return false, err
			}
			head, err = in.ReadString(0)
			if err != nil || len(head) > maxNoise {
				return false, errors.New("a part without a name")
			}
			head, content = strings.TrimSuffix(head[len(mark):], "\x00"), nil
			r.last = result.Clean(clip(strings.TrimPrefix(head, "begin "), 200))
			if head == "done" {
				return true, nil
			}
			continue
		}
		if errors.Is(readErr, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			return false, nil
		}
		return false, readErr
	}
}

// limit bounds the content of a part.
func (r *reading) limit(head string) int {
	word, rest, _ := strings.Cut(head, " ")
	switch word {
	case "begin":
		return r.limits[rest]
	case "tar":
		return maxFiles
	case "file":
		return MaxFile
	}
	return maxNoise
}

// part takes in one part of the stream.
func (r *reading) part(head string, content []byte) error {
	word, rest, _ := strings.Cut(head, " ")
	switch word {
	case "user":
		uid, name, _ := strings.Cut(rest, " ")
		number, err := strconv.Atoi(uid)
		if err != nil {
			return fmt.Errorf("user id %q is no number", result.Clean(clip(uid, 40)))
		}
		r.uid, r.user = number, result.Clean(name)
	case "host":
		r.host = result.Clean(rest)
	case "closed":
		r.closed = append(r.closed, rest)
	case "denied":
		r.files[rest] = file{err: &deniedError{path: rest, user: r.user}}
	case "large":
		r.files[rest] = file{err: fmt.Errorf("larger than %d MiB", MaxFile>>20)}
	case "file":
		r.files[rest] = file{content: content}
	case "tar":
		return r.archive(content)
	case "begin":
		r.outcomes[rest] = Output{Stdout: content, Exit: -1, err: errors.New("the collector did not come to its end")}
	case "notes":
		return r.notes(rest, string(content))
	case "exit":
		return r.exit(rest)
	}
	return nil
}

// notes are what a section said on stderr.
func (r *reading) notes(id, content string) error {
	out, begun := r.outcomes[id]
	if !begun {
		return fmt.Errorf("notes of section %q without a beginning", result.Clean(clip(id, 100)))
	}
	out.Stderr = strings.TrimSuffix(content, "\n")
	r.outcomes[id] = out
	return nil
}

// exit ends a section with its exit code.
func (r *reading) exit(rest string) error {
	code, id, _ := strings.Cut(rest, " ")
	out, begun := r.outcomes[id]
	if begun && code == "" {
		out.err = errors.New("it could not be started")
		r.outcomes[id] = out
		return nil
	}
	exit, err := strconv.Atoi(code)
	if !begun || err != nil {
		return fmt.Errorf("exit code %q of no section", result.Clean(clip(rest, 100)))
	}
	out.Exit, out.err = exit, nil
	switch {
	case len(out.Stdout) >= r.limits[id]:
		out.err = fmt.Errorf("more than %d KiB of output", r.limits[id]>>10)
	case exit == NotThere:
		out.err = ErrNotInstalled
	case exit == killed:
		out.err = errors.New("it took too long")
	}
	r.outcomes[id] = out
	return nil
}

// killed is the exit code of what timeout -s KILL ended.
const killed = 137

// archive reads the files that came as tar, one archive or several in a row.
func (r *reading) archive(content []byte) error {
	in := bytes.NewReader(content)
	for skipZeros(in) {
		archive := tar.NewReader(in)
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("reading files: %w", err)
			}
			name := "/" + strings.TrimPrefix(header.Name, "/")
			if header.Typeflag == tar.TypeLink {
				// The same file by another path: tar follows symbolic links, and
				// sends the content with the first of them only.
				if f, sent := r.files["/"+strings.TrimPrefix(header.Linkname, "/")]; sent {
					r.files[name] = f
				}
				continue
			}
			if header.Typeflag != tar.TypeReg {
				continue
			}
			data, err := io.ReadAll(io.LimitReader(archive, MaxFile+1))
			if err != nil {
				return fmt.Errorf("reading files: %w", err)
			}
			r.files[name] = file{content: data}
		}
	}
	return nil
}

// skipZeros goes to the next archive; false at the end.
func skipZeros(in *bytes.Reader) bool {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return false
		}
		if b != 0 {
			return in.UnreadByte() == nil
		}
	}
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
