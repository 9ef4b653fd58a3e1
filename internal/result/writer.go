package result

import (
	"fmt"
	"io"
	"time"
)

// Format is how results are written. It is a flag (pflag.Value) that refuses
// unknown formats.
type Format string

// Formats; the zero value is Table.
const (
	// Table is for people: what fails first, then what is unknown, then a count.
	Table Format = "table"
	// JSON is one document: results and counts.
	JSON Format = "json"
	// JUnit is the XML that CI systems read. Unknown is an error there, failing
	// a failure.
	JUnit Format = "junit"
	// TAP is the Test Anything Protocol, version 14
	// (https://testanything.org/tap-version-14-specification.html).
	TAP Format = "tap"
)

// Formats that there are.
var Formats = []Format{Table, JSON, JUnit, TAP}

// String is the format's name.
func (f *Format) String() string {
	if *f == "" {
		return string(Table)
	}
	return string(*f)
}

// Set is part of pflag.Value.
func (f *Format) Set(value string) error {
	for _, format := range Formats {
		if string(format) == value {
			*f = format
			return nil
		}
	}
	return fmt.Errorf("want table, json, junit or tap, not %q", value)
}

// Type is part of pflag.Value.
func (f *Format) Type() string { return "format" }

// Options are how results are written.
type Options struct {
	// Color of the table.
	Color bool
	// All lists in the table also what holds.
	All bool
	// Name is the name of the whole in JUnit; "landfall" by default.
	Name string
	// Took is how long the whole took, for the last line of the table. It is
	// asked for by Close and may be nil.
	Took func() time.Duration
}

// Writer writes results as they come, in bounded memory but for what a form
// has to hold back: the table holds what it sorts (what holds only with
// Options.All), JUnit one suite. A Writer is not safe for concurrent use.
type Writer interface {
	// Write takes one result. Results of one target and group should follow
	// each other.
	Write(Result) error
	// Close writes what is left, and the counts.
	Close() error
}

// NewWriter makes a writer of the format to w.
func NewWriter(w io.Writer, format Format, opts Options) Writer {
	switch format {
	case JSON:
		return &jsonWriter{w: w}
	case JUnit:
		return &junitWriter{w: w, name: opts.Name}
	case TAP:
		return &tapWriter{w: w}
	}
	return &tableWriter{w: w, opts: opts}
}

// Write writes the whole report.
func (r Report) Write(w io.Writer, format Format, opts Options) error {
	writer := NewWriter(w, format, opts)
	for i := range r.Results {
		if err := writer.Write(r.Results[i]); err != nil {
			return err
		}
	}
	return writer.Close()
}
