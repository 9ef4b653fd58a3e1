package capture

import (
	"path"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// mysqlGlobal are the option files that every client reads, in this order:
// `mysql --help`.
var mysqlGlobal = []string{"/etc/my.cnf", "/etc/mysql/my.cnf"}

// mysqlPersonal are option files of users.
var mysqlPersonal = []string{"/root/.my.cnf", "/home/*/.my.cnf", "/var/www/.my.cnf", "/var/lib/*/.my.cnf"}

// mysqlClientSource: options that clients of MySQL and MariaDB take from option
// files. Those of servers are not of interest here: a client's host does not
// have them in force.
func mysqlClientSource() Source {
	return Source{
		Name:  "mysql-client",
		Kinds: []hostspec.Kind{hostspec.MySQLClient},
		Files: slices.Concat(mysqlGlobal, mysqlPersonal, []string{
			"/etc/my.cnf.d/*.cnf", "/etc/mysql/conf.d/*.cnf", "/etc/mysql/mariadb.conf.d/*.cnf", "/etc/mysql/mysql.conf.d/*.cnf",
			"/etc/mysql/mariadb.cnf", "/etc/mysql/mysql.cnf",
		}),
		Parse: parseMySQLClient,
	}
}

func parseMySQLClient(in *Input, out *Builder) {
	options := &mysqlOptions{in: in, out: out, values: map[string]string{}}
	for _, name := range mysqlGlobal {
		options.file(name, 0)
	}
	options.add("")
	for _, name := range in.Glob(mysqlPersonal...) {
		options.values = map[string]string{}
		options.file(name, 0)
		options.add(name + " ")
	}
}

// mysqlOptions collects options by "group option"; the last one read counts.
type mysqlOptions struct {
	in     *Input
	out    *Builder
	values map[string]string
}

func (o *mysqlOptions) add(prefix string) {
	for name, value := range o.values {
		_, option, _ := strings.Cut(name, " ")
		o.out.Value(hostspec.MySQLClient, prefix+name, settingOrSwitch(o.out, option, value))
	}
}

// settingOrSwitch gives a setting; one that just stands there is on.
func settingOrSwitch(out *Builder, name, value string) hostspec.Value {
	if value == "" {
		return hostspec.Bool(true)
	}
	return out.Setting(name, value)
}

func (o *mysqlOptions) file(name string, depth int) {
	content, err := o.in.Read(name)
	if err != nil {
		if !missing(err) {
			o.out.Unknown(hostspec.MySQLClient, err.Error())
		}
		return
	}
	group := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case strings.HasPrefix(line, "!include"):
			o.include(line, depth)
		case line[0] == '[':
			group, _, _ = strings.Cut(line[1:], "]")
			group = strings.TrimSpace(group)
		case group != "" && !isServerGroup(group):
			option, value := mysqlOption(line)
			o.values[group+" "+option] = value
		}
	}
}

func (o *mysqlOptions) include(line string, depth int) {
	directive, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	switch {
	case depth >= 10:
	case directive == "!include":
		o.file(argument, depth+1)
	case directive == "!includedir":
		for _, name := range o.in.Glob(path.Join(argument, "*.cnf")) {
			o.file(name, depth+1)
		}
	}
}

// isServerGroup says that clients pass over a group: those of the server, also
// with a version or number behind.
func isServerGroup(group string) bool {
	if strings.HasPrefix(group, "mysqld") && !strings.HasPrefix(group, "mysqldump") || strings.HasPrefix(group, "mariadbd") {
		return true
	}
	base, version, _ := strings.Cut(group, "-")
	return slices.Contains([]string{"server", "embedded", "galera", "mariadb", "sst"}, base) &&
		(version == "" || version[0] >= '0' && version[0] <= '9')
}

// mysqlOption splits a line of an option file: dashes and underscores are the
// same in names, a comment may follow the value, and a value may stand in
// quotes.
func mysqlOption(line string) (option, value string) {
	option, value, _ = strings.Cut(line, "=")
	option = strings.ReplaceAll(strings.TrimSpace(cutComment(option)), "_", "-")
	value = strings.TrimSpace(value)
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return option, value[1 : 1+end]
		}
	}
	return option, strings.TrimSpace(cutComment(value))
}

// cutComment cuts from a # that starts a word.
func cutComment(text string) string {
	if at := commentStart(text); at >= 0 {
		return text[:at]
	}
	return text
}
