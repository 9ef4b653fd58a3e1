package capture

import (
	"bytes"
	_ "embed"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

//go:embed processes.sh
var processesScript string

// runningSource: what runs, what it listens on, and with which environment.
// Services need to know what runs, too: parseServices is called from here.
func runningSource() Source {
	return Source{
		Name:  "running",
		Kinds: []hostspec.Kind{hostspec.Service, hostspec.Timer, hostspec.Process, hostspec.Socket, hostspec.Environment},
		Files: []string{
			"/etc/passwd", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix",
			"/proc/sys/net/ipv4/ip_local_port_range",
			"/etc/environment", "/etc/profile", "/etc/profile.d/*.sh", "/etc/default/*", "/etc/sysconfig/*",
		},
		Commands: []Command{
			{ID: "processes", Script: processesScript, Bytes: 16 << 20},
			{ID: "services", Script: servicesScript, Bytes: 8 << 20},
		},
		Parse: func(in *Input, out *Builder) {
			parseProfiles(in, out)
			parseServiceFiles(in, out)
			processes := readProcesses(in, out)
			if in.Image {
				notObservable(in, out)
			} else {
				parseProcesses(in, processes, out)
				parseSockets(in, processes, out)
				parseEnvironments(in, processes, out)
			}
			parseServices(in, processes, out)
		},
	}
}

// notObservable writes how an image starts, which is what can be known of it.
func notObservable(in *Input, out *Builder) {
	for _, kind := range []hostspec.Kind{hostspec.Process, hostspec.Socket} {
		out.Unknown(kind, ErrNotObservable.Error())
	}
	config := in.config
	for name, value := range map[string]hostspec.Value{
		"image.entrypoint": hostspec.List(redactedAll(out, config.Entrypoint)...),
		"image.command":    hostspec.List(redactedAll(out, config.Command)...),
		"image.user":       hostspec.Text(config.User),
		"image.workingDir": hostspec.Text(config.WorkingDir),
		"image.ports":      hostspec.List(config.Ports...),
	} {
		if value.String() != "" && value.String() != "[]" {
			out.Value(hostspec.System, name, value)
		}
	}
	for _, assignment := range config.Env {
		name, value, _ := strings.Cut(assignment, "=")
		out.Value(hostspec.Environment, "image "+name, out.Setting(name, value))
	}
}

func redactedAll(out *Builder, texts []string) []string {
	redacted := make([]string, len(texts))
	for i, text := range texts {
		redacted[i] = out.Redacted(text)
	}
	return redacted
}

// process is one that belongs to the host: no kernel thread, nobody's session,
// not the collector.
type process struct {
	pid, parent int
	name, uid   string
	exe         string
	args        []string
	environ     []string
	sockets     []string
	// contained says that it lives in a PID namespace below: a container, which
	// is a target of its own.
	contained bool
}

// program is the executable. Where it was started under another name, as
// redis-server is, that counts.
func (p *process) program() string {
	if len(p.args) > 0 && strings.HasPrefix(p.args[0], "/") && !strings.Contains(p.args[0], " ") {
		return p.args[0]
	}
	if p.exe == "" {
		return p.name // somebody else's: the link cannot be read
	}
	return p.exe
}

// readProcesses reads what processes.sh sends.
func readProcesses(in *Input, out *Builder) map[int]*process {
	if in.Image {
		return nil
	}
	answer, err := in.Command("processes")
	if err != nil {
		for _, kind := range []hostspec.Kind{hostspec.Process, hostspec.Socket, hostspec.Environment} {
			out.Unknown(kind, err.Error())
		}
	}
	head, environ, _ := bytes.Cut(answer.Stdout, []byte("\n# environ\n"))
	head, cmdline, _ := bytes.Cut(head, []byte("\n# cmdline\n"))
	all := map[int]*process{}
	self := readStates(head, all)
	eachProcText(cmdline, all, func(p *process, text string) { p.args = append(p.args, text) })
	eachProcText(environ, all, func(p *process, text string) { p.environ = append(p.environ, text) })
	leaveOut(all, self)
	return all
}

var (
	procStatus = regexp.MustCompile(`^/proc/(\d+)/status:(\w+):\s*(.*)$`)
	procExe    = regexp.MustCompile(`/proc/(\d+)/exe -> (.*)$`)
	procFolder = regexp.MustCompile(`^/proc/(\d+)/fd:$`)
)

// readStates reads the parts that are lines, and gives the collector's process.
func readStates(data []byte, all map[int]*process) (self int) {
	var holder *process
	for _, line := range Lines(data) {
		if m := procStatus.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			if all[pid] == nil {
				all[pid] = &process{pid: pid}
			}
			switch m[2] {
			case "Name":
				all[pid].name = m[3]
			case "PPid":
				all[pid].parent, _ = strconv.Atoi(m[3])
			case "Uid":
				all[pid].uid, _, _ = strings.Cut(m[3], "\t")
			case "NSpid":
				all[pid].contained = strings.Contains(m[3], "\t")
			}
			continue
		}
		if m := procExe.FindStringSubmatch(line); m != nil {
			if p := all[atoi(m[1])]; p != nil && p.exe == "" {
				p.exe = strings.TrimSuffix(m[2], " (deleted)")
			}
			continue
		}
		if m := procFolder.FindStringSubmatch(line); m != nil {
			holder = all[atoi(m[1])]
			continue
		}
		if strings.HasPrefix(line, "socket:[") && holder != nil {
			holder.sockets = append(holder.sockets, strings.Trim(line[len("socket:"):], "[]"))
		}
		if pid, found := strings.CutPrefix(line, "# self "); found {
			self = atoi(pid)
		}
	}
	return self
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// eachProcText reads texts "/proc/12/cmdline:text", each ended by NUL.
func eachProcText(data []byte, all map[int]*process, give func(*process, string)) {
	for text := range strings.SplitSeq(string(data), "\x00") {
		file, value, found := strings.Cut(text, ":")
		pid, isProc := strings.CutPrefix(file, "/proc/")
		if !found || !isProc {
			continue
		}
		pid, _, _ = strings.Cut(pid, "/")
		if p := all[atoi(pid)]; p != nil {
			give(p, value)
		}
	}
}

// sshdStartups is a counter in the title of the SSH server.
var sshdStartups = regexp.MustCompile(`\[listener\] \d+ of \d+-\d+ startups`)

var (
	sshSession  = regexp.MustCompile(`^sshd(-session)?: .*(\[priv\]|\[net\]|\[accepted\]|@|\[preauth\])`)
	postfixMore = regexp.MustCompile(`/postfix/.*/(anvil|bounce|cleanup|defer|discard|error|flush|lmtp|local|oqmgr|pipe|postdrop|postlogd|proxymap|scache|showq|smtp|smtpd|tlsmgr|tlsproxy|trivial-rewrite|verify|virtual)$`)
)

// leaveOut removes what is no part of the host: kernel threads, sessions with
// all that people run in them, the collector with what started it, what cron
// runs at the moment, and helpers that come and go.
func leaveOut(all map[int]*process, self int) {
	out := map[int]bool{}
	for pid := self; pid > 1 && all[pid] != nil && !out[pid]; pid = all[pid].parent {
		if isListener(all[pid]) {
			break
		}
		out[pid] = true
	}
	for pid, p := range all {
		parent := all[p.parent]
		switch {
		case p.exe == "" && len(p.args) == 0, p.contained, passes(p):
			out[pid] = true
		case parent != nil && (parent.name == "cron" || parent.name == "crond"):
			out[pid] = true
		}
	}
	for pid := range all {
		for up := all[pid]; up != nil && up.pid > 1; up = all[up.parent] {
			if out[up.pid] {
				out[pid] = true
				break
			}
			if up.parent == up.pid {
				break
			}
		}
	}
	for pid := range out {
		delete(all, pid)
	}
}

// veiled says that the executables of some processes must not be read: those
// are known only by the names that they give themselves.
func veiled(in *Input, processes map[int]*process) bool {
	for _, p := range processes {
		if p.exe == "" && in.UID != 0 {
			return true
		}
	}
	return false
}

// passes says that a process is of a session, or comes and goes.
func passes(p *process) bool {
	title := strings.Join(p.args, " ")
	return sshSession.MatchString(title) || postfixMore.MatchString(p.exe) || path.Base(p.exe) == "sleep" || p.name == "sleep" ||
		p.name == "agetty" || p.name == "(sd-pam)" || p.name == "systemd" && slices.Contains(p.args, "--user")
}

// isListener says that a process is the SSH server itself, not a session.
func isListener(p *process) bool {
	return p.name == "sshd" && !sshSession.MatchString(strings.Join(p.args, " "))
}

// parseProcesses groups processes by user and program, with their distinct
// command lines.
func parseProcesses(in *Input, processes map[int]*process, out *Builder) {
	users := namesByID(in, "/etc/passwd")
	commands := map[string][]string{}
	for _, pid := range sortedKeys(processes) {
		p := processes[pid]
		name := orID(users, p.uid) + " " + p.program()
		title := sshdStartups.ReplaceAllString(strings.Join(p.args, " "), "[listener]")
		commands[name] = append(commands[name], strings.TrimSpace(title))
	}
	if veiled(in, processes) {
		out.Unknown(hostspec.Process, in.denied("/proc/*/exe").Error())
	}
	for _, name := range sortedKeys(commands) {
		lines := unique(redactedAll(out, commands[name]))
		switch {
		case len(lines) == 1:
			out.Add(hostspec.Process, name, Text("command", lines[0]))
		default:
			out.Add(hostspec.Process, name, List("command", lines))
		}
	}
}

// passingVariables belong to one start of a process, not to its configuration.
var passingVariables = regexp.MustCompile(`^(_|PWD|OLDPWD|SHLVL|TERM|COLUMNS|LINES|LS_COLORS|MAIL|DISPLAY|INVOCATION_ID|JOURNAL_STREAM|MAINPID|MANAGERPID|` +
	`SYSTEMD_EXEC_PID|NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*|MEMORY_PRESSURE_.*|CREDENTIALS_DIRECTORY|SSH_.*|SUDO_.*|XDG_(SESSION|RUNTIME|SEAT|VTNR).*|` +
	`DBUS_SESSION_BUS_ADDRESS|CONSOLE|INIT_VERSION|PREVLEVEL|RUNLEVEL|previous|runlevel|BOOT_IMAGE|NGINX|FPM_SOCKETS|HUSHLOGIN|container_uuid)$`)

// parseEnvironments writes the environment of each service's first process, by
// the program's name. Its children have the same, or what it gave them.
func parseEnvironments(in *Input, processes map[int]*process, out *Builder) {
	if in.UID != 0 {
		out.Unknown(hostspec.Environment, in.denied("/proc/*/environ").Error())
	}
	values := map[string][]hostspec.Value{}
	for _, pid := range sortedKeys(processes) {
		p := processes[pid]
		parent := processes[p.parent]
		if p.pid == 1 || parent != nil && parent.pid != 1 && parent.exe == p.exe || strings.Contains(p.exe, "/postfix/") {
			continue // the children of one are like it; Postfix makes its own
		}
		service := path.Base(p.program())
		for _, assignment := range p.environ {
			name, value, found := strings.Cut(assignment, "=")
			if !found || name == "" || passingVariables.MatchString(name) {
				continue
			}
			key := service + " " + name
			values[key] = append(values[key], out.Setting(name, value))
		}
	}
	for _, key := range sortedKeys(values) {
		out.Value(hostspec.Environment, key, joined(values[key]))
	}
}

// parseServiceFiles writes what the files that init scripts read export: it is
// the environment of the service. Programs that change their title, as nginx
// and php-fpm do, overwrite what /proc would tell.
func parseServiceFiles(in *Input, out *Builder) {
	for _, file := range in.Glob("/etc/default/*", "/etc/sysconfig/*") {
		data, err := in.Read(file)
		if err != nil {
			out.Unknown(hostspec.Environment, err.Error())
			continue
		}
		for _, line := range ConfigLines(data) {
			if !strings.HasPrefix(line, "export ") {
				continue // a setting of the script
			}
			for name, value := range Assignments([]byte(line)) {
				out.Value(hostspec.Environment, path.Base(file)+" "+name, out.Setting(name, value))
			}
		}
	}
}

// parseProfiles writes what everybody's environment is given: plain assignments
// only, as nothing is executed here.
func parseProfiles(in *Input, out *Builder) {
	for _, file := range in.Glob("/etc/environment", "/etc/profile", "/etc/profile.d/*.sh") {
		data, err := in.Read(file)
		if err != nil {
			out.Unknown(hostspec.Environment, err.Error())
			continue
		}
		values := Assignments(data)
		for _, name := range sortedKeys(values) {
			if name == strings.ToUpper(name) && name != "PS1" && name != "PATH" || path.Base(file) == "environment" {
				out.Value(hostspec.Environment, "global "+name, out.Setting(name, values[name]))
			}
		}
	}
}
