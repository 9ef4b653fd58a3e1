package goss

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Exported is a goss file made of a host spec.
type Exported struct {
	// File is the text of goss.yaml.
	File []byte
	// Resources is how many there are in it.
	Resources int
	// LeftOut is what goss has no counterpart for.
	LeftOut []hostspec.LeftOut
}

// Export writes what the rules of the document keep as a goss file. What
// Landfall captured passes when goss validates it on the same host.
func Export(spec *hostspec.Spec) (*Exported, error) {
	e := &exporter{file: newFile(), out: &Exported{}}
	kept := spec.Kept()
	for i := range kept.Items {
		item := &kept.Items[i]
		write := writers[item.Kind]
		if write == nil {
			e.leave(string(item.Kind), "goss has no such resource")
			continue
		}
		if err := write(e, item); err != nil {
			return nil, fmt.Errorf("writing %s for goss: %w", item.Key, err)
		}
	}
	if err := e.ports(); err != nil {
		return nil, fmt.Errorf("writing ports for goss: %w", err)
	}
	if err := e.settings(); err != nil {
		return nil, fmt.Errorf("writing settings for goss: %w", err)
	}
	body, err := e.file.encode()
	if err != nil {
		return nil, fmt.Errorf("writing goss file: %w", err)
	}
	head := "# Written by `landfall spec export` from the host spec of " + spec.Host + ".\n# `goss validate` checks it on a host.\n"
	e.out.File = append([]byte(strings.ReplaceAll(head, "{{", "{ {")), body...)
	return e.out, nil
}

// writers by kind.
var writers = map[hostspec.Kind]func(*exporter, *hostspec.Item) error{
	hostspec.Package: (*exporter).pkg,
	hostspec.Service: (*exporter).service,
	hostspec.User:    (*exporter).user,
	hostspec.Group:   (*exporter).group,
	hostspec.File:    (*exporter).path,
	hostspec.Socket:  (*exporter).socket,
	hostspec.Process: (*exporter).process,
	hostspec.Sysctl:  (*exporter).sysctl,
	hostspec.Mount:   (*exporter).mount,
	hostspec.Command: (*exporter).command,
	hostspec.Postfix: (*exporter).setting, hostspec.SSHD: (*exporter).setting, hostspec.PHPSetting: (*exporter).setting,
}

type exporter struct {
	file *file
	out  *Exported
	// bound are the addresses by port, and bounds the ports in order.
	bound  map[string][]string
	bounds []string
	// lines are what commands have to print, and commands are those in order.
	lines    map[string][]string
	commands []string
}

func (e *exporter) leave(where, reason string) {
	e.out.LeftOut = hostspec.Gather(e.out.LeftOut, where, reason)
}

func (e *exporter) put(resource, name string, fields ...field) error {
	e.out.Resources++
	return e.file.put(resource, name, fields)
}

// attributes translates those that goss knows, by the names in known, and notes
// the others; known gives "" for those that need no counterpart.
func (e *exporter) attributes(item *hostspec.Item, known map[string]string) []field {
	var fields []field
	for _, a := range item.Attributes {
		name, is := known[a.Name]
		switch {
		case !is:
			e.leave(string(item.Kind)+"#"+a.Name, "goss has no such attribute")
		case name != "":
			if matcher, reason := matcher(a.Value, a.Name == "groups"); reason != "" {
				e.leave(string(item.Kind)+"#"+a.Name, reason)
			} else {
				fields = append(fields, field{name, matcher})
			}
		}
	}
	return fields
}

func (e *exporter) pkg(item *hostspec.Item) error {
	if item.Absent {
		return e.put("package", item.Name, field{"installed", false})
	}
	fields := []field{{"installed", true}}
	for _, f := range e.attributes(item, map[string]string{"version": "versions", "manager": "", "arch": "", "origin": "", "manual": ""}) {
		// goss has a list of versions: those given must be among them.
		version, _ := item.Get("version")
		if version.Plain() {
			f.value = version.Strings()
		} else {
			f.value = map[string]any{"contain-element": f.value}
		}
		fields = append(fields, f)
	}
	return e.put("package", item.Name, fields...)
}

func (e *exporter) service(item *hostspec.Item) error {
	if manager := item.Text("manager"); manager != "" && manager != "systemd" {
		return e.sysvService(item)
	}
	if item.Absent {
		return e.put("service", item.Name, field{"enabled", false}, field{"running", false})
	}
	fields := e.attributes(item, map[string]string{"enabled": "enabled", "running": "running", "manager": ""})
	if len(fields) == 0 {
		e.leave("service", "whether it is enabled or running is not said")
		return nil
	}
	return e.put("service", item.Name, fields...)
}

// sysvService asks for the links by which init starts it. goss takes systemd
// wherever systemctl is installed, and believes what init scripts answer.
func (e *exporter) sysvService(item *hostspec.Item) error {
	fields := e.attributes(item, map[string]string{"enabled": "enabled", "manager": ""})
	if len(fields) == 0 {
		return nil
	}
	exec := "ls /etc/rc[2-5S].d/S[0-9][0-9]" + quoted(item.Name) + " /etc/runlevels/*/" + quoted(item.Name) + " 2>/dev/null | grep -q ."
	if fields[0].value == false {
		exec = "! " + exec
	}
	return e.put("command", "service "+item.Name, field{"exec", exec}, field{"exit-status", 0})
}

