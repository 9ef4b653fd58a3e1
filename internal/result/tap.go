package result

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tapWriter writes TAP version 14. What is unknown is not ok: its diagnostics
// say that it is unknown and why.
type tapWriter struct {
	w io.Writer
	n int
}

type tapDiagnostics struct {
	Answer   string `yaml:"answer"`
	Message  string `yaml:"message,omitempty"`
	Expected string `yaml:"expected,omitempty"`
	Actual   string `yaml:"actual,omitempty"`
}

// tapEscapes keeps names from being read as directives.
var tapEscapes = strings.NewReplacer(`\`, `\\`, `#`, `\#`)

// Write is part of Writer.
func (t *tapWriter) Write(r Result) error {
	var b strings.Builder
	if t.n == 0 {
		b.WriteString("TAP version 14\n")
	}
	t.n++
	if r.Answer != Holds {
		b.WriteString("not ")
	}
	fmt.Fprintf(&b, "ok %d - %s\n", t.n, tapName(&r))
	if r.Answer != Holds {
		text, err := yaml.Marshal(tapDiagnostics{
			Answer: r.Answer.String(), Message: cleanText(r.Reason),
			Expected: cleanText(r.Expected), Actual: cleanText(r.Actual),
		})
		if err != nil {
			return fmt.Errorf("writing the result %s: %w", Clean(r.Name), err)
		}
		b.WriteString("  ---\n")
		for line := range strings.Lines(string(text)) {
			b.WriteString("  " + line)
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

func tapName(r *Result) string {
	var parts []string
	for _, part := range []string{r.Target, r.Group, r.Name} {
		if part != "" {
			parts = append(parts, tapEscapes.Replace(Clean(part)))
		}
	}
	return strings.Join(parts, " › ")
}

// Close is part of Writer.
func (t *tapWriter) Close() error {
	start := ""
	if t.n == 0 {
		start = "TAP version 14\n"
	}
	_, err := fmt.Fprintf(t.w, "%s1..%d\n", start, t.n)
	return err
}
