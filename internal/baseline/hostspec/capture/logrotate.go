package capture

import (
	"path"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// logrotateSource: which logs are rotated, how often, and how many are kept.
func logrotateSource() Source {
	return Source{
		Name:  "logrotate",
		Kinds: []hostspec.Kind{hostspec.Logrotate},
		Files: []string{"/etc/logrotate.conf", "/etc/logrotate.d/*"},
		Parse: parseLogrotate,
	}
}

func parseLogrotate(in *Input, out *Builder) {
	l := &logrotate{in: in, out: out, global: rotation{}}
	l.file("/etc/logrotate.conf", 0)
}

// rotation are directives by name, as logrotate(8) has them.
type rotation map[string]string

func (r rotation) with(other rotation) rotation {
	all := rotation{}
	for _, from := range []rotation{r, other} {
		for name, value := range from {
			all.set(name, value)
		}
	}
	return all
}

// set takes a directive. The schedule is one directive under many names, and so
// is a switch and its opposite.
func (r rotation) set(name, value string) {
	switch name {
	case "hourly", "daily", "weekly", "monthly", "yearly":
		name, value = "schedule", name
	case "size":
		r["schedule"] = "when larger"
	case "nocompress", "nodelaycompress", "nocopytruncate", "nomissingok", "nosharedscripts", "nodateext", "nocreate":
		name, value = name[2:], "no"
	case "notifempty":
		name, value = "ifempty", "no"
	}
	r[name] = value
}

type logrotate struct {
	in     *Input
	out    *Builder
	global rotation
}

// logrotateIgnored are suffixes of files that a folder's include passes over;
// see tabooext.
var logrotateIgnored = []string{".bak", ".disabled", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-bak", ".dpkg-del", ".rpmsave", ".rpmorig", ".rpmnew", ".swp", ".ucf-dist", ".ucf-new", ".ucf-old", "~", ",v", ".cfsaved"}

func (l *logrotate) file(name string, depth int) {
	content, err := l.in.Read(name)
	if err != nil {
		if !missing(err) {
			l.out.Unknown(hostspec.Logrotate, err.Error())
		}
		return
	}
	var patterns []string
	var block rotation
	script := "" // the directive whose script is read
	for line := range strings.Lines(string(content)) {
		text := strings.TrimSpace(line)
		switch {
		case script != "" && text == "endscript":
			block[script] = strings.TrimRight(block[script], "\\ ")
			script = ""
		case script != "":
			block[script] = joinedLine(block[script], text)
		case text == "" || text[0] == '#':
		case block == nil && strings.HasSuffix(text, "{"): // a list of paths, perhaps begun on lines before
			patterns = append(patterns, quotedFields(strings.TrimSuffix(text, "{"))...)
			block = rotation{}
		case block == nil && (text[0] == '/' || text[0] == '"' || text[0] == '\''):
			patterns = append(patterns, quotedFields(text)...)
		case block != nil && text == "}":
			l.add(name, patterns, block)
			patterns, block = nil, nil
		default:
			script = l.directive(text, block, depth)
		}
	}
}

// joinedLine puts the next line of a script behind those before it.
func joinedLine(before, next string) string {
	switch {
	case before == "" || next == "":
		return before + next
	case strings.HasSuffix(before, "\\"):
		return strings.TrimRight(before, "\\ ") + " " + next
	case strings.HasSuffix(before, ";") || strings.HasSuffix(before, "then") || strings.HasSuffix(before, "do"):
		return before + " " + next
	}
	return before + "; " + next
}

// directive takes one line; the result is its name if a script follows.
func (l *logrotate) directive(text string, block rotation, depth int) string {
	directive, value := text, ""
	if end := strings.IndexAny(text, " \t="); end >= 0 {
		directive, value = text[:end], strings.Trim(text[end:], " \t=")
	}
	switch {
	case block == nil && directive == "include" && depth < 8:
		l.include(value, depth)
	case block == nil:
		l.global.set(directive, value)
	case directive == "postrotate" || directive == "prerotate" || directive == "firstaction" || directive == "lastaction" || directive == "preremove":
		return directive
	default:
		block.set(directive, value)
	}
	return ""
}

func (l *logrotate) include(name string, depth int) {
	if _, err := l.in.Read(name); err == nil {
		l.file(name, depth+1)
		return
	}
	for _, file := range l.in.Glob(path.Join(name, "*")) {
		ignored := false
		for _, suffix := range logrotateIgnored {
			ignored = ignored || strings.HasSuffix(file, suffix)
		}
		if !ignored {
			l.file(file, depth+1)
		}
	}
}

// logrotateShown are the attributes, in the order of documents.
var logrotateShown = []string{
	"schedule", "rotate", "size", "minsize", "maxsize", "maxage", "compress", "delaycompress", "copytruncate", "missingok", "ifempty",
	"create", "su", "olddir", "dateext", "sharedscripts", "prerotate", "postrotate", "firstaction", "lastaction", "preremove",
}

func (l *logrotate) add(file string, patterns []string, block rotation) {
	effective := l.global.with(block)
	if effective["schedule"] == "" {
		effective["schedule"] = "weekly" // logrotate's own default
	}
	attributes := []hostspec.Attribute{}
	for _, name := range logrotateShown {
		value, set := effective[name]
		switch {
		case !set:
		case value == "" || value == "no":
			attributes = append(attributes, Bool(name, value == ""))
		default:
			attributes = append(attributes, hostspec.Attribute{Name: name, Value: l.out.Setting(name, value)})
		}
	}
	for _, pattern := range patterns {
		l.out.Add(hostspec.Logrotate, pattern, append(attributes, Text("file", file))...)
	}
}

// quotedFields splits at white space outside of quotes.
func quotedFields(text string) []string {
	var fields []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if text[0] == '"' || text[0] == '\'' {
			if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
				fields = append(fields, text[1:1+end])
				text = text[end+2:]
				continue
			}
		}
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		fields = append(fields, text[:end])
		text = text[end:]
	}
	return fields
}
