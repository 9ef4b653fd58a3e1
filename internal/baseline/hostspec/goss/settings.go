package goss

import (
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// settingWriters are for kinds whose values a program prints, a line each.
// goss has no resources for them, but it can look for lines in the output of a
// command.
var settingWriters = map[hostspec.Kind]func(*hostspec.Item) (command string, prefix string){
	hostspec.Postfix: func(item *hostspec.Item) (string, string) {
		if strings.Contains(item.Name, " ") { // of master.cf
			return "", ""
		}
		return "postconf", regexp.QuoteMeta(item.Name) + ` =\s*`
	},
	hostspec.SSHD: func(item *hostspec.Item) (string, string) {
		return "sshd -T", regexp.QuoteMeta(item.Name) + `\s+`
	},
	hostspec.PHPSetting: phpSetting,
}

// phpSAPI is how captured settings name an interpreter: "fpm-8.2".
var phpSAPI = regexp.MustCompile(`^(cli|fpm)-(\d+\.\d+) (\S+)$`)

// phpSetting asks the interpreter itself. FPM prints tables of the value for
// scripts and that of the server.
func phpSetting(item *hostspec.Item) (string, string) {
	m := phpSAPI.FindStringSubmatch(item.Name)
	switch {
	case m == nil, m[3] == "version":
		return "", ""
	case m[1] == "fpm":
		return "php-fpm" + m[2] + " -i", regexp.QuoteMeta(m[3]) + " => .* => "
	}
	return "php" + m[2] + ` -r 'foreach (ini_get_all(null, true) as $k => $v) echo "$k = ", $v["global_value"], "\n";'`,
		regexp.QuoteMeta(m[3]) + ` = `
}

// setting notes the lines of an item; commands writes them when all are known.
func (e *exporter) setting(item *hostspec.Item) error {
	command, prefix := settingWriters[item.Kind](item)
	value, _ := item.Get(hostspec.ValueAttribute)
	switch _, reason := matcher(value, false); {
	case command == "" || item.Absent:
		e.leave(string(item.Kind), "which program prints it is not known")
		return nil
	case reason != "":
		e.leave(string(item.Kind), reason)
		return nil
	case !value.Plain() || strings.Contains(value.String(), `\`) || strings.Contains(value.String(), "<secret "):
		e.leave(string(item.Kind), "the value cannot be written as one line of output")
		return nil
	}
	if e.lines[command] == nil {
		e.lines = withKey(e.lines, command)
		e.commands = append(e.commands, command)
	}
	for _, one := range value.Strings() {
		words := strings.Fields(one)
		for i := range words {
			words[i] = regexp.QuoteMeta(words[i])
		}
		text := strings.Join(words, `\s+`)
		if text == "" && strings.HasSuffix(prefix, "=> ") {
			text = "no value"
		}
		e.lines[command] = append(e.lines[command], "/^"+prefix+text+`\s*$/`)
	}
	return nil
}

func withKey(lines map[string][]string, command string) map[string][]string {
	if lines == nil {
		lines = map[string][]string{}
	}
	lines[command] = []string{}
	return lines
}

// settings writes a resource for each program that prints settings.
func (e *exporter) settings() error {
	for _, command := range e.commands {
		err := e.put("command", command, field{"exec", command}, field{"exit-status", 0},
			field{"stdout", e.lines[command]}, field{"timeout", 30_000})
		if err != nil {
			return err
		}
	}
	return nil
}
