package capture

import (
	"errors"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// postfixSource: every parameter in force, and the services of master.cf with
// their own parameters.
func postfixSource() Source {
	return Source{
		Name:  "postfix",
		Kinds: []hostspec.Kind{hostspec.Postfix},
		Files: []string{"/etc/postfix/main.cf", "/etc/postfix/master.cf"},
		Commands: []Command{{ID: "postconf", Script: `command -v postconf >/dev/null || exit 127
for o in "" -n -M -P; do
	echo "@@ $o"
	postconf $o 2>/dev/null
done`}},
		Parse: parsePostfix,
	}
}

func parsePostfix(in *Input, out *Builder) {
	output, err := in.Command("postconf")
	parts := sectionsOf(string(output.Stdout))
	if err == nil && parts[""] != "" {
		explicit := assignments(parts["-n"])
		for name, value := range assignments(parts[""]) {
			_, set := explicit[name]
			postfixParameter(out, name, value, !set)
		}
		for name, value := range assignments(parts["-P"]) {
			out.Value(hostspec.Postfix, "master "+name, out.Setting(name, value))
		}
		postfixServices(out, parts["-M"])
		return
	}
	postfixFiles(in, out, err)
}

// postfixFiles is what the files say where postconf cannot be asked.
func postfixFiles(in *Input, out *Builder, cause error) {
	main, err := in.Read("/etc/postfix/main.cf")
	if missing(err) {
		return
	}
	if err != nil {
		out.Unknown(hostspec.Postfix, err.Error())
		return
	}
	if cause == nil {
		cause = errors.New("postconf says nothing")
	}
	out.Unknown(hostspec.Postfix, "values that main.cf does not set are unknown: "+cause.Error())
	for name, value := range assignments(logicalLines(string(main))) {
		postfixParameter(out, name, value, false)
	}
	if master, err := in.Read("/etc/postfix/master.cf"); err == nil {
		postfixServices(out, logicalLines(string(master)))
	}
}

func postfixParameter(out *Builder, name, value string, isDefault bool) {
	if name == "process_id" {
		out.Add(hostspec.Postfix, name, Volatile(hostspec.ValueAttribute, "the process that was asked"), Flag("default", isDefault))
		return
	}
	out.Add(hostspec.Postfix, name,
		hostspec.Attribute{Name: hostspec.ValueAttribute, Value: out.Setting(name, value)},
		Flag("default", isDefault), List("maps", lookupTables(value)))
}

// lookupTable is a reference TYPE:PATH to a table.
var lookupTable = regexp.MustCompile(`(?:^|[\s,{])((?:hash|btree|cdb|lmdb|dbm|texthash|regexp|pcre|cidr|mysql|pgsql|sqlite|ldap|inline|static|unionmap|pipemap|tcp|socketmap|memcache|proxy:\w+):/[^\s,}]+)`)

// lookupTables names the tables that a value refers to.
func lookupTables(value string) []string {
	var tables []string
	for _, match := range lookupTable.FindAllStringSubmatch(value, -1) {
		tables = append(tables, match[1])
	}
	return tables
}

// postfixServices adds the lines of master.cf by "name/type".
func postfixServices(out *Builder, lines string) {
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) >= 8 {
			out.Value(hostspec.Postfix, "master "+fields[0]+"/"+fields[1], hostspec.Text(out.Redacted(strings.Join(fields, " "))))
		}
	}
}

// logicalLines joins lines that go on with white space, and drops comments, as
// postconf(5) says.
func logicalLines(content string) string {
	var joined strings.Builder
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, " \t\r\n")
		text := strings.TrimLeft(line, " \t")
		switch {
		case text == "" || text[0] == '#':
		case len(text) < len(line):
			joined.WriteString(" " + text)
		default:
			joined.WriteString("\n" + line)
		}
	}
	return joined.String()
}

// assignments reads lines of "name = value"; the last of a name counts.
func assignments(lines string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(lines) {
		name, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if name = strings.TrimSpace(name); found && name != "" {
			values[name] = strings.TrimSpace(value)
		}
	}
	return values
}

// sectionsOf cuts the output of a script at lines "@@ name".
func sectionsOf(output string) map[string]string {
	sections := map[string]string{}
	for part := range strings.SplitSeq("\n"+output, "\n@@ ") {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	return sections
}
