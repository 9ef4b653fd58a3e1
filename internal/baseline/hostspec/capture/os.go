package capture

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// osSource: which operating system and kernel this is.
func osSource() Source {
	return Source{
		Name:  "os",
		Kinds: []hostspec.Kind{hostspec.OS},
		Files: []string{"/etc/os-release", "/usr/lib/os-release", "/etc/debian_version", "/etc/alpine-release"},
		Commands: []Command{
			{ID: "uname", Script: "uname -s; uname -r; uname -m"},
		},
		Parse: parseOS,
	}
}

func parseOS(in *Input, out *Builder) {
	parseRelease(in, out)
	if in.Image {
		if in.config.Architecture != "" {
			out.Value(hostspec.OS, "arch", hostspec.Text(in.config.Architecture))
		}
		out.Value(hostspec.OS, "kernel", hostspec.UnknownBecause(ErrNotObservable.Error()))
		return
	}
	uname, err := in.Command("uname")
	lines := strings.Split(strings.TrimSpace(string(uname.Stdout)), "\n")
	if err == nil && len(lines) != 3 {
		err = errors.New("uname says nothing")
	}
	if err != nil {
		out.Value(hostspec.OS, "kernel", hostspec.UnknownBecause(err.Error()))
		return
	}
	out.Value(hostspec.OS, "kernel", hostspec.Text(lines[0]+" "+lines[1]))
	out.Value(hostspec.OS, "arch", hostspec.Text(lines[2]))
}

// parseRelease reads os-release(5).
func parseRelease(in *Input, out *Builder) {
	release, err := in.Read("/etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		release, err = in.Read("/usr/lib/os-release")
	}
	if err != nil {
		out.Value(hostspec.OS, "id", hostspec.UnknownBecause(err.Error()))
		return
	}
	values := Assignments(release)
	for _, field := range []struct{ name, key string }{
		{"id", "ID"}, {"version", "VERSION_ID"}, {"codename", "VERSION_CODENAME"}, {"name", "PRETTY_NAME"},
	} {
		if value := values[field.key]; value != "" {
			out.Value(hostspec.OS, field.name, hostspec.Text(value))
		}
	}
	if point, err := in.Read("/etc/debian_version"); err == nil {
		out.Value(hostspec.OS, "release", hostspec.Text(strings.TrimSpace(string(point))))
	}
}
