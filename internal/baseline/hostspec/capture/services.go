package capture

import (
	_ "embed"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

//go:embed services.sh
var servicesScript string

// parseServices writes services and timers of systemd, OpenRC or System V init.
func parseServices(in *Input, processes map[int]*process, out *Builder) {
	answer, err := in.Command("services")
	if err != nil {
		out.Unknown(hostspec.Service, err.Error())
		out.Unknown(hostspec.Timer, err.Error())
		return
	}
	parts := map[string][]string{}
	heading := ""
	for _, line := range Lines(answer.Stdout) {
		if name, found := strings.CutPrefix(line, "# "); found {
			heading = name
			parts[heading] = []string{}
			continue
		}
		parts[heading] = append(parts[heading], line)
	}
	if parts["systemd"] != nil {
		if len(parts["systemd"]) == 0 {
			out.Unknown(hostspec.Service, "asking systemd: "+reason(answer, err))
			out.Unknown(hostspec.Timer, "asking systemd: "+reason(answer, err))
		}
		parseUnits(in, parts["systemd"], out)
		parseTimers(parts["timers"], out)
		parseUnitFiles(parts, out)
		return
	}
	if lines := parts["openrc"]; lines != nil {
		parseOpenRC(lines, out)
		return
	}
	parseSysV(in, parts["sysv"], processes, out)
}

// properties reads blocks of NAME=value, with an empty line between.
func properties(lines []string) []map[string]string {
	var blocks []map[string]string
	block := map[string]string{}
	for _, line := range append(lines, "") {
		name, value, found := strings.Cut(line, "=")
		switch {
		case line == "" && len(block) > 0:
			blocks = append(blocks, block)
			block = map[string]string{}
		case found && block[name] != "":
			block[name] += "\n" + value // ExecStart and timers may come several times
		case found:
			block[name] = value
		}
	}
	return blocks
}

// passingUnits come and go with sessions and devices.
var passingUnits = regexp.MustCompile(`^(user@|user-runtime-dir@|session-|run-|systemd-coredump@|systemd-fsck@|modprobe@|getty@|serial-getty@|autovt@|polkit-agent-helper@|dbus-:)`)

var (
	argv      = regexp.MustCompile(`argv\[\]=(.*?) ; ignore_errors=`)
	onTime    = regexp.MustCompile(`\{ (\w+)=(.*?) ;`)
	unitTypes = regexp.MustCompile(`\.(service|timer)$`)
)

// parseUnits reads `systemctl show` of services.
func parseUnits(in *Input, lines []string, out *Builder) {
	for _, unit := range properties(lines) {
		if unit["LoadState"] == "not-found" || passingUnits.MatchString(unit["Id"]) || unit["Id"] == "" {
			continue
		}
		name := unitTypes.ReplaceAllString(unit["Id"], "")
		attributes := append(enablement(unit["UnitFileState"]), runningState(unit)...)
		attributes = append(attributes, Text("manager", "systemd"), commandAttribute(out, unit["ExecStart"]),
			Optional("user", unit["User"]), List("dropIns", ownDropIns(unit["DropInPaths"])))
		out.Add(hostspec.Service, name, attributes...)
		parseUnitEnvironment(in, name, unit, out)
	}
}

// parseUnitEnvironment writes what a unit sets, itself and by files. A file
// comes over what the unit says; see systemd.exec(5).
func parseUnitEnvironment(in *Input, name string, unit map[string]string, out *Builder) {
	for _, assignment := range systemdWords(unit["Environment"]) {
		if variable, value, found := strings.Cut(assignment, "="); found {
			out.Value(hostspec.Environment, "unit "+name+" "+variable, out.Setting(variable, value))
		}
	}
	for file := range strings.Lines(unit["EnvironmentFiles"]) {
		file, _, _ = strings.Cut(strings.TrimSpace(file), " (")
		data, err := in.Read(file)
		if err != nil {
			continue // absent, elsewhere, or said to be unknown already
		}
		values := Assignments(data)
		for _, variable := range sortedKeys(values) {
			out.Value(hostspec.Environment, "unit "+name+" "+variable, out.Setting(variable, values[variable]))
		}
	}
}

// enablement turns UnitFileState into attributes; see systemctl(1),
// is-enabled. A static unit is neither enabled nor disabled.
func enablement(state string) []hostspec.Attribute {
	switch state {
	case "enabled", "enabled-runtime", "alias", "linked", "linked-runtime":
		return []hostspec.Attribute{Bool("enabled", true)}
	case "disabled", "indirect":
		return []hostspec.Attribute{Bool("enabled", false)}
	case "masked", "masked-runtime":
		return []hostspec.Attribute{Bool("enabled", false), Bool("masked", true)}
	}
	return nil
}

// runningState leaves out services that run once and end.
func runningState(unit map[string]string) []hostspec.Attribute {
	if unit["Type"] == "oneshot" && unit["RemainAfterExit"] != "yes" {
		return nil
	}
	state := unit["ActiveState"]
	attributes := []hostspec.Attribute{Bool("running", state == "active" || state == "reloading" || state == "activating")}
	if state == "failed" {
		attributes = append(attributes, Bool("failed", true))
	}
	return attributes
}

func commandAttribute(out *Builder, exec string) hostspec.Attribute {
	var commands []string
	for _, m := range argv.FindAllStringSubmatch(exec, -1) {
		commands = append(commands, out.Redacted(m[1]))
	}
	if len(commands) == 1 {
		return Text("command", commands[0])
	}
	return List("command", commands)
}

// ownDropIns are those that people wrote; distributions put theirs below /usr.
func ownDropIns(paths string) []string {
	return unique(slices.DeleteFunc(strings.Fields(paths), func(file string) bool {
		return strings.HasPrefix(file, "/usr/") || strings.HasPrefix(file, "/lib/") || strings.HasPrefix(file, "/run/")
	}))
}

// systemdWords splits as systemd writes lists: words, quoted where they have
// spaces.
func systemdWords(text string) []string {
	var words []string
	var word strings.Builder
	quoted, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			words = append(words, word.String())
			word.Reset()
		default:
			word.WriteRune(r)
		}
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}

