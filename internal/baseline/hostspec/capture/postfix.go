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
		Name:     "postfix",
		Kinds:    []hostspec.Kind{hostspec.Postfix},
		Files:    []string{"/etc/postfix/main.cf", "/etc/postfix/master.cf"},
		Commands: []Command{{ID: "postconf", Script: "exec postconf"}},
		Parse:    parsePostfix,
	}
}

func parsePostfix(in *Input, out *Builder) {
	main, err := in.Read("/etc/postfix/main.cf")
	if missing(err) {
		return
	}
	explicit := assignments(logicalLines(string(main)))
	if err != nil {
		out.Unknown(hostspec.Postfix, err.Error())
	}
	output, cause := in.Command("postconf")
	if cause == nil && len(output.Stdout) == 0 {
		cause = errors.New("postconf says nothing: " + lastLine(output.Stderr))
	}
	values := assignments(string(output.Stdout))
	if cause != nil && err == nil {
		out.Unknown(hostspec.Postfix, "values that main.cf does not set are unknown: "+cause.Error())
		values = explicit
	}
	for name, value := range values {
		_, set := explicit[name]
		if name == "myhostname" && !set && strings.HasPrefix(value, in.Host) {
			out.Add(hostspec.Postfix, name, Volatile(hostspec.ValueAttribute, "made from the host's name"), Flag("default", true))
			continue
		}
		postfixParameter(out, name, value, !set)
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
	if !strings.Contains(value, ":/") {
		return nil // nearly all
	}
	var tables []string
	for _, match := range lookupTable.FindAllStringSubmatch(value, -1) {
		tables = append(tables, match[1])
	}
	return tables
}

// postfixServices adds the lines of master.cf by "name/type", and the
// parameters that a service sets for itself, as `postconf -M` and `-P` do.
func postfixServices(out *Builder, lines string) {
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		service := "master " + fields[0] + "/" + fields[1]
		out.Value(hostspec.Postfix, service, hostspec.Text(out.Redacted(strings.Join(fields, " "))))
		for i, word := range fields {
			name, value, assigned := strings.Cut(word, "=")
			if assigned && i > 0 && fields[i-1] == "-o" {
				out.Value(hostspec.Postfix, service+"/"+name, out.Setting(name, value))
			}
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
