package serverspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// writers by kind give what a resource is called in Ruby, and its examples.
var writers = map[hostspec.Kind]func(*exporter, *hostspec.Item) (string, []string){
	hostspec.Package:      (*exporter).pkg,
	hostspec.Service:      (*exporter).service,
	hostspec.User:         (*exporter).user,
	hostspec.Group:        (*exporter).group,
	hostspec.File:         (*exporter).file,
	hostspec.Socket:       (*exporter).socket,
	hostspec.Process:      (*exporter).process,
	hostspec.Sysctl:       (*exporter).sysctl,
	hostspec.KernelModule: (*exporter).kernelModule,
	hostspec.Mount:        (*exporter).mount,
	hostspec.Command:      (*exporter).command,
}

// plain gives an attribute's value where it is one that Ruby can be asked for;
// what is said otherwise is noted as left out.
func (e *exporter) plain(item *hostspec.Item, attribute string) (string, bool) {
	value, has := item.Get(attribute)
	if !has {
		return "", false
	}
	if value.Plain() {
		return value.String(), true
	}
	reason := "the operator " + string(value.Operator()) + " is not written for this attribute"
	switch value.Operator() {
	case hostspec.Unknown:
		reason = "unknown when it was captured"
	case hostspec.Volatile:
		reason = "it changes by itself"
	case hostspec.Secret:
		reason = "it looks secret: only a fingerprint is known"
	}
	e.leave(string(item.Kind)+"#"+attribute, reason)
	return "", false
}

// others notes the attributes that are not among those known.
func (e *exporter) others(item *hostspec.Item, known ...string) {
	for _, a := range item.Attributes {
		if !slices.Contains(known, a.Name) {
			e.leave(string(item.Kind)+"#"+a.Name, "Serverspec has no such attribute")
		}
	}
}

func should(format string, args ...any) string {
	return "it { should " + fmt.Sprintf(format, args...) + " }"
}

func shouldNot(what string) []string { return []string{"it { should_not " + what + " }"} }

// its is an example on a value: equal, or as an operator says.
func (e *exporter) its(item *hostspec.Item, attribute, method string) []string {
	value, has := item.Get(attribute)
	if !has {
		return nil
	}
	matcher := ""
	switch value.Operator() {
	case "":
		matcher = "eq " + quoted(value.String())
	case hostspec.Matches:
		matcher = "match Regexp.new(" + quoted(value.Argument()) + ")"
	case hostspec.OneOf:
		var choices []string
		for _, choice := range value.Strings() {
			choices = append(choices, quoted(choice))
		}
		return []string{fmt.Sprintf("its(:%s) { should be_in [%s] }", method, strings.Join(choices, ", "))}
	default:
		e.plain(item, attribute)
		return nil
	}
	return []string{fmt.Sprintf("its(:%s) { should %s }", method, matcher)}
}

func (e *exporter) pkg(item *hostspec.Item) (string, []string) {
	describe := "package(" + quoted(item.Name) + ")"
	if item.Absent {
		return describe, shouldNot("be_installed")
	}
	e.others(item, "version", "manager", "arch", "origin", "manual")
	if _, ok := e.plain(item, "version"); !ok {
		return describe, []string{should("be_installed")}
	}
	var examples []string
	versions, _ := item.Get("version")
	for _, version := range versions.Strings() {
		examples = append(examples, should("be_installed.with_version(%s)", quoted(version)))
	}
	return describe, examples
}

// service asks init itself: of the ways that Serverspec knows it takes the one
// that the distribution ships, also where another init runs.
func (e *exporter) service(item *hostspec.Item) (string, []string) {
	manager := item.Text("manager")
	if manager != "" && manager != "systemd" || item.Absent {
		return e.sysvService(item)
	}
	e.others(item, "enabled", "running", "manager")
	var examples []string
	for _, attribute := range []string{"enabled", "running"} {
		if value, ok := e.plain(item, attribute); ok && value == "true" {
			examples = append(examples, should("be_%s", attribute))
		} else if ok {
			examples = append(examples, shouldNot("be_"+attribute)...)
		}
	}
	return "service(" + quoted(item.Name) + ")", examples
}

