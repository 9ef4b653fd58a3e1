package result

import (
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Clean makes foreign text safe to print on one line: see hostspec.Clean.
func Clean(s string) string { return hostspec.Clean(s) }

// CleanLines makes foreign text safe to print on lines of its own: new lines
// stay, tabs become spaces, anything else that a terminal would act on is
// escaped.
func CleanLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = Clean(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
	}
	return lines
}

func cleanText(s string) string { return strings.Join(CleanLines(s), "\n") }