func (e *exporter) user(item *hostspec.Item) error {
	if item.Absent {
		return e.put("user", item.Name, field{"exists", false})
	}
	fields := e.attributes(item, map[string]string{"uid": "uid", "gid": "gid", "home": "home", "shell": "shell", "groups": "groups"})
	return e.put("user", item.Name, append([]field{{"exists", true}}, fields...)...)
}

func (e *exporter) group(item *hostspec.Item) error {
	if item.Absent {
		return e.put("group", item.Name, field{"exists", false})
	}
	fields := e.attributes(item, map[string]string{"gid": "gid"})
	return e.put("group", item.Name, append([]field{{"exists", true}}, fields...)...)
}

func (e *exporter) path(item *hostspec.Item) error {
	if strings.ContainsRune(item.Name, '\\') {
		e.leave("file", "the name holds characters that cannot be written")
		return nil
	}
	if state := item.Text("state"); item.Absent || state == "missing" || state == "absent" {
		return e.put("file", item.Name, field{"exists", false})
	}
	known := map[string]string{
		"state": "", "type": "filetype", "mode": "mode", "owner": "owner", "group": "group", "size": "size",
		"sha256": "sha256", "target": "linked-to", "package": "",
	}
	switch {
	case item.Text("type") == "link" || item.Text("type") == "symlink":
		known["mode"] = ""
	case hasAttribute(item, "entries"):
		known["sha256"] = "" // of the listing, not of a file
		known["size"] = ""
	}
	fields := []field{{"exists", true}}
	for _, f := range e.attributes(item, known) {
		if f.name == "filetype" && f.value == "link" {
			f.value = "symlink"
		}
		fields = append(fields, f)
	}
	return e.put("file", item.Name, fields...)
}

func hasAttribute(item *hostspec.Item, name string) bool {
	_, has := item.Get(name)
	return has
}

// socket notes a port; goss has one resource for all addresses of a port.
func (e *exporter) socket(item *hostspec.Item) error {
	network, address, _ := strings.Cut(item.Name, " ")
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || item.Absent {
		e.leave("socket", "goss knows only ports of TCP and UDP that listen")
		return nil
	}
	ip := strings.Trim(address[:colon], "[]")
	if strings.Contains(ip, ":") && !strings.HasSuffix(network, "6") {
		network += "6"
	}
	port := network + ":" + address[colon+1:]
	if e.bound == nil {
		e.bound = map[string][]string{}
	}
	if e.bound[port] == nil {
		e.bounds = append(e.bounds, port)
	}
	e.bound[port] = append(e.bound[port], ip)
	e.attributes(item, nil)
	return nil
}

func (e *exporter) ports() error {
	for _, port := range e.bounds {
		if err := e.put("port", port, field{"listening", true}, field{"ip", e.bound[port]}); err != nil {
			return err
		}
	}
	return nil
}

// process asks for a program that runs. goss' own resource compares the name
// that the process gives itself, which programs change.
func (e *exporter) process(item *hostspec.Item) error {
	_, program, _ := strings.Cut(item.Name, " ")
	e.attributes(item, nil)
	if !strings.HasPrefix(program, "/") || item.Absent {
		e.leave("process", "which program it runs is not known")
		return nil
	}
	return e.put("command", "process "+item.Name,
		field{"exec", "readlink /proc/[0-9]*/exe | grep -qxF \"$(readlink -f " + quoted(program) + ")\""}, field{"exit-status", 0})
}

func (e *exporter) sysctl(item *hostspec.Item) error {
	value, _ := item.Get(hostspec.ValueAttribute)
	m, reason := matcher(value, false)
	if item.Absent {
		reason = "goss cannot ask for a parameter to be absent"
	}
	if reason != "" {
		e.leave("sysctl", reason)
		return nil
	}
	if value.Plain() {
		m = value.String()
		// The kernel separates several values by tabs.
		if words := strings.Fields(value.String()); len(words) > 1 {
			for i := range words {
				words[i] = regexp.QuoteMeta(words[i])
			}
			m = map[string]any{"match-regexp": `^` + strings.Join(words, `\s+`) + `\s*$`}
		}
	}
	if _, declared := item.Get("declared"); declared {
		e.leave("sysctl#declared", "goss has no such attribute")
	}
	return e.put("kernel-param", item.Name, field{"value", m})
}

func (e *exporter) mount(item *hostspec.Item) error {
	if item.Absent || item.Text("mounted") == "false" {
		return e.put("mount", item.Name, field{"exists", false})
	}
	fields := []field{{"exists", true}}
	for _, f := range e.attributes(item, map[string]string{"source": "source", "type": "filesystem", "declared": "", "options": "opts"}) {
		switch one, _ := f.value.(string); {
		case f.name == "opts":
			e.leave("mount#options", "goss tells options of mounts and of file systems apart")
			continue
		case f.name == "source" && strings.HasSuffix(one, "]"):
			f.value = one[:strings.LastIndexByte(one, '[')]
		}
		fields = append(fields, f)
	}
	return e.put("mount", item.Name, fields...)
}

// command asks whether a program is on the PATH.
func (e *exporter) command(item *hostspec.Item) error {
	path, has := item.Get("path")
	status := 0
	if item.Absent || has && path.Plain() && path.String() == "" || !has {
		status = 1
	}
	e.attributes(item, map[string]string{"path": "", "package": "", "found": "", "calledBy": ""})
	exec := "command -v " + quoted(item.Name)
	if status == 1 {
		exec = "! " + exec
	}
	return e.put("command", "command "+item.Name, field{"exec", exec}, field{"exit-status", 0})
}

// quoted is a text as one word of the shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
