package capture

import (
	_ "embed"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// kernelSource: parameters in force and declared, modules.
func kernelSource() Source {
	return Source{
		Name:  "kernel",
		Kinds: []hostspec.Kind{hostspec.Sysctl, hostspec.KernelModule},
		Files: []string{
			"/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/run/sysctl.d/*.conf", "/usr/local/lib/sysctl.d/*.conf", "/usr/lib/sysctl.d/*.conf",
			"/etc/modules", "/etc/modules-load.d/*.conf", "/usr/lib/modules-load.d/*.conf", "/proc/modules",
		},
		Commands: []Command{
			// What sysctl -a does, also where there is no sysctl. Parameters that
			// can only be written complain, which is no news.
			{ID: "sysctl", Script: `cd /proc/sys && grep -rs '' . ; echo '# denied'
[ "$(id -u)" = 0 ] || find . -type f -perm -0400 ! -perm -0004 2>/dev/null; exit 0`},
		},
		Parse: func(in *Input, out *Builder) {
			parseSysctl(in, out)
			parseModules(in, out)
		},
	}
}

//go:embed volatile_sysctls.txt
var volatileSysctls string

type volatileRule struct{ pattern, reason string }

var volatileRules = func() []volatileRule {
	var rules []volatileRule
	for line := range strings.Lines(volatileSysctls) {
		if pattern, reason, found := strings.Cut(strings.TrimSpace(line), "\t"); found {
			rules = append(rules, volatileRule{pattern, reason})
		}
	}
	return rules
}()

// volatileReason says why a parameter is set aside, or "".
func volatileReason(key string) string {
	for _, rule := range volatileRules {
		if matched, _ := path.Match(rule.pattern, key); matched {
			return rule.reason
		}
	}
	return ""
}

// perInterface are parameters that come and go with an interface.
var perInterface = regexp.MustCompile(`^(net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh))\.(.+)\.[^.]+$`)

// ofInterface gives the family, such as net.ipv4.conf, of a parameter that one
// interface has, or "".
func ofInterface(key string) string {
	m := perInterface.FindStringSubmatch(key)
	if m == nil || m[2] == "all" || m[2] == "default" || m[2] == "lo" {
		return ""
	}
	return m[1]
}

func parseSysctl(in *Input, out *Builder) {
	declared := declaredSysctls(in)
	answer, err := in.Command("sysctl")
	if err != nil {
		out.Unknown(hostspec.Sysctl, err.Error())
	}
	read, denied, _ := strings.Cut(string(answer.Stdout), "# denied\n")
	for _, file := range Lines([]byte(denied)) {
		file = strings.TrimPrefix(file, "./")
		if key := dotted.Replace(file); ofInterface(key) == "" && volatileReason(key) == "" {
			out.Value(hostspec.Sysctl, key, hostspec.UnknownBecause(in.denied("/proc/sys/"+file).Error()))
		}
	}
	values := sysctlValues([]byte(read))
	for _, key := range sortedKeys(values) {
		if family := ofInterface(key); family != "" && declared[key] == "" {
			out.Value(hostspec.Sysctl, family+".*", hostspec.VolatileBecause("comes and goes with the interfaces; those of all, default and lo are captured"))
			continue
		}
		if key == "kernel.hostname" || key == "kernel.domainname" {
			continue // system/hostname says it
		}
		value := sysctlValue(values[key])
		if why := volatileReason(key); why != "" {
			value = hostspec.VolatileBecause(why)
		}
		out.Add(hostspec.Sysctl, key, hostspec.Attribute{Name: hostspec.ValueAttribute, Value: value}, Optional("declared", declared[key]))
		delete(declared, key)
	}
	// Declared, but this kernel has no such parameter, or none was read.
	for _, key := range sortedKeys(declared) {
		value := hostspec.Attribute{}
		if in.Image || err != nil {
			value = Unknown(hostspec.ValueAttribute, orElse(err, ErrNotObservable))
		}
		out.Add(hostspec.Sysctl, key, value, Text("declared", declared[key]))
	}
}

func orElse(err, fallback error) error {
	if err != nil {
		return err
	}
	return fallback
}

// dotted turns a path below /proc/sys into a key; a dot in a file's name is
// written as a slash, as sysctl(8) does.
var dotted = strings.NewReplacer("/", ".", ".", "/")

// sysctlValues reads "./net/ipv4/ip_forward:0"; a value of several lines comes
// as several.
func sysctlValues(data []byte) map[string]string {
	values := map[string]string{}
	for _, line := range Lines(data) {
		file, value, found := strings.Cut(strings.TrimPrefix(line, "./"), ":")
		if !found {
			continue
		}
		key := dotted.Replace(file)
		if before, several := values[key]; several {
			value = before + "\n" + value
		}
		values[key] = value
	}
	return values
}

func sysctlValue(text string) hostspec.Value {
	return Number(strings.Join(strings.Fields(text), " "))
}

// declaredSysctls reads what sysctl.d(5) makes of the files: those with the
// same name stand in for each other, /etc before /run before /usr; otherwise
// they go by name, and /etc/sysctl.conf comes last.
func declaredSysctls(in *Input) map[string]string {
	byName := map[string]string{}
	for _, folder := range []string{"/usr/lib/sysctl.d/", "/usr/local/lib/sysctl.d/", "/run/sysctl.d/", "/etc/sysctl.d/"} {
		for _, file := range in.Glob(folder + "*.conf") {
			byName[path.Base(file)] = file
		}
	}
	var files []string
	for _, name := range sortedKeys(byName) {
		files = append(files, byName[name])
	}
	files = append(files, "/etc/sysctl.conf")
	declared := map[string]string{}
	for _, file := range files {
		data, _ := in.Read(file)
		for _, line := range ConfigLines(data) {
			key, value, found := strings.Cut(strings.TrimPrefix(line, "-"), "=")
			if !found || strings.HasPrefix(line, ";") {
				continue
			}
			key = strings.TrimSpace(key)
			if slash, dot := strings.IndexByte(key, '/'), strings.IndexByte(key, '.'); slash >= 0 && (dot < 0 || slash < dot) {
				key = dotted.Replace(key)
			}
			if !strings.Contains(key, "*") {
				declared[key] = strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return declared
}

func parseModules(in *Input, out *Builder) {
	declared := map[string]bool{}
	for _, file := range in.Glob("/etc/modules", "/etc/modules-load.d/*.conf", "/usr/lib/modules-load.d/*.conf") {
		data, _ := in.Read(file)
		for _, line := range ConfigLines(data) {
			declared[strings.ReplaceAll(strings.Fields(line)[0], "-", "_")] = true
		}
	}
	loaded := map[string]bool{}
	data, err := in.Read("/proc/modules")
	switch {
	case in.Image:
		out.Unknown(hostspec.KernelModule, ErrNotObservable.Error())
	case err != nil && !missing(err):
		out.Unknown(hostspec.KernelModule, err.Error())
	}
	for _, line := range Lines(data) {
		name, _, _ := strings.Cut(line, " ")
		loaded[name] = true
	}
	names := slices.Concat(sortedKeys(declared), sortedKeys(loaded))
	for _, name := range unique(names) {
		isLoaded := Bool("loaded", loaded[name])
		if in.Image {
			isLoaded = Unknown("loaded", ErrNotObservable)
		}
		out.Add(hostspec.KernelModule, name, isLoaded, Flag("declared", declared[name]))
	}
}

// limitsSource: limits at log-in, by limits.conf(5).
func limitsSource() Source {
	return Source{
		Name:  "limits",
		Kinds: []hostspec.Kind{hostspec.Limit},
		Files: []string{"/etc/security/limits.conf", "/etc/security/limits.d/*.conf"},
		Parse: func(in *Input, out *Builder) {
			// limits.conf first, then the others by name: the last one counts.
			for _, file := range in.Glob("/etc/security/limits.conf", "/etc/security/limits.d/*.conf") {
				data, err := in.Read(file)
				if err != nil {
					out.Unknown(hostspec.Limit, err.Error())
				}
				for _, line := range ConfigLines(data) {
					if words := strings.Fields(line); len(words) == 4 {
						out.Value(hostspec.Limit, strings.Join(words[:3], " "), Number(words[3]))
					}
				}
			}
		},
	}
}

// mountsSource: file systems and swap, mounted and declared.
func mountsSource() Source {
	return Source{
		Name:  "mounts",
		Kinds: []hostspec.Kind{hostspec.Mount, hostspec.Swap},
		Files: []string{"/proc/self/mountinfo", "/proc/swaps", "/etc/fstab"},
		Parse: func(in *Input, out *Builder) {
			declared := parseFstab(in, out)
			if in.Image {
				out.Unknown(hostspec.Mount, ErrNotObservable.Error())
				out.Unknown(hostspec.Swap, ErrNotObservable.Error())
				return
			}
			parseMounts(in, declared, out)
			parseSwaps(in, out)
		},
	}
}

// pseudo file systems are the kernel's own; they say nothing of a host.
var pseudo = []string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
	"fuse.gvfsd-fuse", "fuse.portal", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs",
	"rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs",
}

// passing are folders whose mounts belong to sessions and containers.
var passing = []string{"/run/user/", "/run/credentials/", "/run/containerd/", "/run/netns/", "/var/lib/docker/", "/var/lib/containers/", "/var/lib/kubelet/", "/var/lib/containerd/", "/proc/", "/sys/"}

// containerFolder is where container runtimes keep what they mount into one
// container; the path is new with every one.
var containerFolder = regexp.MustCompile(`/(kubelet|containerd|containers|docker|sandboxes)/`)

// parseMounts reads mountinfo; see proc_pid_mountinfo(5). What is mounted over
// hides what was there before.
func parseMounts(in *Input, declared map[string]bool, out *Builder) {
	data, err := in.Read("/proc/self/mountinfo")
	if err != nil {
		out.Unknown(hostspec.Mount, err.Error())
		return
	}
	for _, line := range Lines(data) {
		before, after, found := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 6 || len(kind) < 2 {
			continue
		}
		point := unescapeOctal(fields[4])
		passes := func(folder string) bool { return strings.HasPrefix(point, folder) }
		if slices.Contains(pseudo, kind[0]) || slices.ContainsFunc(passing, passes) {
			continue
		}
		source := unescapeOctal(kind[1])
		if root := unescapeOctal(fields[3]); root != "/" && !containerFolder.MatchString(root) {
			source += "[" + root + "]"
		}
		out.Add(hostspec.Mount, point, Text("source", out.Redacted(source)), Text("type", kind[0]),
			Text("options", mountOptions(fields[5], kind[2:])), Flag("declared", declared[point]))
	}
}

// mountOptions joins those of the mount with those of the file system that are
// about limits and behaviour; layers of containers are not.
func mountOptions(mount string, super []string) string {
	options := strings.Split(mount, ",")
	if len(super) > 0 {
		for _, option := range strings.Split(super[0], ",") {
			name, _, _ := strings.Cut(option, "=")
			switch name {
			case "rw", "ro", "lowerdir", "upperdir", "workdir", "fd", "pgrp", "inode64", "seclabel":
			case "password", "pass", "credentials":
				options = append(options, name+"=…")
			default:
				options = append(options, option)
			}
		}
	}
	seen := map[string]bool{}
	return strings.Join(slices.DeleteFunc(options, func(o string) bool {
		again := seen[o]
		seen[o] = true
		return again || o == ""
	}), ",")
}

// parseFstab adds what is declared; the mounted file systems come over it.
func parseFstab(in *Input, out *Builder) map[string]bool {
	declared := map[string]bool{}
	data, err := in.Read("/etc/fstab")
	if err != nil && !missing(err) {
		out.Unknown(hostspec.Mount, err.Error())
	}
	for _, line := range ConfigLines(data) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		if f[2] == "swap" {
			out.Add(hostspec.Swap, f[0], Bool("active", false), Bool("declared", true))
			continue
		}
		point := unescapeOctal(f[1])
		declared[point] = true
		out.Add(hostspec.Mount, point, Text("source", out.Redacted(unescapeOctal(f[0]))), Text("type", f[2]), Text("options", out.Redacted(f[3])),
			Bool("mounted", false), Bool("declared", true))
	}
	return declared
}

func parseSwaps(in *Input, out *Builder) {
	data, err := in.Read("/proc/swaps")
	if err != nil {
		if !missing(err) {
			out.Unknown(hostspec.Swap, err.Error())
		}
		return
	}
	for _, line := range Lines(data) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "Filename" {
			continue
		}
		if kib, err := strconv.ParseInt(f[2], 10, 64); err == nil {
			out.Add(hostspec.Swap, unescapeOctal(f[0]), Int("size", kib<<10))
		}
	}
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescapeOctal undoes how fstab and mountinfo write spaces: \040.
func unescapeOctal(s string) string {
	return octal.ReplaceAllStringFunc(s, func(code string) string {
		n, _ := strconv.ParseUint(code[1:], 8, 8)
		return string([]byte{byte(n)})
	})
}
