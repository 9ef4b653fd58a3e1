package capture

import (
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// timeDaemons are the programs that keep clocks, with their files.
var timeDaemons = []struct {
	name  string
	files []string
	// assigned says that lines are key=value in sections, not words.
	assigned bool
}{
	{name: "chrony", files: []string{"/etc/chrony/chrony.conf", "/etc/chrony.conf", "/etc/chrony/conf.d/*.conf", "/etc/chrony/sources.d/*.sources", "/etc/chrony.d/*.conf"}},
	{name: "ntp", files: []string{"/etc/ntp.conf", "/etc/ntpsec/ntp.conf", "/etc/ntpsec/ntp.d/*.conf"}},
	{name: "openntpd", files: []string{"/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"}},
	{name: "systemd-timesyncd", files: []string{"/etc/systemd/timesyncd.conf", "/etc/systemd/timesyncd.conf.d/*.conf", "/usr/lib/systemd/timesyncd.conf.d/*.conf"}, assigned: true},
}

// ntpSource: how the clock is kept right. Which daemon runs is a matter of the
// kind service.
func ntpSource() Source {
	source := Source{Name: "ntp", Kinds: []hostspec.Kind{hostspec.NTP}, Parse: parseNTP}
	for _, daemon := range timeDaemons {
		source.Files = append(source.Files, daemon.files...)
	}
	return source
}

func parseNTP(in *Input, out *Builder) {
	for _, daemon := range timeDaemons {
		values := map[string][]string{}
		for _, name := range in.Glob(daemon.files...) {
			content, err := in.Read(name)
			if missing(err) {
				continue
			}
			if err != nil {
				out.Unknown(hostspec.NTP, err.Error())
				continue
			}
			for line := range strings.Lines(string(content)) {
				if key, value, ok := timeDirective(line, daemon.assigned); ok {
					values[key] = append(values[key], value)
				}
			}
		}
		for key, list := range values {
			shown := make([]hostspec.Value, len(list))
			for i, value := range list {
				shown[i] = settingOrSwitch(out, key, value)
			}
			out.Value(hostspec.NTP, daemon.name+" "+key, joined(shown))
		}
	}
}

// timeDirective splits a line into the directive and the rest.
func timeDirective(line string, assigned bool) (key, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || strings.ContainsRune("#;!%[", rune(line[0])) {
		return "", "", false
	}
	if assigned {
		key, value, ok = strings.Cut(line, "=")
		return strings.TrimSpace(key), strings.TrimSpace(value), ok
	}
	fields := strings.Fields(cutComment(line))
	return strings.ToLower(fields[0]), strings.Join(fields[1:], " "), true
}