func (e *exporter) sysvService(item *hostspec.Item) (string, []string) {
	e.others(item, "enabled", "manager", "running")
	enabled, ok := e.plain(item, "enabled")
	if item.Absent {
		enabled, ok = "false", true
	}
	if _, said := e.plain(item, "running"); said {
		e.leave("service#running", "what init scripts answer is no fact; processes and sockets are checked")
	}
	if !ok {
		return "", nil
	}
	name := shellQuoted(item.Name)
	describe := "command(" + quoted("ls /etc/rc[2-5S].d/S[0-9][0-9]"+name+" /etc/runlevels/*/"+name+" 2>/dev/null | grep -q .") + ")"
	return describe, exits(enabled == "true")
}

// exits is the example of a command that shall end well, or not.
func exits(well bool) []string {
	if well {
		return []string{"its(:exit_status) { should eq 0 }"}
	}
	return []string{"its(:exit_status) { should_not eq 0 }"}
}

// shellQuoted is a text as one word of the shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (e *exporter) user(item *hostspec.Item) (string, []string) {
	describe := "user(" + quoted(item.Name) + ")"
	if item.Absent {
		return describe, shouldNot("exist")
	}
	e.others(item, "uid", "gid", "home", "shell", "groups")
	examples := []string{should("exist")}
	if uid, ok := e.plain(item, "uid"); ok {
		examples = append(examples, should("have_uid %s", quoted(uid)))
	}
	if home, ok := e.plain(item, "home"); ok {
		examples = append(examples, should("have_home_directory %s", quoted(home)))
	}
	if shell, ok := e.plain(item, "shell"); ok && shell != "" {
		examples = append(examples, should("have_login_shell %s", quoted(shell)))
	}
	if groups, has := item.Get("groups"); has && (groups.Plain() || groups.Operator() == hostspec.Contains) {
		for _, group := range groups.Strings() {
			examples = append(examples, should("belong_to_group %s", quoted(group)))
		}
	}
	return describe, examples
}

func (e *exporter) group(item *hostspec.Item) (string, []string) {
	describe := "group(" + quoted(item.Name) + ")"
	if item.Absent {
		return describe, shouldNot("exist")
	}
	e.others(item, "gid")
	examples := []string{should("exist")}
	if gid, ok := e.plain(item, "gid"); ok {
		examples = append(examples, should("have_gid %s", quoted(gid)))
	}
	return describe, examples
}

var fileTypes = map[string]string{
	"file": "be_file", "directory": "be_directory", "folder": "be_directory", "link": "be_symlink", "symlink": "be_symlink",
	"socket": "be_socket", "pipe": "be_pipe", "fifo": "be_pipe", "character-device": "be_character_device", "block-device": "be_block_device",
}

func (e *exporter) file(item *hostspec.Item) (string, []string) {
	describe := "file(" + quoted(item.Name) + ")"
	if state := item.Text("state"); item.Absent || state == "missing" || state == "absent" {
		return describe, shouldNot("exist")
	}
	e.others(item, "state", "type", "mode", "owner", "group", "size", "sha256", "target", "package", "entries")
	kind, _ := e.plain(item, "type")
	if matcher := fileTypes[kind]; matcher == "be_symlink" {
		return describe, append([]string{should("be_symlink")}, e.linkTarget(item)...)
	} else if matcher != "" {
		return describe, append([]string{should("%s", matcher)}, e.fileAttributes(item)...)
	}
	return describe, append([]string{should("exist")}, e.fileAttributes(item)...)
}

func (e *exporter) linkTarget(item *hostspec.Item) []string {
	if target, ok := e.plain(item, "target"); ok {
		return []string{should("be_linked_to %s", quoted(target))}
	}
	return nil
}

