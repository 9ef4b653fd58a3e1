package containerize

import (
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// adapter changes configuration for a container, and remembers what it changed
// and which secrets it took out.
type adapter struct {
	changes []change
	// env are secrets that files held, by the variable they come from now.
	env map[string]string
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
		text, changes, secrets = adaptFPM(file, text)
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
