package mask

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Finding is something that looks like personal data. It holds no values.
type Finding struct {
	Store string `json:"store"`
	// Unit is the table, or the database of Redis, or the bucket.
	Unit string `json:"unit"`
	// Key is a pattern of keys or objects; "" for tables.
	Key string `json:"key,omitempty"`
	// Column of the table or field of the hash; "" for a plain value.
	Column string `json:"column,omitempty"`
	// Path inside a JSON document.
	Path string `json:"path,omitempty"`
	// Star says that it is in the name: what that * of Key stands for, from 1.
	Star int `json:"star,omitempty"`
	// Kind is what it looks like.
	Kind Kind `json:"kind"`
	// Why it looks so.
	Why string `json:"why"`
}

// Place is where the finding is, as people write it.
func (f Finding) Place() string {
	place := f.Unit
	if f.Key != "" {
		place = f.Key
	}
	if f.Column != "" {
		place += "." + f.Column
	}
	if f.Path != "" {
		place += " " + f.Path
	}
	if f.Star > 0 {
		place += " (the name)"
	}
	return place
}

// Find looks for personal data in a sample, by names and by values.
func Find(store string, sample datacopy.Sample) []Finding {
	var found []Finding
	for i, column := range sample.Columns {
		values := make([][]byte, 0, len(sample.Rows))
		for _, row := range sample.Rows {
			if i < len(row) && len(row[i]) > 0 {
				values = append(values, row[i])
			}
		}
		base := Finding{Store: store, Unit: sample.Unit, Key: KeyPattern(sample.Key), Column: column.Name}
		found = append(found, findIn(base, owner(sample), column, values)...)
	}
	if at := emailInName.FindStringIndex(sample.Key); at != nil {
		found = append(found, Finding{
			Store: store, Unit: sample.Unit, Key: KeyPattern(sample.Key), Kind: Email, Why: "e-mail addresses in names",
			Star: starsOf(KeyPattern(sample.Key[:at[0]])) + 1,
		})
	}
	return found
}

