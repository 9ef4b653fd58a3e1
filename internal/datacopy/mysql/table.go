package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
)

// schema is what a database is made of. It is part of a plan.
type schema struct {
	Charset   string   `json:"charset"`
	Collation string   `json:"collation"`
	Tables    []*table `json:"tables"`
	// Views, Routines, Triggers, Events and Sequences are made after the data
	// (sequences before).
	Views     []object `json:"views,omitempty"`
	Routines  []object `json:"routines,omitempty"`
	Triggers  []object `json:"triggers,omitempty"`
	Events    []object `json:"events,omitempty"`
	Sequences []object `json:"sequences,omitempty"`
	// Copy is the plan's ID that the marker holds, "" without a marker.
	Copy string `json:"-"`
}

// object is what is made by a statement of its own, in the session it was
// made in.
type object struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Create string `json:"create"`
	// SQLMode, Client, Connection and Zone are of the session; "" is ours.
	SQLMode    string `json:"sqlMode,omitempty"`
	Client     string `json:"client,omitempty"`
	Connection string `json:"connection,omitempty"`
	Zone       string `json:"zone,omitempty"`
}

// table is a base table.
type table struct {
	Name   string `json:"name"`
	Create string `json:"create"`
	// Make is Create as the target understands it.
	Make string `json:"make"`
	// Exists says that an incremental copy finds the table in the target.
	Exists  bool      `json:"exists,omitempty"`
	Engine  string    `json:"engine"`
	Columns []*column `json:"columns"`
	// Key are the columns that order the chunks, none for a table that is one
	// chunk.
	Key []string `json:"key,omitempty"`
	// Index is the index that Key is of; Unique says that Key is all of it, so
	// that it identifies a row.
	Index  string `json:"index,omitempty"`
	Unique bool   `json:"unique,omitempty"`
	// Where keeps only some rows, "" keeps all.
	Where string `json:"where,omitempty"`
	// Whole says that ranges of Key do not mean the same rows on both sides:
	// the key is masked, or ordered otherwise there.
	Whole bool `json:"whole,omitempty"`

	Rows       int64 `json:"rows"`
	DataBytes  int64 `json:"dataBytes"`
	IndexBytes int64 `json:"indexBytes"`
	// Increment is the next AUTO_INCREMENT, 0 without.
	Increment uint64   `json:"increment,omitempty"`
	Foreign   []parent `json:"foreign,omitempty"`
}

// parent is what a foreign key refers to.
type parent struct {
	Columns    []string `json:"columns"`
	Table      string   `json:"table"`
	Referenced []string `json:"referenced"`
}

// column is a column of a table, and how its values travel.
type column struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Data      string `json:"data"`
	Nullable  bool   `json:"nullable,omitempty"`
	Charset   string `json:"charset,omitempty"`
	Collation string `json:"collation,omitempty"`
	Generated bool   `json:"generated,omitempty"`
	// Expr reads the column as text that loses nothing; on both servers it
	// gives the same for the same value.
	Expr string `json:"expr"`
	// Real says that Expr gives a point, whose X is the value.
	Real bool `json:"real,omitempty"`
	// Load makes the value from @v, "" loads it as it is.
	Load   string `json:"load,omitempty"`
	Masked bool   `json:"masked,omitempty"`
	// Unique says that the column alone has a unique key.
	Unique bool `json:"unique,omitempty"`
	// Large values, and points, enter the digest by their own CRC32.
	Large bool `json:"large,omitempty"`
}

// stored are the columns that are copied: the server computes the others.
func (t *table) stored() []*column {
	return slices.DeleteFunc(slices.Clone(t.Columns), func(c *column) bool { return c.Generated })
}

// from names the table in a query by ranges of its key, which must go by the
// key's index even when a range is most of the table.
func (t *table) from() string {
	if t.Index == "" {
		return name(t.Name)
	}
	return name(t.Name) + " FORCE INDEX (" + name(t.Index) + ")"
}

// keyOfTexts says that the order of the key is, in part, that of a collation.
func (t *table) keyOfTexts() bool {
	return slices.ContainsFunc(t.Key, func(key string) bool {
		data := t.column(key).Data
		return !slices.Contains(integers, data) && !slices.Contains(temporals, data)
	})
}

func (t *table) column(name string) *column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

var increment = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// fingerprint changes when the definition does, and not with the next number.
func (t *table) fingerprint() string {
	sum := sha256.Sum256([]byte(increment.ReplaceAllString(t.Create, "")))
	return hex.EncodeToString(sum[:8])
}
