package capture

import (
	"path"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// scriptGlobs are the scripts that people write for a host.
var scriptGlobs = append([]string{
	"/usr/local/bin/*", "/usr/local/sbin/*", "/etc/rc.local", "/opt/*/bin/*", "/opt/bin/*", "/root/*.sh", "/home/*/*.sh",
	"/srv/*/bin/*", "/etc/init.d/*", "/etc/systemd/system/*.service", "/var/www/*/bin/*",
}, cronGlobs...)

// programFolders in the order of PATH.
var programFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// parseCommands writes the commands that scripts, cron and units call, and
// where they are; those of scripts that packages ship are the packages' affair.
func parseCommands(in *Input, t tree, owned *ownership, out *Builder) {
	programs, alternatives, known := programsByName(in, t)
	if !known {
		return
	}
	callers := map[string][]string{}
	for _, file := range in.Glob(scriptGlobs...) {
		data, err := in.Read(file)
		if e := t[file]; e != nil && e.kind == 'l' && (within(e.link, "/lib") || within(e.link, "/usr/lib")) {
			continue // a unit that a package ships, enabled
		}
		if err != nil || owned.of(file) != "" || derived(file) && !strings.Contains(file, "cron") {
			continue
		}
		for _, name := range calls(file, data) {
			callers[name] = append(callers[name], file)
		}
	}
	for _, name := range sortedKeys(callers) {
		found := programs[name]
		if path.IsAbs(name) {
			found = ""
			if at := programs[path.Base(name)]; owned.of(name) != "" || t[name] != nil || at == name || otherName(at) == name {
				found = name
			}
		}
		by := List("calledBy", unique(callers[name]))
		if found == "" {
			out.Add(hostspec.Command, name, Bool("found", false), by)
			continue
		}
		out.Add(hostspec.Command, name, Text("path", found), Optional("package", orOf(owned, found, alternatives)), by)
	}
}

// orOf gives the package of a program, also through update-alternatives.
func orOf(owned *ownership, program string, alternatives map[string]string) string {
	if pkg := owned.of(program); pkg != "" {
		return pkg
	}
	return owned.of(alternatives[path.Base(program)])
}

// programsByName gives the first place of each program on PATH, and what stands
// behind the names of update-alternatives.
func programsByName(in *Input, t tree) (programs, alternatives map[string]string, known bool) {
	programs, alternatives = map[string]string{}, map[string]string{}
	if in.Image {
		for _, folder := range programFolders {
			for name, e := range t {
				if path.Dir(name) == folder && e.kind != 'd' && programs[path.Base(name)] == "" {
					programs[path.Base(name)] = name
				}
			}
		}
		for name, e := range t {
			if path.Dir(name) == "/etc/alternatives" {
				alternatives[path.Base(name)] = e.link
			}
		}
		return programs, alternatives, true
	}
	answer, err := in.Command("programs")
	folder := ""
	for _, line := range Lines(answer.Stdout) {
		if name, heading := strings.CutPrefix(line, "# "); heading {
			folder = name
			continue
		}
		if folder == "alternatives" {
			words := strings.Fields(line)
			if n := len(words); n > 3 && words[n-2] == "->" {
				alternatives[words[n-3]] = words[n-1]
			}
			continue
		}
		if programs[line] == "" {
			programs[line] = path.Join(folder, line)
		}
	}
	return programs, alternatives, err == nil
}

var (
	shebang  = regexp.MustCompile(`^#!\s*/\S*?/(?:env\s+)?(\S+)`)
	execLine = regexp.MustCompile(`^Exec\w+=[-@:+!]*(.+)`)
)

// builtins and words of the shell are no commands of the host.
var builtins = func() map[string]bool {
	words := map[string]bool{}
	for _, word := range strings.Fields(`if then else elif fi for in do done while until case esac function select time
		cd echo exit export set unset return break continue shift trap true false test read eval exec local printf
		source umask wait alias declare let command type ulimit pwd kill bg fg jobs getopts hash readonly builtin
		typeset pushd popd shopt`) {
		words[word] = true
	}
	return words
}()

// calls gives the commands that a file calls, each once.
func calls(file string, data []byte) []string {
	var found []string
	add := func(name string) {
		if name != "" && !builtins[name] {
			found = append(found, name)
		}
	}
	lines := Lines(data)
	isScript := false
	if len(lines) > 0 {
		if m := shebang.FindStringSubmatch(lines[0]); m != nil {
			add(path.Base(m[1]))
			isScript = strings.HasSuffix(m[1], "sh")
		}
	}
	switch {
	case strings.HasSuffix(file, ".service"):
		for _, line := range lines {
			if m := execLine.FindStringSubmatch(line); m != nil {
				found = append(found, shellCalls(m[1])...)
			}
		}
	case isScript:
		found = append(found, shellCalls(string(data))...)
	case strings.Contains(file, "cron"):
		for _, line := range ConfigLines(data) {
			found = append(found, shellCalls(cronCommand(file, line))...)
		}
	}
	return unique(found)
}

// cronCommand gives the shell code of a crontab's line.
func cronCommand(file, line string) string {
	if cronAssignment.MatchString(line) {
		return ""
	}
	before := 5
	if strings.HasPrefix(line, "@") {
		before = 1
	}
	if !strings.HasPrefix(file, "/var/spool/") && !strings.HasPrefix(file, "/etc/crontabs/") {
		before++
	}
	fields := splitWords(line, before)
	if len(fields) <= before {
		return ""
	}
	// cron ends the command at a % and gives it the rest as input: crontab(5).
	command, _, _ := strings.Cut(fields[before], "%")
	return command
}
