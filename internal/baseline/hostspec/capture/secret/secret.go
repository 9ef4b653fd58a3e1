// Package secret tells what looks like a secret, by name and by the shape of
// the value, so that captured specs, and whatever is made from them, hold
// fingerprints instead. It would rather hide a harmless value than show a
// secret. Start at Looks.
package secret

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// words that make a name secret, as a part of it between separators or where
// the case changes.
var words = []string{
	"password", "passwd", "passphrase", "pass", "pwd", "pw", "secret", "secrets", "token", "tokens",
	"apikey", "accesskey", "secretkey", "privatekey", "licensekey", "license_key", "credential", "credentials",
	"requirepass", "masterauth", "authtoken", "bearer", "cookie_key", "encryption",
}

// pairs are names of two parts that are secret together.
var pairs = [][2]string{
	{"api", "key"}, {"access", "key"}, {"secret", "key"}, {"private", "key"}, {"license", "key"},
	{"encryption", "key"}, {"signing", "key"}, {"app", "key"}, {"auth", "key"}, {"master", "key"},
	{"hash", "salt"}, {"auth", "salt"}, {"storage", "key"}, {"account", "key"}, {"master", "auth"},
	{"stream", "key"}, {"client", "key"}, {"service", "key"}, {"insert", "key"}, {"session", "key"},
}

// harmless parts, after a secret word, name something about the secret that is
// none itself.
var harmless = []string{
	"file", "path", "dir", "folder", "days", "age", "len", "length", "min", "max", "timeout", "ttl", "expire",
	"expiry", "lifetime", "authentication", "policy", "enabled", "enable", "type", "format", "prompt", "maps",
	"map", "algorithm", "method", "methods", "rounds", "warn", "change", "retries", "tries", "mode", "options",
	"helper", "attempts", "reuse", "lock", "first", "security", "level", "size", "bits", "name", "mechanism", "filter", "limit",
}

var switches = []string{
	"", "yes", "no", "true", "false", "on", "off", "none", "null", "enabled", "disabled", "default", "required",
	"optional", "may", "auto", "any", "prohibit-password", "without-password", "unset", "encrypt", "peer", "always", "never",
}

var shapes = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY|` +
	`\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}|` +
	`\bxox[abeoprs]-[\w-]{10,}|\b[sr]k_(live|test)_[0-9A-Za-z]{16,}|\bAIza[\w-]{30,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|` +
	`\bnpm_[0-9A-Za-z]{30,}|\bdop_v1_[0-9a-f]{40,}|\bNRAK-[0-9A-Z]{20,}|\b[0-9a-f]{36}NRAL\b|` +
	`\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|` +
	`\$(1|2[abxy]|5|6|7|y|gy|argon2i?d?)\$[./0-9A-Za-z$=,]{8,}`)

// Looks says that a value, known by name, is probably a secret. The name may be
// empty.
func Looks(name, value string) bool {
	if slices.Contains(switches, strings.ToLower(value)) {
		return false
	}
	return Shaped(value) || random(value) || Named(name) && !isPath(value) && !isReference(value)
}

// Shaped says that a text holds what has the shape of a secret: a private key,
// or a key of a known service.
func Shaped(text string) bool { return len(text) >= shortestShape && shapes.MatchString(text) }

// shortestShape is the length of the shortest text that shapes matches.
const shortestShape = 11

// Named says that whatever has this name is probably a secret.
func Named(name string) bool {
	parts := split(name)
	for i, part := range parts {
		named := slices.Contains(words, part)
		if !named && i > 0 {
			named = slices.Contains(pairs, [2]string{parts[i-1], part})
		}
		if !named {
			continue
		}
		if !slices.ContainsFunc(parts[i+1:], func(after string) bool { return slices.Contains(harmless, after) }) {
			return true
		}
	}
	return false
}

// split gives the parts of a name in lower case: DB_PASSWORD, dbPassword and
// db.password are all db, password.
func split(name string) []string {
	var spaced strings.Builder
	lower := false
	for _, r := range name {
		upper := r >= 'A' && r <= 'Z'
		switch {
		case upper && lower, r == '_', r == '-', r == '.', r == ':', r == '/', r == '[', r == ']':
			spaced.WriteByte(' ')
		}
		lower = r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		spaced.WriteRune(r)
	}
	return strings.FieldsFunc(strings.ToLower(spaced.String()), func(r rune) bool { return strings.ContainsRune(" _-.:/[]", r) })
}

func isPath(value string) bool {
	return strings.HasPrefix(value, "/") && !strings.ContainsAny(value, " \n") && strings.Count(value, "/") > 1
}

// isReference says that the value names a secret kept elsewhere: ${VAR}.
func isReference(value string) bool {
	return strings.HasPrefix(value, "${") && strings.HasSuffix(value, "}") || strings.HasPrefix(value, "$(") ||
		strings.HasPrefix(value, "hash:/") || strings.HasPrefix(value, "file:/")
}

// maxRandom is the length of the longest generated key that is told by its looks.
const maxRandom = 512

// random says that a value looks like a generated key: long, of one word, with
// letters of both cases and digits mixed.
func random(value string) bool {
	if len(value) < 24 || len(value) > maxRandom {
		return false
	}
	var upper, lower, digits int
	counts := map[rune]int{}
	for _, r := range value {
		switch {
		case r >= 'A' && r <= 'Z':
			upper++
		case r >= 'a' && r <= 'z':
			lower++
		case r >= '0' && r <= '9':
			digits++
		case r != '+' && r != '=' && r != '/' && r != '_' && r != '-':
			return false
		}
		counts[r]++
	}
	if upper < 3 || lower < 3 || digits < 2 || strings.Count(value, "/") > 3 || strings.HasPrefix(value, "/") {
		return false
	}
	entropy := 0.0
	for _, n := range counts {
		p := float64(n) / float64(len(value))
		entropy -= p * math.Log2(p)
	}
	return entropy > 3.7
}
