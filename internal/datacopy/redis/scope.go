package redis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// scope is which keys of a database are meant, and what they are called on
// the other side.
type scope struct {
	from, to string
	names    *datacopy.Names
	// all says that neither prefix nor glob leaves anything out.
	all bool
	// mask changes names; nil where none does.
	mask datacopy.NameMask
}

func newScope(req datacopy.Request) (*scope, error) {
	names, err := req.Names()
	if err != nil {
		return nil, err
	}
	s := &scope{
		from: req.From.Prefix(), to: req.To.Prefix(), names: names,
		all: len(req.Include)+len(req.Exclude) == 0,
	}
	if mask, able := req.Mask.(datacopy.NameMask); able && mask.Renames() {
		s.mask = mask
	}
	return s, nil
}

// side is a scope as one of the servers sees it.
type side struct {
	*scope
	prefix string
}

func (s *scope) source() side { return side{s, s.from} }
func (s *scope) target() side { return side{s, s.to} }

// match is the pattern for SCAN, "" for everything.
func (s side) match() string {
	if s.prefix == "" {
		return ""
	}
	return globEscaper.Replace(s.prefix) + "*"
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// whole says that every key of the database is meant.
func (s side) whole() bool { return s.all && s.prefix == "" }

// has says whether a key is meant.
func (s side) has(key []byte) bool {
	if len(key) < len(s.prefix) || string(key[:len(s.prefix)]) != s.prefix {
		return false
	}
	name := key[len(s.prefix):]
	if string(name) == markKey || (s.prefix == "" && string(name) == ownersKey) {
		return false
	}
	return s.all || s.names.Has(string(name))
}

// name gives a source's key without its prefix.
func (s *scope) name(key []byte) []byte { return key[len(s.from):] }

// toTarget appends what a source's key is called in the target.
func (s *scope) toTarget(buf, key []byte) []byte {
	buf = append(buf, s.to...)
	if s.mask != nil {
		name, _ := s.mask.Name("", string(s.name(key)))
		return append(buf, name...)
	}
	return append(buf, s.name(key)...)
}

// toSource is the other way round, for keys whose names are not masked.
func (s *scope) toSource(buf, key []byte) []byte {
	return append(append(buf, s.from...), key[len(s.to):]...)
}

// allToTarget is toTarget of each key.
func (s *scope) allToTarget(keys [][]byte) [][]byte {
	theirs := make([][]byte, len(keys))
	for i, key := range keys {
		theirs[i] = s.toTarget(nil, key)
	}
	return theirs
}

// known gives what those keys of the target are called in the source of which
// that can be told.
func (s *scope) known(keys [][]byte) (own [][]byte) {
	for _, key := range keys {
		if !s.renames(key[len(s.to):]) {
			own = append(own, s.toSource(nil, key))
		}
	}
	return own
}

// renames says whether a rule is about the name of a key, without prefix.
func (s *scope) renames(name []byte) bool {
	if s.mask == nil {
		return false
	}
	_, renamed := s.mask.Name("", string(name))
	return renamed
}

// pair is a database of the source and the one it goes to.
type pair struct{ from, to int }

func (p pair) unit() string { return "db" + strconv.Itoa(p.from) }

// pairs finds the databases to copy: the named one, or all that hold keys.
// There is always one, so that an empty server is shown as one.
func pairs(req datacopy.Request, source *server) ([]pair, error) {
	from, err := database(req.From)
	if err != nil {
		return nil, err
	}
	to, err := database(req.To)
	if err != nil {
		return nil, err
	}
	if from >= 0 {
		if to < 0 {
			to = from
		}
		return []pair{{from, to}}, nil
	}
	var found []pair
	for _, number := range slices.Sorted(maps.Keys(source.databases)) {
		found = append(found, pair{number, number})
	}
	switch {
	case len(found) == 0:
		found = []pair{{0, max(to, 0)}}
	case to >= 0 && len(found) == 1:
		found[0].to = to
	case to >= 0:
		return nil, fault.New(fault.Invalid, "Name the database of the source, or none of the target.",
			"planning the copy of %s: it has %d databases, and the target names one", req.From, len(found))
	}
	return found, nil
}

// database reads the number in an address, -1 when there is none.
func database(address datacopy.Address) (int, error) {
	if address.Name() == "" {
		return -1, nil
	}
	number, err := strconv.Atoi(address.Name())
	if err != nil || number < 0 {
		return 0, fault.New(fault.Invalid, "Write redis://HOST:PORT/NUMBER.", "reading the address %s: its database is no number", address)
	}
	return number, nil
}

// parsePair finds a pair in the plan again.
func parsePair(unit datacopy.Unit) (pair, error) {
	var p pair
	if _, err := fmt.Sscanf(unit.Fingerprint, "%d>%d", &p.from, &p.to); err != nil {
		return p, fault.New(fault.Invalid, "Plan anew.", "reading the plan: part %q is not of Redis", unit.Name)
	}
	return p, nil
}
