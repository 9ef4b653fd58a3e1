package containerize

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture/secret"
)

// maxLooked bounds how much of a file is looked through for credentials, in
// bytes.
const maxLooked = 1 << 20

// credentialNames are patterns of file names that hold nothing but credentials.
var credentialNames = []string{
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
	".htpasswd", "htpasswd", ".pgpass", ".my.cnf", ".netrc", ".git-credentials", ".npmrc", ".pypirc", ".dockercfg",
	"credentials", "service-account*.json", "authorized_keys", "shadow", "shadow-", "gshadow", "gshadow-",
}

// settingNames are patterns of files that hold settings, in which a literal
// next to a name such as "password" is meant.
var settingNames = []string{
	"*.ini", "*.conf", "*.cnf", "*.cfg", "*.yml", "*.yaml", "*.env", ".env*", "*.properties", "*.toml", "*.neon",
	"config*.php", "config*.inc", "settings*.php", "database*.php", "parameters*", "wp-config.php", "secrets*", "local*.php", "auth.json", "config*.json",
}

// privateKey begins a private key in PEM.
var privateKey = []byte("PRIVATE KEY-----")

// assignment is NAME = VALUE, NAME: VALUE or 'NAME' => 'VALUE'. A value in
// quotes is the third group, another the fourth.
var assignment = regexp.MustCompile(`['"]?\b([A-Za-z_][\w.-]*)['"]?\]?\s*(?:=>|=|:)\s*(?:["']([^"'\n]*)["']|([^\s"';,]+))`)

// licence is the name of a key of a vendor.
var licence = regexp.MustCompile(`(?i)licen[cs]e(_?key)?$`)

// credential says what in a file looks like a private key or another credential
// and where, or "" where nothing does. It never gives the value.
func credential(file string, content []byte) string {
	base := path.Base(file)
	like := func(pattern string) bool { ok, _ := path.Match(pattern, base); return ok }
	if slices.ContainsFunc(credentialNames, like) && !strings.HasSuffix(base, ".pub") {
		return "its name is that of a file with credentials"
	}
	if i := bytes.Index(content, privateKey); i >= 0 && bytes.Contains(content[:i], []byte("-----BEGIN ")) {
		return "it holds a private key"
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return ""
	}
	settings := slices.ContainsFunc(settingNames, like)
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		if len(line) > 4096 || isComment(line) {
			continue
		}
		if name := credentialLine(line, settings); name != "" {
			return name + " in line " + strconv.Itoa(number)
		}
	}
	return ""
}

// credentialLine names what in a line looks like a credential.
func credentialLine(line string, settings bool) string {
	if secret.Shaped(line) {
		return "a key"
	}
	if !settings {
		return ""
	}
	for _, m := range assignment.FindAllStringSubmatch(line, -1) {
		value := m[2] + m[3]
		if len(value) >= 4 && !strings.ContainsAny(value[:1], "$%{<") && !strings.ContainsAny(m[3], "([{") && (secret.Named(m[1]) && secret.Looks(m[1], value) || licence.MatchString(m[1])) {
			return m[1]
		}
	}
	return ""
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "//")
}

// address is a static address of a private network (RFC 1918).
var address = regexp.MustCompile(`\b(?:10|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))(?:\.[0-9]{1,3}){2,3}\b`)

// addresses are the static addresses and the names of the hosts file that a
// text mentions, sorted.
func addresses(text string, names []string) []string {
	found := address.FindAllString(text, -1)
	for _, name := range names {
		if len(name) > 2 && regexp.MustCompile(`(^|[^\w.-])`+regexp.QuoteMeta(name)+`($|[^\w.-])`).MatchString(text) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