// parseTimers reads `systemctl show` of timers.
func parseTimers(lines []string, out *Builder) {
	for _, unit := range properties(lines) {
		if unit["LoadState"] == "not-found" || unit["Id"] == "" {
			continue
		}
		var schedule []string
		for _, m := range onTime.FindAllStringSubmatch(unit["TimersCalendar"]+"\n"+unit["TimersMonotonic"], -1) {
			schedule = append(schedule, m[1]+"="+m[2])
		}
		attributes := []hostspec.Attribute{List("schedule", unique(schedule)), Optional("unit", unit["Unit"])}
		out.Add(hostspec.Timer, unitTypes.ReplaceAllString(unit["Id"], ""), append(attributes, enablement(unit["UnitFileState"])...)...)
	}
}

// parseUnitFiles adds services that are installed but not loaded.
func parseUnitFiles(parts map[string][]string, out *Builder) {
	loaded := map[string]bool{}
	for _, unit := range append(properties(parts["systemd"]), properties(parts["timers"])...) {
		for _, name := range append(strings.Fields(unit["Names"]), unit["Id"]) {
			loaded[name] = true
		}
	}
	for _, line := range parts["unit files"] {
		f := strings.Fields(line)
		if len(f) < 2 || loaded[f[0]] || strings.Contains(f[0], "@.") || f[1] == "static" || f[1] == "alias" || f[1] == "generated" {
			continue
		}
		name, kind := unitTypes.ReplaceAllString(f[0], ""), hostspec.Service
		attributes := append(enablement(f[1]), Bool("running", false), Text("manager", "systemd"))
		if strings.HasSuffix(f[0], ".timer") {
			kind, attributes = hostspec.Timer, enablement(f[1])
		}
		out.Add(kind, name, attributes...)
	}
}

