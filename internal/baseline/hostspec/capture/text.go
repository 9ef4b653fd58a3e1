package capture

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Lines gives the lines of a text without their ends.
func Lines(data []byte) []string {
	text := strings.TrimSuffix(string(data), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// ConfigLines gives the lines of a configuration file that say something:
// trimmed, without comments that # begins, and with lines joined that end in a
// backslash.
func ConfigLines(data []byte) []string {
	var kept []string
	joined := strings.ReplaceAll(string(data), "\\\n", " ")
	for line := range strings.Lines(joined) {
		if at := commentStart(line); at >= 0 {
			line = line[:at]
		}
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}

// commentStart finds a # that begins the line or follows a space.
func commentStart(line string) int {
	for i, r := range line {
		if r == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return i
		}
	}
	return -1
}

// Assignments reads lines of NAME=value as environment files and shell
// profiles have them: with an optional export, and simple quotes. Other lines
// are passed over.
func Assignments(data []byte) map[string]string {
	values := map[string]string{}
	for _, line := range Lines(data) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		name, value, found := strings.Cut(line, "=")
		if !found || name == "" || strings.ContainsAny(name, " \t#\"'$()[]{};&|<>!-+.:/") {
			continue
		}
		values[name] = unquote(strings.TrimSpace(value))
	}
	return values
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// Number gives a text as a number where it is just that.
func Number(text string) hostspec.Value {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return hostspec.Text(text)
	}
	return hostspec.Int(n)
}

// missing says that a file is not there, which is no reason for anything to be
// unknown.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// sortedKeys gives the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// unique sorts texts and leaves each in once, empty ones out.
func unique(texts []string) []string {
	texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
	slices.Sort(texts)
	return slices.Compact(texts)
}

// joined is one value, or several as a list in order, each once.
func joined(values []hostspec.Value) hostspec.Value {
	if len(values) == 1 {
		return values[0]
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = value.String()
	}
	if texts = unique(texts); len(texts) == 1 {
		return values[0]
	}
	return hostspec.List(texts...)
}
