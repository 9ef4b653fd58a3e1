package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// TestCoreSources runs sources on what hosts said. testdata/core/NAME.txtar has
// the name of the source in its comment, files under their paths, outputs of
// commands as "$ ID" with ␀ for NUL, and files that were refused as
// "denied PATH"; NAME.yaml is the document that comes of it.
func TestCoreSources(t *testing.T) {
	archives, err := filepath.Glob("testdata/core/*.txtar")
	if err != nil || len(archives) < 10 {
		t.Fatalf("%d cases, %v", len(archives), err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".txtar"), func(t *testing.T) {
			source, in := readCase(t, archive)
			got := document(t, parsed(t, source, in))
			file := strings.TrimSuffix(strings.TrimPrefix(archive, "testdata/"), "txtar") + "yaml"
			golden.Assert(t, got, file)
			if _, err := hostspec.Decode([]byte(got), file); err != nil {
				t.Error(err)
			}
		})
	}
}

func readCase(t *testing.T, name string) (Source, *Input) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	first, options, _ := strings.Cut(strings.TrimSpace(string(archive.Comment)), "\n")
	source := sourceNamed(t, first)
	in := &Input{Host: "web1", User: "root", files: map[string]file{}, outcomes: map[string]Output{}}
	if strings.Contains(options, "user deploy") {
		in.User, in.UID = "deploy", 1001
	}
	in.Full = strings.Contains(options, "full")
	for _, f := range archive.Files {
		word, rest, _ := strings.Cut(f.Name, " ")
		content := []byte(strings.ReplaceAll(string(f.Data), "␀\n", "\x00"))
		content = []byte(strings.ReplaceAll(string(content), "␀", "\x00"))
		switch word {
		case "$":
			in.outcomes[source.Name+"/"+rest] = Output{Stdout: content}
		case "denied":
			in.files[rest] = file{err: in.denied(rest)}
		case "closed":
			in.closed = append(in.closed, rest)
		case "asked":
			in.Paths = append(in.Paths, rest)
		default:
			in.files[f.Name] = file{content: content}
		}
	}
	for _, command := range source.Commands {
		id := source.Name + "/" + command.ID
		if _, said := in.outcomes[id]; !said {
			in.outcomes[id] = Output{Exit: NotThere, err: ErrNotInstalled}
		}
	}
	return source, in
}
