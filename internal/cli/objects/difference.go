package objects

import (
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Difference is one object that would change.
type Difference struct {
	Applied
	// Diff is a unified diff of the YAML.
	Diff string `json:"diff"`
}

// Difference shows how the object changes; the words say where it is as before
// and where as after.
func (a Applied) Difference(before, after string) Difference {
	name := ": " + strings.ToLower(a.Kind) + " " + a.Name
	return Difference{Applied: a, Diff: udiff.Unified(before+name, after+name, Text(a.Before), Text(a.After))}
}

// Show writes the differences for people.
func Show(w io.Writer, differences []Difference, color bool) error {
	for _, d := range differences {
		for line := range strings.Lines(d.Diff) {
			if color {
				line = paint(line)
			}
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
		}
	}
	if len(differences) == 0 {
		_, err := fmt.Fprintln(w, "nothing differs")
		return err
	}
	return nil
}

func paint(line string) string {
	colors := map[byte]string{'+': "32", '-': "31", '@': "36"}
	code, ok := colors[line[0]]
	if !ok {
		return line
	}
	return "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}
