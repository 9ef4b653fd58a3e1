package datacopy

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// Plan is what Copy would do, as data: it can be printed, kept and compared.
type Plan struct {
	// ID identifies the plan, at random.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// From and To are the addresses without their secrets.
	From string `json:"from"`
	To   string `json:"to"`
	Mode Mode   `json:"mode"`
	// Replace is the request's: what is in the target may be lost.
	Replace bool `json:"replace,omitempty"`
	// Delete, Include, Exclude and Options are the request's too: a copy that
	// goes on does so as it was asked for.
	Delete  bool              `json:"delete,omitempty"`
	Include []string          `json:"include,omitempty"`
	Exclude []string          `json:"exclude,omitempty"`
	Options map[string]string `json:"options,omitempty"`
	// MaskDigest is that of the mask, "" without one.
	MaskDigest string    `json:"maskDigest,omitempty"`
	Made       time.Time `json:"made"`
	// Units are in the order in which they are shown.
	Units []Unit `json:"units"`
	// Overwrites says what of the target would be lost, one thing a line. Copy
	// refuses it without Replace (or Incremental).
	Overwrites []string `json:"overwrites,omitempty"`
	// Blockers say why Copy cannot be done at all.
	Blockers []string `json:"blockers,omitempty"`
	// Warnings are worth reading before going on.
	Warnings []string `json:"warnings,omitempty"`
	// NotKept says what of the source the target will not have: "tags of 3
	// objects: no permission to read them".
	NotKept []string `json:"notKept,omitempty"`
	// Estimate is how long copying will take, 0 when not known.
	Estimate time.Duration `json:"estimateNanoseconds,omitempty"`
	// Detail is the engine's own: what Copy needs, without secrets.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Unit is a part of a store that is shown and verified as one: a table, a
// database of Redis, a bucket.
type Unit struct {
	Name string `json:"name"`
	// Noun is what it counts: "rows", "keys", "objects".
	Noun string `json:"noun"`
	// Count and Bytes may be estimates of the server.
	Count    int64 `json:"count"`
	Bytes    int64 `json:"bytes"`
	Estimate bool  `json:"estimate,omitempty"`
	// Chunks is about how many parts will be copied; 0 when not known.
	Chunks int `json:"chunks,omitempty"`
	// How says in which way it is read, and why, where there are several.
	How string `json:"how,omitempty"`
	// Masked are the columns, key patterns or paths that the mask changes.
	Masked []string `json:"masked,omitempty"`
	// Fingerprint changes when the unit's definition does (schema).
	Fingerprint string   `json:"fingerprint,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
}

// Counted words a number of what is counted, whose nouns are plurals in "s":
// "1 row", "12,345 rows".
func Counted(n int64, noun string) string {
	return humanize.Comma(n) + " " + english.PluralWord(int(n), strings.TrimSuffix(noun, "s"), noun)
}

// NewPlan makes the plan for a request, with no units yet.
func NewPlan(req Request) *Plan {
	return &Plan{
		ID: rand.Text(), Kind: req.From.Kind(), From: req.From.String(), To: req.To.String(),
		Mode: cmp.Or(req.Mode, Full), Replace: req.Replace, Delete: req.Delete, Include: req.Include, Exclude: req.Exclude, Options: req.Options,
		MaskDigest: req.MaskDigest(), Made: time.Now().UTC(),
	}
}

// asked says whether the request is for what the plan was made for. How fast,
// and by how many workers, may change on the way.
func (p *Plan) asked(req Request) bool {
	return p.Mode == cmp.Or(req.Mode, Full) && p.Delete == req.Delete &&
		slices.Equal(p.Include, req.Include) && slices.Equal(p.Exclude, req.Exclude) && maps.Equal(p.Options, req.Options)
}

// Totals adds up all units.
func (p *Plan) Totals() (count, bytes int64) {
	for _, unit := range p.Units {
		count += unit.Count
		bytes += unit.Bytes
	}
	return count, bytes
}

// Unit gives the unit of that name, or nil.
func (p *Plan) Unit(name string) *Unit {
	for i := range p.Units {
		if p.Units[i].Name == name {
			return &p.Units[i]
		}
	}
	return nil
}
