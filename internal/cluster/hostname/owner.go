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

// ownerName is where the ownership record of a set is. external-dns takes an A
// alias for a CNAME there.
func ownerName(r Record) string {
	kind := r.Type
	if kind == A && r.Alias != nil {
		kind = CNAME
	}
	return strings.ToLower(kind) + "-" + r.Name
}

// about says that the ownership record at a name covers a set: one of its type,
// one of CNAME for an A alias (or what was one), or one at the name itself.
func about(at string, r Record) bool {
	return at == r.Name || at == strings.ToLower(r.Type)+"-"+r.Name || r.Type == A && at == "cname-"+r.Name
}

// ownerNames are all places where a name's ownership records may be: a version
// of external-dns before 0.18 has one at the name itself.
func ownerNames(name string) []string {
	return []string{name, "a-" + name, "aaaa-" + name, "cname-" + name}
}

// owned is the name that an ownership record may be about.
func owned(name string) []string {
	names := []string{name}
	for _, prefix := range []string{"a-", "aaaa-", "cname-"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
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
