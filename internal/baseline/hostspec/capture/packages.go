package capture

import (
	"errors"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// packagesSource: packages of dpkg, rpm and apk.
func packagesSource() Source {
	return Source{
		Name:  "packages",
		Kinds: []hostspec.Kind{hostspec.Package},
		Files: []string{
			"/var/lib/apt/extended_states", "/lib/apk/db/installed", "/etc/apk/world",
			"/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list",
		},
		ImageFiles: []string{"/var/lib/dpkg/status", "/var/lib/dpkg/status.d/*", "/var/lib/rpm/*", "/usr/lib/sysimage/rpm/*"},
		Commands: []Command{
			{ID: "dpkg", Script: `[ -e /var/lib/dpkg/status ] || exit 127
grep -E '^(Package|Status|Version|Architecture):' /var/lib/dpkg/status`},
			// Lists of small repositories; those of whole distributions would
			// take longer than all the rest.
			{ID: "lists", Script: `find /var/lib/apt/lists -maxdepth 1 -name '*_Packages' -size -4000k 2>/dev/null | sort | while IFS= read -r f; do
echo "List: ${f##*/}"; grep -E '^(Package|Version):' "$f"; done`},
			{ID: "rpm", Script: `rpm --version >/dev/null 2>&1 || exit 127
rpm -qa --qf '%{NAME}\t%{EPOCH}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{VENDOR}\n'`},
		},
		Parse: parsePackages,
	}
}

func parsePackages(in *Input, out *Builder) {
	found := parseDpkg(in, out)
	found = parseApk(in, out) || found
	found = parseRPM(in, out) || found
	if !found {
		out.Unknown(hostspec.Package, "no package database of dpkg, rpm or apk")
	}
}

// parseDpkg reads the status file of dpkg(1), or the part that the collector
// sent. Only installed packages count.
func parseDpkg(in *Input, out *Builder) bool {
	status, found := dpkgStatus(in, out)
	if !found {
		return false
	}
	automatic := automaticMarks(in)
	origins := origins(in)
	stanzas := parseStanzas(status)
	native := ""
	for _, s := range stanzas {
		if s["Package"] == "dpkg" {
			native = s["Architecture"]
		}
	}
	for _, s := range stanzas {
		want, installed := strings.CutSuffix(s["Status"], " ok installed")
		if s["Status"] != "" && !installed {
			continue
		}
		name, arch := s["Package"], s["Architecture"]
		shown := name
		if arch != "all" && arch != native && native != "" {
			shown += ":" + arch
		}
		manual := automatic != nil && !automatic[name+" "+arch] && !automatic[name+" "+native]
		out.Add(hostspec.Package, shown,
			Text("version", s["Version"]), Optional("arch", arch), Text("manager", "dpkg"),
			Optional("origin", origins[name+" "+s["Version"]]), Flag("manual", manual), Flag("hold", want == "hold"))
	}
	return true
}

func dpkgStatus(in *Input, out *Builder) (status []byte, found bool) {
	if !in.Image {
		answer, err := in.Command("dpkg")
		if err != nil && !errors.Is(err, ErrNotInstalled) || err == nil && answer.Exit > 1 {
			out.Unknown(hostspec.Package, "reading dpkg's database: "+reason(answer, err))
			return nil, true
		}
		return answer.Stdout, err == nil
	}
	for _, file := range in.Glob("/var/lib/dpkg/status", "/var/lib/dpkg/status.d/*") {
		if strings.HasSuffix(file, ".md5sums") {
			continue
		}
		data, err := in.Read(file)
		if err != nil {
			out.Unknown(hostspec.Package, err.Error())
			return nil, true
		}
		status = append(append(status, data...), "\n\n"...)
		found = true
	}
	return status, found
}

// reason says why a command's answer is of no use.
func reason(out Output, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case out.Stderr != "":
		return strings.Join(strings.Fields(out.Stderr), " ")
	}
	return "it says nothing"
}

// parseStanzas reads fields of Debian control files; each stanza begins with
// Package. Continuation lines are passed over.
func parseStanzas(data []byte) []map[string]string {
	var stanzas []map[string]string
	for _, line := range Lines(data) {
		name, value, found := strings.Cut(line, ":")
		switch {
		case !found || strings.HasPrefix(line, " "):
			continue
		case name == "Package":
			stanzas = append(stanzas, map[string]string{})
		case len(stanzas) == 0:
			continue
		}
		switch name {
		case "Package", "Status", "Version", "Architecture", "Auto-Installed":
			stanzas[len(stanzas)-1][name] = strings.TrimSpace(value)
		}
	}
	return stanzas
}

// automaticMarks gives what apt installed as dependencies, or nil where apt
// keeps no marks.
func automaticMarks(in *Input) map[string]bool {
	data, err := in.Read("/var/lib/apt/extended_states")
	if err != nil {
		return nil
	}
	marks := map[string]bool{}
	for _, s := range parseStanzas(data) {
		if s["Auto-Installed"] == "1" {
			marks[s["Package"]+" "+s["Architecture"]] = true
		}
	}
	return marks
}

