package nginx

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// Default is a directive's value where nobody sets it.
type Default struct {
	Context, Directive, Value string
}

// Key names the setting as Setting.Key does.
func (d Default) Key() string { return d.Context + " " + d.Directive }

// defaults.csv: context, directive, value, first version with that value, first
// version without it. Values are those of a 64-bit Linux with pages of 4 kB.
// Source: the "Default:" lines at nginx.org/en/docs, and CHANGES for versions.
//
//go:embed defaults.csv
var defaultsTable string

// Defaults gives the values that hold in the build for directives that matter
// to operations; without a version those that never changed.
func Defaults(build Build) []Default {
	reader := csv.NewReader(strings.NewReader(defaultsTable))
	reader.Comment = '#'
	rows, err := reader.ReadAll()
	if err != nil {
		panic(fmt.Sprintf("the embedded defaults.csv: %v", err)) // a test reads it
	}
	var defaults []Default
	for _, row := range rows {
		since, before := row[3], row[4]
		if build.Version == "" && since+before != "" {
			continue
		}
		if older(build.Version, since) || (before != "" && !older(build.Version, before)) {
			continue
		}
		defaults = append(defaults, Default{Context: row[0], Directive: row[1], Value: row[2]})
	}
	for _, path := range []struct{ option, context, directive, format string }{
		{"pid-path", "main", "pid", "%s"},
		{"error-log-path", "main", "error_log", "%s error"},
		{"http-log-path", "http", "access_log", "%s combined"},
	} {
		if value := build.Paths[path.option]; value != "" {
			defaults = append(defaults, Default{path.context, path.directive, fmt.Sprintf(path.format, value)})
		}
	}
	return defaults
}

// shippedParameters is the file that comes with nginx to be included where
// requests go to FastCGI.
//
//go:embed fastcgi.conf
var shippedParameters string

var shipped = func() map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(shippedParameters) {
		if words := strings.Fields(strings.TrimRight(line, ";\n")); len(words) > 2 {
			values[words[0]+" "+words[1]] = strings.Join(words[2:], " ")
		}
	}
	return values
}()

// Shipped says that a setting is as in the file of parameters that comes with
// nginx (fastcgi.conf, fastcgi_params; uwsgi_params and scgi_params have the
// same), which configurations include.
func Shipped(s Setting) bool {
	directive := s.Directive
	for _, protocol := range []string{"uwsgi_param ", "scgi_param "} {
		if name, ok := strings.CutPrefix(directive, protocol); ok {
			directive = "fastcgi_param " + name
		}
	}
	value, known := shipped[directive]
	return known && len(s.Values) == 1 && s.Values[0] == value
}

// older compares versions of nginx: three numbers. What is no number counts as
// zero.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range 3 {
		x, y := number(as, i), number(bs, i)
		if x != y {
			return x < y
		}
	}
	return false
}

func number(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, _ := strconv.Atoi(parts[i])
	return n
}
