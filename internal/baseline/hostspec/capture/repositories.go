package capture

import (
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// repositoriesSource: where packages come from.
func repositoriesSource() Source {
	return Source{
		Name:  "repositories",
		Kinds: []hostspec.Kind{hostspec.Repository},
		Files: []string{
			"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources",
			"/etc/yum.repos.d/*.repo", "/etc/apk/repositories",
		},
		Parse: func(in *Input, out *Builder) {
			for _, file := range in.Glob("/etc/apt/**", "/etc/yum.repos.d/*", "/etc/apk/*") {
				data, err := in.Read(file)
				switch {
				case err != nil:
					out.Unknown(hostspec.Repository, err.Error())
				case strings.HasSuffix(file, ".sources"):
					parseDeb822(data, file, out)
				case strings.HasSuffix(file, ".list"):
					parseSourcesList(data, file, out)
				case strings.HasSuffix(file, ".repo"):
					parseYumRepo(data, file, out)
				case file == "/etc/apk/repositories":
					parseApkRepositories(data, file, out)
				}
			}
		},
	}
}

// parseSourcesList reads the one-line form of sources.list(5).
func parseSourcesList(data []byte, file string, out *Builder) {
	for _, line := range ConfigLines(data) {
		kind, rest, _ := strings.Cut(line, " ")
		signedBy := ""
		if options, after, found := strings.Cut(strings.TrimSpace(rest), "]"); found && strings.HasPrefix(options, "[") {
			rest = after
			for _, option := range strings.Fields(options[1:]) {
				if value, found := strings.CutPrefix(option, "signed-by="); found {
					signedBy = value
				}
			}
		}
		words := strings.Fields(rest)
		if kind != "deb" || len(words) < 2 {
			continue
		}
		addRepository(out, words[0], words[1], words[2:], signedBy, file)
	}
}

// parseDeb822 reads the form of stanzas of sources.list(5).
func parseDeb822(data []byte, file string, out *Builder) {
	for stanza := range strings.SplitSeq(string(data), "\n\n") {
		fields := map[string]string{}
		name := ""
		for _, line := range Lines([]byte(stanza)) {
			switch key, value, found := strings.Cut(line, ":"); {
			case strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, " ") && name != "":
				fields[name] += " " + strings.TrimSpace(line)
			case found:
				name = strings.ToLower(key)
				fields[name] = strings.TrimSpace(value)
			}
		}
		if !strings.Contains(" "+fields["types"]+" ", " deb ") || fields["enabled"] == "no" {
			continue
		}
		signedBy := fields["signed-by"]
		if !strings.HasPrefix(signedBy, "/") && signedBy != "" {
			signedBy = "a key in the file"
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			for _, suite := range strings.Fields(fields["suites"]) {
				addRepository(out, uri, suite, strings.Fields(fields["components"]), signedBy, file)
			}
		}
	}
}

func addRepository(out *Builder, uri, suite string, components []string, signedBy, file string) {
	out.Add(hostspec.Repository, strings.TrimSpace(out.Redacted(uri)+" "+suite),
		List("components", components), Optional("signedBy", signedBy), Text("file", file))
}

// parseYumRepo reads the files of yum.repos.d, which are INI; see dnf.conf(5).
func parseYumRepo(data []byte, file string, out *Builder) {
	section, fields := "", map[string]string{}
	flush := func() {
		uri := fields["baseurl"] + fields["mirrorlist"] + fields["metalink"]
		if section != "" && fields["enabled"] != "0" {
			addRepository(out, uri, section, nil, fields["gpgkey"], file)
		}
		fields = map[string]string{}
	}
	for _, line := range ConfigLines(data) {
		if strings.HasPrefix(line, "[") {
			flush()
			section = strings.Trim(line, "[]")
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	flush()
}

func parseApkRepositories(data []byte, file string, out *Builder) {
	for _, line := range ConfigLines(data) {
		if tag, rest, found := strings.Cut(line, " "); found && strings.HasPrefix(tag, "@") {
			addRepository(out, strings.TrimSpace(rest), tag, nil, "", file)
			continue
		}
		addRepository(out, line, "", nil, "", file)
	}
}