// origins gives the repository by package and version, from the lists that are
// small enough. Their file names are the repositories' URIs.
func origins(in *Input) map[string]string {
	answer, _ := in.Command("lists")
	origins := map[string]string{}
	list, name := "", ""
	for _, line := range Lines(answer.Stdout) {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "List":
			list = repositoryOf(value)
		case "Package":
			name = value
		case "Version":
			if key := name + " " + value; origins[key] == "" {
				origins[key] = list
			}
		}
	}
	return origins
}

func repositoryOf(list string) string {
	uri, suite, found := strings.Cut(list, "_dists_")
	uri = strings.ReplaceAll(uri, "_", "/")
	if !found {
		return strings.TrimSuffix(uri, "/Packages")
	}
	suite, _, _ = strings.Cut(suite, "_binary-")
	suite, _, _ = strings.Cut(suite, "_")
	return uri + " " + suite
}

// parseApk reads apk's database: https://wiki.alpinelinux.org/wiki/Apk_spec.
func parseApk(in *Input, out *Builder) bool {
	data, err := in.Read("/lib/apk/db/installed")
	if missing(err) {
		return false
	}
	if err != nil {
		out.Unknown(hostspec.Package, err.Error())
		return true
	}
	manual, pinned := apkWorld(in)
	var name, version, arch string
	for _, line := range append(Lines(data), "") {
		switch field, value, _ := strings.Cut(line, ":"); {
		case line == "" && name != "":
			out.Add(hostspec.Package, name, Text("version", version), Optional("arch", arch), Text("manager", "apk"),
				Flag("manual", manual[name]), Flag("hold", pinned[name]))
			name, version, arch = "", "", ""
		case field == "P":
			name = value
		case field == "V":
			version = value
		case field == "A":
			arch = value
		}
	}
	return true
}

// apkWorld gives what was asked for, and what is pinned to a version.
func apkWorld(in *Input) (manual, pinned map[string]bool) {
	manual, pinned = map[string]bool{}, map[string]bool{}
	data, _ := in.Read("/etc/apk/world")
	for _, word := range strings.Fields(string(data)) {
		name := word
		if i := strings.IndexAny(word, "=<>~@"); i >= 0 {
			name = word[:i]
		}
		manual[name], pinned[name] = true, strings.Contains(word, "=")
	}
	return manual, pinned
}

func parseRPM(in *Input, out *Builder) bool {
	if in.Image {
		if len(in.Glob("/var/lib/rpm/*", "/usr/lib/sysimage/rpm/*")) == 0 {
			return false
		}
		out.Unknown(hostspec.Package, "rpm's database can only be read by the rpm of a running host")
		return true
	}
	answer, err := in.Command("rpm")
	if errors.Is(err, ErrNotInstalled) || err == nil && answer.Exit == 0 && len(answer.Stdout) == 0 {
		return false
	}
	if err != nil || answer.Exit != 0 {
		out.Unknown(hostspec.Package, "asking rpm: "+reason(answer, err))
		return true
	}
	locked := rpmLocks(in)
	versions := map[string][]string{}
	attributes := map[string][]hostspec.Attribute{}
	for _, line := range Lines(answer.Stdout) {
		fields := strings.Split(line, "\t")
		if len(fields) != 5 || fields[0] == "gpg-pubkey" {
			continue
		}
		version := fields[2]
		if fields[1] != "(none)" && fields[1] != "0" {
			version = fields[1] + ":" + version
		}
		name := fields[0]
		versions[name] = append(versions[name], version)
		attributes[name] = []hostspec.Attribute{
			Text("arch", fields[3]), Text("manager", "rpm"), Optional("origin", strings.TrimPrefix(fields[4], "(none)")), Flag("hold", locked[name]),
		}
	}
	for _, name := range sortedKeys(versions) {
		version := Text("version", versions[name][0])
		if len(versions[name]) > 1 { // kernels are installed side by side
			version = List("version", unique(versions[name]))
		}
		out.Add(hostspec.Package, name, append([]hostspec.Attribute{version}, attributes[name]...)...)
	}
	return true
}

// rpmEpoch stands before the name in the lists of yum.
var rpmEpoch = regexp.MustCompile(`^\d+:`)

// rpmLocks gives the names in the lists of the versionlock plugins: lines
// "name-epoch:version-release.*", for yum with the epoch in front.
func rpmLocks(in *Input) map[string]bool {
	locked := map[string]bool{}
	for _, file := range in.Glob("/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list") {
		data, _ := in.Read(file)
		for _, line := range ConfigLines(data) {
			name := rpmEpoch.ReplaceAllString(line, "")
			for range 2 { // release and version
				name = name[:max(0, strings.LastIndexByte(name, '-'))]
			}
			locked[name] = true
		}
	}
	return locked
}
