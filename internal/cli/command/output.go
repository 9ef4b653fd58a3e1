package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"
)

// Output is a format of -o.
type Output string

// Formats of -o; the zero value is the table.
const (
	Table Output = "table"
	JSON  Output = "json"
	YAML  Output = "yaml"
)

// String, Set and Type make Output a flag that refuses unknown formats.
func (o *Output) String() string {
	if *o == "" {
		return string(Table)
	}
	return string(*o)
}

// Set is part of pflag.Value.
func (o *Output) Set(value string) error {
	switch Output(value) {
	case Table, JSON, YAML:
		*o = Output(value)
		return nil
	}
	return fmt.Errorf("want table, json or yaml, not %q", value)
}

// Type is part of pflag.Value.
func (o *Output) Type() string { return "format" }

// Machine says that a program reads the output.
func (o Output) Machine() bool { return o == JSON || o == YAML }

// Print writes value to the output in the format asked for; people writes the
// form for people.
func (c *Context) Print(value any, people func(w io.Writer) error) error {
	switch c.Output {
	case JSON:
		encoder := json.NewEncoder(c.Out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	case YAML:
		text, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = c.Out.Write(text)
		return err
	}
	return people(c.Out)
}

// Rows writes a table with a header line; columns are as wide as needed.
func Rows(w io.Writer, header []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for i, h := range header {
		header[i] = strings.ToUpper(h)
	}
	for _, row := range append([][]string{header}, rows...) {
		line := strings.Join(row, "\t")
		if _, err := fmt.Fprintln(table, strings.TrimRight(line, "\t ")); err != nil {
			return err
		}
	}
	return table.Flush()
}

// Age is the time since t in the ecosystem's short form, "-" where t is zero.
func (c *Context) Age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return duration.HumanDuration(c.Clock().Sub(t))
}

// OrDash is s, or "-" for nothing.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