func (e *exporter) fileAttributes(item *hostspec.Item) []string {
	var examples []string
	if mode, ok := e.plain(item, "mode"); ok {
		if mode = strings.TrimLeft(mode, "0"); mode == "" {
			mode = "0"
		}
		examples = append(examples, should("be_mode %s", quoted(mode)))
	}
	if owner, ok := e.plain(item, "owner"); ok {
		examples = append(examples, should("be_owned_by %s", quoted(owner)))
	}
	if group, ok := e.plain(item, "group"); ok {
		examples = append(examples, should("be_grouped_into %s", quoted(group)))
	}
	if _, collapsed := item.Get("entries"); !collapsed {
		examples = append(examples, e.its(item, "sha256", "sha256sum")...)
	}
	return examples
}

func (e *exporter) socket(item *hostspec.Item) (string, []string) {
	network, address, _ := strings.Cut(item.Name, " ")
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || item.Absent {
		e.leave("socket", "Serverspec knows only ports of TCP and UDP that listen")
		return "", nil
	}
	e.others(item)
	ip := strings.Trim(address[:colon], "[]")
	if strings.Contains(ip, ":") && !strings.HasSuffix(network, "6") {
		network += "6"
	}
	if strings.Contains(ip, ":") {
		return "port(" + address[colon+1:] + ")", []string{should("be_listening.with(%s)", quoted(network))}
	}
	return "port(" + address[colon+1:] + ")", []string{should("be_listening.on(%s).with(%s)", quoted(ip), quoted(network))}
}

// process asks for a program that runs, whatever name it gives itself.
func (e *exporter) process(item *hostspec.Item) (string, []string) {
	_, program, _ := strings.Cut(item.Name, " ")
	e.others(item)
	if !strings.HasPrefix(program, "/") || item.Absent {
		e.leave("process", "which program it runs is not known")
		return "", nil
	}
	return "command(" + quoted("readlink /proc/[0-9]*/exe | grep -qxF \"$(readlink -f "+shellQuoted(program)+")\"") + ")", exits(true)
}

var digits = regexp.MustCompile(`^[0-9]+$`)

func (e *exporter) sysctl(item *hostspec.Item) (string, []string) {
	describe := "linux_kernel_parameter(" + quoted(item.Name) + ")"
	value, ok := e.plain(item, hostspec.ValueAttribute)
	if !ok || item.Absent {
		return describe, nil
	}
	e.others(item, hostspec.ValueAttribute)
	switch words := strings.Fields(value); {
	case digits.MatchString(value):
		return describe, []string{fmt.Sprintf("its(:value) { should eq %s }", strings.TrimLeft(value[:len(value)-1], "0")+value[len(value)-1:])}
	case len(words) > 1:
		for i := range words {
			words[i] = regexp.QuoteMeta(words[i])
		}
		return describe, []string{fmt.Sprintf("its(:value) { should match Regexp.new(%s) }", quoted(`\A`+strings.Join(words, `\s+`)+`\s*\z`))}
	}
	return describe, []string{fmt.Sprintf("its(:value) { should eq %s }", quoted(value))}
}

func (e *exporter) kernelModule(item *hostspec.Item) (string, []string) {
	describe := "kernel_module(" + quoted(item.Name) + ")"
	e.others(item, "loaded", "declared")
	loaded, ok := e.plain(item, "loaded")
	switch {
	case item.Absent || ok && loaded == "false":
		return describe, shouldNot("be_loaded")
	case ok:
		return describe, []string{should("be_loaded")}
	}
	return describe, nil
}

func (e *exporter) mount(item *hostspec.Item) (string, []string) {
	describe := "file(" + quoted(item.Name) + ")"
	if item.Absent || item.Text("mounted") == "false" {
		return describe, shouldNot("be_mounted")
	}
	e.others(item, "type", "source", "declared")
	if kind, ok := e.plain(item, "type"); ok {
		return describe, []string{should("be_mounted.with(type: %s)", quoted(kind))}
	}
	return describe, []string{should("be_mounted")}
}

// command asks whether a program is on the PATH.
func (e *exporter) command(item *hostspec.Item) (string, []string) {
	path, _ := e.plain(item, "path")
	e.others(item, "path", "package", "found", "calledBy")
	return "command(" + quoted("command -v "+shellQuoted(item.Name)) + ")", exits(!item.Absent && path != "")
}
