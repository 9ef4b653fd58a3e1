package capture

import (
	"path"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// cronGlobs are the places of cron jobs: of Debian, Red Hat, and Alpine.
var cronGlobs = []string{
	"/etc/crontab", "/etc/cron.d/*", "/etc/anacrontab", "/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/etc/crontabs/*",
	"/etc/cron.hourly/*", "/etc/cron.daily/*", "/etc/cron.weekly/*", "/etc/cron.monthly/*",
	"/etc/periodic/*/*",
}

// cronSource: what runs by the clock, but for systemd's timers.
func cronSource() Source {
	return Source{
		Name:  "cron",
		Kinds: []hostspec.Kind{hostspec.Cron},
		Files: cronGlobs,
		Parse: func(in *Input, out *Builder) {
			for _, glob := range cronGlobs {
				if err := in.Closed(glob); err != nil {
					out.Unknown(hostspec.Cron, err.Error())
				}
			}
			for _, file := range in.Glob(cronGlobs...) {
				data, err := in.Read(file)
				if err != nil {
					out.Unknown(hostspec.Cron, err.Error())
					continue
				}
				parseCronFile(file, data, out)
			}
		},
	}
}

// cronName are the files that cron takes from its folders: run-parts(8).
var cronName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func parseCronFile(file string, data []byte, out *Builder) {
	folder, name := path.Split(file)
	switch {
	case folder == "/var/spool/cron/crontabs/" || folder == "/var/spool/cron/" || folder == "/etc/crontabs/":
		parseCrontab(file, data, name, out)
	case file == "/etc/anacrontab":
		parseAnacrontab(file, data, out)
	case !cronName.MatchString(name):
	case file == "/etc/crontab" || folder == "/etc/cron.d/":
		parseCrontab(file, data, "", out)
	case strings.HasPrefix(folder, "/etc/periodic/"):
		out.Add(hostspec.Cron, "root "+file, Text("schedule", "@"+path.Base(path.Dir(file))), Text("file", file))
	default:
		out.Add(hostspec.Cron, "root "+file, Text("schedule", "@"+strings.TrimPrefix(path.Base(path.Dir(file)), "cron.")), Text("file", file))
	}
}

var cronAssignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\s*=`)

// parseCrontab reads crontab(5); in the files of the system a user stands
// before the command. The same command at two times keeps both schedules.
func parseCrontab(file string, data []byte, user string, out *Builder) {
	schedules := map[string][]string{}
	for _, line := range Lines(data) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if cronAssignment.MatchString(line) {
			name, value, _ := strings.Cut(line, "=")
			name = strings.TrimSpace(name)
			out.Value(hostspec.Environment, "cron "+file+" "+name, out.Setting(name, unquote(strings.TrimSpace(value))))
			continue
		}
		times := 5
		if line[0] == '@' {
			times = 1
		}
		words := times
		if user == "" {
			words++
		}
		fields := splitWords(line, words)
		if len(fields) <= words {
			continue
		}
		owner := user
		if owner == "" {
			owner = fields[times]
		}
		name := owner + " " + out.Redacted(fields[words])
		schedules[name] = append(schedules[name], strings.Join(fields[:times], " "))
	}
	for _, name := range sortedKeys(schedules) {
		schedule := List("schedule", schedules[name])
		if len(schedules[name]) == 1 {
			schedule = Text("schedule", schedules[name][0])
		}
		out.Add(hostspec.Cron, name, schedule, Text("file", file))
	}
}

// parseAnacrontab reads anacrontab(5): period, delay, identifier, command.
func parseAnacrontab(file string, data []byte, out *Builder) {
	for _, line := range ConfigLines(data) {
		if cronAssignment.MatchString(line) {
			continue
		}
		if fields := splitWords(line, 3); len(fields) == 4 {
			period := "every " + fields[0] + " days"
			if strings.HasPrefix(fields[0], "@") {
				period = fields[0]
			}
			out.Add(hostspec.Cron, "root "+out.Redacted(fields[3]), Text("schedule", period), Text("file", file))
		}
	}
}

// splitWords cuts n words off, and leaves the rest as it is.
func splitWords(line string, n int) []string {
	var words []string
	for range n {
		line = strings.TrimLeft(line, " \t")
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			return words
		}
		words, line = append(words, line[:end]), line[end:]
	}
	if line = strings.TrimSpace(line); line == "" {
		return words
	}
	return append(words, line)
}