// emailInName is an address as it stands in a key's name.
var emailInName = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}`)

// owner is what the columns belong to: the table, or the key's first word.
func owner(sample datacopy.Sample) string {
	if sample.Key == "" {
		return sample.Unit
	}
	return strings.Join(words(KeyPattern(sample.Key)), " ")
}

func findIn(base Finding, owner string, column datacopy.Column, values [][]byte) []Finding {
	if paths := findInJSON(base, owner, values); paths != nil {
		return paths
	}
	kind, why := byName(column.Name, owner)
	if seen, counted := byValues(values); seen != "" {
		kind, why = seen, counted
	}
	if kind == "" {
		return nil
	}
	base.Kind, base.Why = suited(kind, column), why
	return []Finding{base}
}

// suited exchanges a kind that the column cannot take for one that it can.
func suited(kind Kind, column datacopy.Column) Kind {
	class, limit := columnType(column.Type)
	if column.Type == "" {
		return kind
	}
	for _, candidate := range []Kind{kind, Pseudonym, Null} {
		action := Action{Kind: candidate}
		if fits(action, column, class, limit) == nil {
			return candidate
		}
	}
	return Keep
}

// findInJSON looks into documents; nil when the values are none.
func findInJSON(base Finding, owner string, values [][]byte) []Finding {
	leaves := map[string][][]byte{}
	documents := 0
	for _, value := range values {
		if trimmed := bytes.TrimSpace(value); len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
			continue
		}
		if document, err := decodeJSON(value); err == nil {
			documents++
			collect(leaves, "$", document)
		}
	}
	if documents == 0 || documents*2 < len(values) {
		return nil
	}
	found := []Finding{}
	for _, path := range sortedKeys(leaves) {
		name := path[strings.LastIndexAny(path, ".$")+1:]
		base.Path = path
		found = append(found, findIn(base, owner, datacopy.Column{Name: strings.Trim(name, "[*]")}, leaves[path])...)
	}
	return found
}

// collect gathers the texts and numbers of a document by path.
func collect(leaves map[string][][]byte, path string, node any) {
	const manyPaths = 1000 // documents keyed by data have as many as they like
	switch node := node.(type) {
	case map[string]any:
		for name, child := range node {
			if plainName.MatchString(name) {
				collect(leaves, path+"."+name, child)
			} else {
				collect(leaves, path+".*", child)
			}
		}
	case []any:
		for _, child := range node {
			collect(leaves, path+"[*]", child)
		}
	case nil, bool:
	default:
		if text := fmt.Sprint(node); text != "" && (leaves[path] != nil || len(leaves) < manyPaths) {
			leaves[path] = append(leaves[path], []byte(text))
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// nameRule says what words in a column's name make it look like.
type nameRule struct {
	kind  Kind
	words []string
}

// nameRules are in the order in which they are tried. A rule applies when all
// words of one of its phrases are in the name.
var nameRules = []nameRule{
	{Hash, []string{"password", "passwd", "pwd", "secret", "api key", "apikey", "token", "otp", "pin code"}},
	{Email, []string{"email", "mail", "e mail"}},
	{Phone, []string{"phone", "telephone", "mobile", "cellphone", "fax", "msisdn", "tel"}},
	{Card, []string{"card number", "cardnumber", "creditcard", "credit card", "pan", "cc number"}},
	{FirstName, []string{"first name", "firstname", "given name", "forename", "vorname"}},
	{LastName, []string{"last name", "lastname", "surname", "family name", "familyname", "nachname", "maiden name"}},
	{Name, []string{"full name", "fullname", "customer name", "contact name", "recipient", "cardholder", "account holder", "real name"}},
	{Date, []string{"birth", "birthday", "birthdate", "born", "dob", "geburtsdatum"}},
	{Pseudonym, []string{
		"username", "user name", "login", "nickname", "iban", "bic", "ssn", "social security", "passport", "tax id", "vat id",
		"national id", "license plate", "ip", "ip address", "ipaddress", "mac address", "device id", "imei",
	}},
	{Empty, []string{"street", "address", "zip", "postcode", "postal", "strasse", "latitude", "longitude", "signature", "diagnosis", "biography"}},
}

// people are words of tables and keys whose "name" is a person's.
var people = []string{
	"user", "users", "customer", "customers", "person", "persons", "people", "member", "members", "employee", "employees",
	"contact", "contacts", "patient", "patients", "client", "clients", "subscriber", "subscribers", "guest", "guests", "session", "profile", "profiles",
}

// byName says what a column looks like by its name.
func byName(column, owner string) (Kind, string) {
	have := words(column)
	for _, rule := range nameRules {
		for _, phrase := range rule.words {
			if containsAll(have, strings.Fields(phrase)) {
				return rule.kind, "its name"
			}
		}
	}
	if len(have) == 1 && have[0] == "name" && slices.ContainsFunc(words(owner), func(w string) bool { return slices.Contains(people, w) }) {
		return Name, "the name of a person's table"
	}
	return "", ""
}

func containsAll(have, wanted []string) bool {
	for _, word := range wanted {
		if !slices.Contains(have, word) {
			return false
		}
	}
	return true
}

// words takes a name apart: customerEmail_2 is customer, email.
func words(name string) []string {
	var split strings.Builder
	lower := false
	for _, r := range name {
		if !unicode.IsLetter(r) {
			split.WriteByte(' ')
			lower = false
			continue
		}
		if lower && unicode.IsUpper(r) {
			split.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		split.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(split.String())
}

// valueRule says what values look like; share is how much of a hundred of them
// it takes.
type valueRule struct {
	kind  Kind
	noun  string
	share int
	is    func([]byte) bool
}

var valueRules = []valueRule{
	{Email, "e-mail addresses", 10, emailForm.Match},
	{Card, "card numbers", 60, isCard},
	{Pseudonym, "IBANs", 30, isIBAN},
	{Phone, "phone numbers", 60, phoneForm.Match},
	{Pseudonym, "IP addresses", 60, isIP},
}

var (
	emailForm = regexp.MustCompile(`(^|[\s<,;:"'(])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}($|[\s>,;:"')])`)
	phoneForm = regexp.MustCompile(`^(\+|00|\(?0)[0-9()][0-9 ()./-]{5,18}[0-9]$`)
	ibanForm  = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`)
)

// byValues says what values look like.
func byValues(values [][]byte) (Kind, string) {
	for _, rule := range valueRules {
		n := 0
		for _, value := range values {
			if len(value) <= 4096 && rule.is(value) {
				n++
			}
		}
		if n > 0 && n*100 >= rule.share*len(values) {
			return rule.kind, fmt.Sprintf("%d of %d values look like %s", n, len(values), rule.noun)
		}
	}
	return "", ""
}

func isCard(value []byte) bool {
	digits := bytes.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, value)
	if len(digits) < 13 || len(digits) > 19 || digits[0] < '2' || digits[0] > '6' {
		return false
	}
	if bytes.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	last := len(digits) - 1
	return luhn(digits[:last]) == digits[last]
}

// isIBAN checks form and check digits (ISO 13616).
func isIBAN(value []byte) bool {
	plain := bytes.ReplaceAll(value, []byte(" "), nil)
	if !ibanForm.Match(plain) {
		return false
	}
	rest := 0
	for _, c := range append(bytes.Clone(plain[4:]), plain[:4]...) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

func isIP(value []byte) bool {
	if len(value) < 7 || !bytes.ContainsAny(value, ".:") {
		return false
	}
	_, err := netip.ParseAddr(string(value))
	return err == nil
}

// KeyPattern turns a key into a pattern of its like: e-mail addresses, and parts
// that hold digits or are long, become *.
func KeyPattern(key string) string {
	if at := emailInName.FindStringIndex(key); at != nil {
		return KeyPattern(key[:at[0]]) + "*" + KeyPattern(key[at[1]:])
	}
	parts := keySeparators.Split(key, -1)
	separators := keySeparators.FindAllString(key, -1)
	var pattern strings.Builder
	for i, part := range parts {
		if isVariable(part) {
			pattern.WriteString("*")
		} else {
			pattern.WriteString(globEscaper.Replace(part))
		}
		if i < len(separators) {
			pattern.WriteString(separators[i])
		}
	}
	return pattern.String()
}

var (
	keySeparators = regexp.MustCompile(`[:/|.]`)
	globEscaper   = strings.NewReplacer("[", `\[`, "{", `\{`, "?", `\?`, "*", `\*`, `\`, `\\`)
)

func isVariable(part string) bool {
	return len(part) > 24 || strings.ContainsAny(part, "0123456789@") || strings.ContainsFunc(part, func(r rune) bool { return r > unicode.MaxASCII })
}
