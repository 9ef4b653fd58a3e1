package containerize

import (
	"github.com/landfall-dev/landfall/internal/result"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture/secret"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

// adapter changes configuration for a container, and remembers what it changed
// and which secrets it took out.
type adapter struct {
	changes []change
	// env are secrets that files held, by the variable they come from now.
	env map[string]string
	// sessions go to a store.
	sessions bool
	// exported are the other variables that services are started with.
	exported []variable
}

// export is a line of an init script's settings.
var export = regexp.MustCompile(`^\s*export\s+([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s;#]*)`)

// environmentFiles are those from which init scripts take the environment of
// the services that serve.
func environmentFiles(report *triage.Report) []string {
	var names []string
	for _, f := range report.Of(triage.Config) {
		if f.Kind == hostspec.File && f.Rule == "service-environment" {
			names = append(names, f.Name)
		}
	}
	return names
}

// environment reads the variables that such a file exports.
func (a *adapter) environment(file string, content []byte) {
	for line := range strings.Lines(string(content)) {
		m := export.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		value := strings.Trim(m[2], `"'`)
		if secret.Looks(m[1], value) {
			a.env[m[1]] = value
		} else {
			a.exported = append(a.exported, variable{Name: m[1], Value: result.Clean(value)})
		}
		a.changes = append(a.changes, change{file, "export " + m[1] + ": from the container's environment"})
	}
}

// isAdapted says whether a file is configuration that adapt knows.
func isAdapted(file string) bool {
	return strings.HasPrefix(file, "/etc/nginx/") || strings.HasPrefix(file, "/etc/php/")
}

func (a *adapter) adapt(file string, content []byte) []byte {
	if !utf8.Valid(content) {
		return content
	}
	text, changes := string(content), []change(nil)
	switch {
	case strings.HasPrefix(file, "/etc/nginx/"):
		text, changes = adaptNginx(file, text)
	case strings.HasPrefix(file, "/etc/php/") && strings.HasSuffix(file, ".ini"):
		text, changes = adaptINI(file, text)
	case strings.Contains(file, "/fpm/") && strings.HasSuffix(file, ".conf"):
		var secrets map[string]string
		text, changes, secrets = adaptFPM(file, text, a.sessions)
		maps.Copy(a.env, secrets)
	}
	a.changes = append(a.changes, changes...)
	return []byte(text)
}

// configFile is a file that the containers are given.
type configFile struct {
	Path    string
	Content string
	// Secret is the key of the Secret that holds it, where it must not be seen,
	// and Why says what it holds.
	Secret, Why string
	// Addresses that it mentions, static ones and names of the hosts file.
	Addresses []string
}

// configFiles sorts out what was read: what is too large or no text goes into
// the image instead.
func configFiles(picked *choice, got *fetched, a *adapter, hosts []string) (files []configFile, intoImage []string) {
	keys := map[string]bool{}
	for _, f := range picked.config {
		content, ok := got.config[f.path]
		if !ok {
			continue
		}
		content = a.adapt(f.path, content)
		if !utf8.Valid(content) || len(content) > maxConfig {
			intoImage = append(intoImage, f.path)
			continue
		}
		file := configFile{Path: f.path, Content: string(content), Addresses: addresses(string(content), hosts)}
		if file.Why = credential(f.path, content); file.Why != "" {
			file.Secret = uniqueKey(f.path, keys)
		}
		files = append(files, file)
	}
	return files, intoImage
}

// uniqueKey makes a file's name fit for a key of a Secret.
func uniqueKey(file string, taken map[string]bool) string {
	key := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, path.Base(file))
	for dir := path.Dir(file); taken[key]; dir = path.Dir(dir) {
		key = path.Base(dir) + "-" + key
		if dir == "/" {
			key += "-"
		}
	}
	taken[key] = true
	return key
}

// hostNames are the names that only the hosts file knows.
func hostNames(spec *hostspec.Spec) []string {
	var names []string
	for _, item := range spec.Of(hostspec.HostEntry) {
		if strings.HasPrefix(item.Name, "127.") || strings.Contains(item.Name, ":") {
			continue
		}
		value, _ := item.Get(hostspec.ValueAttribute)
		if list, has := item.Get("names"); has {
			value = list
		}
		if value.Plain() {
			names = append(names, value.Strings()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
