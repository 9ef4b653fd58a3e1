// Package evidence is what an operation leaves behind: what was checked,
// measured and decided, as JSON, as one self-contained HTML page, and as
// Markdown for runbooks. It knows how evidence looks, not what it is about:
// migrations and data copies say what they did in its words.
//
// Start at Document.
package evidence

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// Version of the document's format.
const Version = "landfall.dev/evidence/v1"

// Document is the record of one operation. Texts may hold what foreign servers
// sent: every form escapes them.
type Document struct {
	Version string `json:"version"`
	// Kind of operation: migration, rehearsal, copy.
	Kind string `json:"kind"`
	// Name of the operation, and a Title that people read.
	Name  string `json:"name"`
	Title string `json:"title"`
	// Answer of the whole, and Outcome in a sentence.
	Answer  result.Answer `json:"answer"`
	Outcome string        `json:"outcome"`
	Started time.Time     `json:"started,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"`
	// Figures that matter most, in order.
	Figures  []Figure  `json:"figures,omitempty"`
	Sections []Section `json:"sections,omitempty"`
}

// Figure is one number with what it means.
type Figure struct {
	Name string `json:"name"`
	// Value as people read it, with its unit.
	Value string `json:"value"`
	// Note says how it was measured, or what it is compared with.
	Note string `json:"note,omitempty"`
	// Answer colours it; nil if it is neither good nor bad.
	Answer *result.Answer `json:"answer,omitempty"`
}

// Judged is an answer for a figure or a row.
func Judged(a result.Answer) *result.Answer { return &a }

// Section is one part: any of text, chart, table and code.
type Section struct {
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	Chart *Chart `json:"chart,omitempty"`
	Table *Table `json:"table,omitempty"`
	// Code is for copying: commands, a definition.
	Code string `json:"code,omitempty"`
}

// Table of texts.
type Table struct {
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row of a table.
type Row struct {
	Cells  []string       `json:"cells"`
	Answer *result.Answer `json:"answer,omitempty"`
}

// Chart shows values over time. Charts of one document share their time axis.
type Chart struct {
	// Unit of the values: "%", "requests/s".
	Unit string `json:"unit"`
	// Max of the axis; zero takes it from the values.
	Max    float64  `json:"max,omitempty"`
	Series []Series `json:"series"`
	Marks  []Mark   `json:"marks,omitempty"`
}

// Series of points, in order of time.
type Series struct {
	Name  string `json:"name"`
	Color Color  `json:"color,omitempty"`
	// Steps: a value stays until the next one.
	Steps  bool    `json:"steps,omitempty"`
	Points []Point `json:"points"`
}

// Color says what a series is about.
type Color string

// Colors.
const (
	OldSide Color = "old"
	NewSide Color = "new"
	Bad     Color = "bad"
	Neutral Color = "neutral"
)

// Point of a series.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Mark is something that happened.
type Mark struct {
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	Color Color     `json:"color,omitempty"`
}

// Took is how long the operation took; zero while it is under way.
func (d Document) Took() time.Duration {
	if d.Started.IsZero() || d.Ended.IsZero() {
		return 0
	}
	return d.Ended.Sub(d.Started)
}

// MarshalJSON says which version the format has.
func (d Document) MarshalJSON() ([]byte, error) {
	type plain Document
	d.Version = Version
	return json.Marshal(plain(d))
}

// WriteJSON writes the document for programs.
func (d Document) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("writing evidence of %s %s: %w", d.Kind, d.Name, err)
	}
	return nil
}
