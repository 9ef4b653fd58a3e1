package check

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedChecksAreRead parses the YAML examples of the documentation.
func TestDocumentedChecksAreRead(t *testing.T) {
	for _, path := range []string{"../../../docs/spec/v1alpha1/checks.md", "../../../docs/guides/http-checks.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```yaml\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s has no example", path)
		}
		for _, block := range blocks {
			example, _, _ := strings.Cut(block, "```")
			if !strings.HasPrefix(example, "version:") {
				example = "version: " + Version + "\n" + example
			}
			if _, err := Parse(strings.NewReader(example)); err != nil {
				t.Errorf("%s: %v in\n%s", path, err, example)
			}
		}
	}
}
