package capture

import (
	"errors"
	"path"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// systemSource: host name, time zone, locale, resolver, hosts file.
func systemSource() Source {
	return Source{
		Name:  "system",
		Kinds: []hostspec.Kind{hostspec.System, hostspec.HostEntry},
		Files: []string{
			"/etc/hostname", "/etc/timezone", "/etc/default/locale", "/etc/locale.conf", "/etc/default/keyboard",
			"/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts",
		},
		Commands: []Command{
			{ID: "localtime", Script: "readlink /etc/localtime || [ ! -e /etc/localtime ] || echo custom"},
			{ID: "locales", Script: "locale -a"},
		},
		Parse: func(in *Input, out *Builder) {
			parseHostname(in, out)
			parseTimezone(in, out)
			parseLocale(in, out)
			parseResolver(in, out)
			parseHosts(in, out)
		},
	}
}

func parseHostname(in *Input, out *Builder) {
	if in.Image {
		return
	}
	out.Value(hostspec.System, "hostname", hostspec.Text(in.Host))
	// The configured name matters only where it differs from the one in use.
	data, err := in.Read("/etc/hostname")
	if configured := strings.TrimSpace(string(data)); err == nil && configured != in.Host {
		out.Value(hostspec.System, "hostname.configured", hostspec.Text(configured))
	}
}

// parseTimezone follows localtime(5): the link says the zone; Debian's
// /etc/timezone is what remains in an image.
func parseTimezone(in *Input, out *Builder) {
	link, err := in.Command("localtime")
	zone := strings.TrimSpace(string(link.Stdout))
	if in.Image && in.link("/etc/localtime") != "" {
		zone, err = in.link("/etc/localtime"), nil
	}
	if err == nil && zone != "custom" {
		if _, name, found := strings.Cut(zone, "zoneinfo/"); found {
			zone = name
		}
		if zone == "" {
			zone = "UTC"
		}
		out.Value(hostspec.System, "timezone", hostspec.Text(zone))
		return
	}
	if file, fileErr := in.Read("/etc/timezone"); fileErr == nil {
		out.Value(hostspec.System, "timezone", hostspec.Text(strings.TrimSpace(string(file))))
		return
	}
	if err == nil {
		err = errors.New("/etc/localtime is a file of its own")
	}
	if !in.Image {
		out.Value(hostspec.System, "timezone", hostspec.UnknownBecause(err.Error()))
	}
}

func parseLocale(in *Input, out *Builder) {
	for _, file := range in.Glob("/etc/default/locale", "/etc/locale.conf", "/etc/default/keyboard") {
		data, err := in.Read(file)
		if err != nil {
			continue
		}
		prefix := "locale."
		if path.Base(file) == "keyboard" {
			prefix = "keyboard."
		}
		values := Assignments(data)
		for _, name := range sortedKeys(values) {
			out.Value(hostspec.System, prefix+name, hostspec.Text(values[name]))
		}
	}
	if available, err := in.Command("locales"); err == nil && available.Exit == 0 {
		out.Value(hostspec.System, "locales", hostspec.List(unique(Lines(available.Stdout))...))
	}
}

// parseResolver reads resolv.conf(5) and nsswitch.conf(5).
func parseResolver(in *Input, out *Builder) {
	settings := map[string][]string{}
	if data, err := in.Read("/etc/resolv.conf"); err == nil {
		for _, line := range ConfigLines(data) {
			if words := strings.Fields(line); len(words) > 1 && !strings.HasPrefix(line, ";") {
				if words[0] != "nameserver" {
					delete(settings, words[0]) // the last one counts, but for name servers
				}
				settings[words[0]] = append(settings[words[0]], words[1:]...)
			}
		}
	} else if !missing(err) {
		out.Value(hostspec.System, "resolver.nameserver", hostspec.UnknownBecause(err.Error()))
	}
	for _, name := range sortedKeys(settings) {
		out.Value(hostspec.System, "resolver."+name, hostspec.List(settings[name]...))
	}
	if data, err := in.Read("/etc/nsswitch.conf"); err == nil {
		for _, line := range ConfigLines(data) {
			if database, sources, found := strings.Cut(line, ":"); found {
				out.Value(hostspec.System, "nsswitch."+strings.TrimSpace(database), hostspec.Text(strings.Join(strings.Fields(sources), " ")))
			}
		}
	}
}

// parseHosts reads hosts(5); lines of the same address add up.
func parseHosts(in *Input, out *Builder) {
	data, err := in.Read("/etc/hosts")
	if err != nil {
		if !missing(err) {
			out.Unknown(hostspec.HostEntry, err.Error())
		}
		return
	}
	names := map[string][]string{}
	for _, line := range ConfigLines(data) {
		if words := strings.Fields(line); len(words) > 1 {
			names[words[0]] = append(names[words[0]], words[1:]...)
		}
	}
	for _, address := range sortedKeys(names) {
		out.Add(hostspec.HostEntry, address, List("names", names[address]))
	}
}
