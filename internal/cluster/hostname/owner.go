package hostname

import (
	"net/netip"
	"slices"
	"strings"
)

// heritage begins ownership records of external-dns, and ours.
const heritage = "heritage=external-dns"

// migrationHeritage begins the ownership records of Migrations, which are at
// _landfall.NAME: see internal/traffic/route53.
const migrationHeritage = "heritage=landfall"

// ownerTTL of ownership records, in seconds, as external-dns has it.
const ownerTTL = 300

// owner is what an ownership record says.
type owner struct{ id, resource string }

func (o owner) text() string {
	return `"` + heritage + ",external-dns/owner=" + o.id + ",external-dns/resource=" + o.resource + `"`
}

// parseOwner reads an ownership record. Other texts are none.
func parseOwner(r Record) (owner, bool) {
	if r.Type != TXT || len(r.Values) != 1 {
		return owner{}, false
	}
	text := strings.Trim(r.Values[0], `"`)
	if !strings.HasPrefix(text, heritage+",") {
		return owner{}, false
	}
	var o owner
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "external-dns/owner":
			o.id = value
		case "external-dns/resource":
			o.resource = value
		}
	}
	return o, o.id != ""
}

// ownerName is where our ownership record of a set is. external-dns takes an A
// alias for a CNAME there.
func ownerName(r Record) string {
	kind := r.Type
	if kind == A && r.Alias != nil {
		kind = CNAME
	}
	return Affixes{}.at(r.Name, kind)
}

// Affixes are what an external-dns puts around the names of its ownership
// records: the values of its flags --txt-prefix, --txt-suffix and
// --txt-wildcard-replacement.
type Affixes struct{ Prefix, Suffix, Wildcard string }

// recordType stands for the type of record in affixes.
const recordType = "%{record_type}"

// at is where an external-dns has the ownership record of a name's records of a
// kind; of kind "" where versions before 0.18 have one for all of them
// (toTXTName in registry/txt.go of external-dns).
func (a Affixes) at(name, kind string) string {
	kind = strings.ToLower(kind)
	label, rest, more := strings.Cut(name, ".")
	if label == "*" && a.Wildcard != "" {
		label = a.Wildcard
	}
	if kind != "" && !strings.Contains(a.Prefix+a.Suffix, recordType) {
		label = kind + "-" + label
	}
	whole := strings.ReplaceAll(a.Prefix, recordType, kind) + label + strings.ReplaceAll(a.Suffix, recordType, kind)
	if more {
		whole += "." + rest
	}
	return strings.ToLower(whole)
}

// about says that the ownership record at a place covers a set: one of its type,
// one of CNAME for an A alias (or what was one), or one for all types.
func (a Affixes) about(place string, r Record) bool {
	kinds := []string{"", r.Type}
	if r.Type == A {
		kinds = append(kinds, CNAME)
	}
	return slices.Contains(a.places(r.Name, kinds), place)
}

// places are where ownership records of a name may be, ours among them.
func (a Affixes) places(name string, kinds []string) []string {
	var all []string
	for _, by := range []Affixes{{}, a} {
		for _, kind := range kinds {
			if place := by.at(name, kind); !slices.Contains(all, place) {
				all = append(all, place)
			}
		}
	}
	return all
}

// owned are the names that an ownership record of ours may be about.
func owned(place string) []string {
	var names []string
	for _, kind := range addresses {
		if rest, ok := strings.CutPrefix(place, strings.ToLower(kind)+"-"); ok {
			names = append(names, rest)
		}
	}
	return names
}

// migrationName is where a Migration writes that it has the name.
func migrationName(name string) string {
	return "_landfall." + strings.Replace(name, "*.", "_wildcard.", 1)
}

func (o owner) record(of Record) Record {
	return Record{Name: ownerName(of), Type: TXT, TTL: ownerTTL, Values: []string{o.text()}}
}

func typeOf(value string) string {
	addr, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		return CNAME
	case addr.Is4():
		return A
	}
	return AAAA
}

// addresses are the types of record that lead somewhere.
var addresses = []string{A, AAAA, CNAME}

func leads(r Record) bool { return slices.Contains(addresses, r.Type) }