func parseOpenRC(lines []string, out *Builder) {
	enabled, started := map[string]bool{}, map[string]bool{}
	for _, line := range lines {
		word, name, _ := strings.Cut(line, " ")
		switch word {
		case "enabled":
			enabled[name] = true
		case "started":
			started[name] = true
		}
	}
	for _, name := range unique(append(sortedKeys(enabled), sortedKeys(started)...)) {
		out.Add(hostspec.Service, name, Bool("enabled", enabled[name]), Bool("running", started[name]), Text("manager", "openrc"))
	}
}

var sysvLink = regexp.MustCompile(`^S\d\d(.+)$`)

// sysV is what services.sh says of System V scripts.
type sysV struct {
	scripts []string
	enabled map[string]bool
	// daemon is the program that a script names.
	daemon map[string]string
	// stays are scripts that start something that stays.
	stays map[string]bool
	// live are the names in the paths of pid files of living processes, and of
	// processes.
	live map[string]bool
}

// aliases are services whose processes have another name.
var aliases = map[string]string{"mariadb": "mysqld", "ssh": "sshd", "apache2": "apache2", "cron": "crond", "rsyslog": "rsyslogd"}

// parseSysV writes a service for each script. Whether it runs is known only
// where its script names a program, or a pid file or process has its name.
func parseSysV(in *Input, lines []string, processes map[int]*process, out *Builder) {
	s := readSysV(lines)
	for _, p := range processes {
		s.live[path.Base(p.exe)], s.live[p.name], s.live[path.Base(p.program())] = true, true, true
	}
	for _, name := range unique(s.scripts) {
		attributes := []hostspec.Attribute{Bool("enabled", s.enabled[name])}
		program := path.Base(s.daemon[name])
		switch {
		case s.live[name], s.live[aliases[name]], program != "." && s.live[program]:
			attributes = append(attributes, Bool("running", true))
		case s.stays[name] && veiled(in, processes):
			attributes = append(attributes, Unknown("running", in.denied("/proc/*/exe")))
		case s.stays[name] && program != "." && !strings.Contains(program, "$"):
			attributes = append(attributes, Bool("running", false))
		}
		attributes = append(attributes, Text("manager", "sysv"))
		if strings.HasPrefix(s.daemon[name], "/") && !strings.Contains(s.daemon[name], "$") {
			attributes = append(attributes, Text("command", s.daemon[name]))
		}
		out.Add(hostspec.Service, name, attributes...)
	}
}

func readSysV(lines []string) sysV {
	s := sysV{enabled: map[string]bool{}, daemon: map[string]string{}, stays: map[string]bool{}, live: map[string]bool{}}
	names := map[string]string{}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "script":
			s.scripts = append(s.scripts, rest)
		case "start":
			if m := sysvLink.FindStringSubmatch(rest); m != nil {
				s.enabled[m[1]] = true
			}
		case "stays":
			s.stays[rest] = true
		case "daemon":
			script, assignment, _ := strings.Cut(rest, ":")
			variable, value, _ := strings.Cut(assignment, "=")
			value = unquote(strings.TrimSpace(value))
			if variable == "NAME" {
				names[script] = value
			} else if s.daemon[script] == "" {
				s.daemon[script] = value
			}
		case "pid":
			for _, name := range strings.Split(strings.TrimSuffix(rest, ".pid"), "/") {
				s.live[name] = true
			}
		}
	}
	for script, program := range s.daemon {
		s.daemon[script] = strings.NewReplacer("${NAME}", names[script], "$NAME", names[script]).Replace(program)
	}
	for _, general := range []string{"", "run", "var", "spool", "pid", "."} {
		delete(s.live, general)
	}
	return s
}
