package capture

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

const sshdConfig = "/etc/ssh/sshd_config"

// sshdSource: what sshd would do with a connection that no Match block is for,
// and those blocks.
func sshdSource() Source {
	return Source{
		Name:  "sshd",
		Kinds: []hostspec.Kind{hostspec.SSHD},
		Files: []string{sshdConfig, "/etc/ssh/sshd_config.d/*.conf", "/etc/ssh/sshd_config.d/*"},
		Commands: []Command{{ID: "effective", Script: `s=$(command -v sshd) || exit 127
exec "$s" -T`}},
		Parse: parseSSHD,
	}
}

func parseSSHD(in *Input, out *Builder) {
	content, err := in.Read(sshdConfig)
	if missing(err) {
		return
	}
	explicit := &sshdFile{in: in, set: map[string][]string{}}
	if err != nil {
		out.Unknown(hostspec.SSHD, err.Error())
		return
	}
	explicit.read(sshdConfig, string(content), 0)
	effective, err := in.Command("effective")
	if err == nil && effective.Exit != 0 {
		err = errors.New("sshd -T: " + lastLine(effective.Stderr))
	}
	if err == nil {
		values := sshdValues(string(effective.Stdout))
		for keyword, list := range values {
			_, set := explicit.set[keyword]
			out.Add(hostspec.SSHD, keyword, sshdValue(list), Flag("default", !set))
		}
	} else {
		out.Unknown(hostspec.SSHD, "values that no file sets are unknown: "+err.Error())
		for keyword, list := range explicit.set {
			out.Add(hostspec.SSHD, keyword, sshdValue(list))
		}
	}
	for _, match := range explicit.matches {
		out.Value(hostspec.SSHD, match.name, hostspec.List(match.lines...))
	}
}

func sshdValue(list []string) hostspec.Attribute {
	if len(list) == 1 {
		return Text(hostspec.ValueAttribute, list[0])
	}
	return List(hostspec.ValueAttribute, list)
}

// sshdValues reads the output of sshd -T: keyword and value, once for each
// value.
func sshdValues(output string) map[string][]string {
	values := map[string][]string{}
	for line := range strings.Lines(output) {
		keyword, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if found {
			values[keyword] = append(values[keyword], strings.TrimSpace(value))
		}
	}
	return values
}

// sshdFile reads sshd_config(5): what is explicit. It stands for the effective
// values where sshd cannot be asked, and tells defaults apart where it can.
type sshdFile struct {
	in      *Input
	set     map[string][]string
	matches []*sshdMatch
	match   *sshdMatch
}

type sshdMatch struct {
	name  string
	lines []string
}

// Keywords of which each line counts, with one value or several; of others the
// first line counts.
var (
	sshdRepeated = []string{"hostcertificate", "hostkey", "listenaddress", "port", "setenv", "subsystem"}
	sshdLists    = []string{"acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "permitlisten", "permitopen"}
)

// sshdAliases are old names of keywords.
var sshdAliases = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication", "skeyauthentication": "kbdinteractiveauthentication",
	"dsaauthentication": "pubkeyauthentication", "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
	"hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
}

func (f *sshdFile) read(name, content string, depth int) {
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		keyword, value := sshdLine(line)
		switch {
		case keyword == "include" && depth < 16:
			f.include(value, depth)
		case keyword == "match":
			f.match = &sshdMatch{name: "match " + value}
			if strings.EqualFold(value, "all") {
				f.match = nil
			} else {
				f.matches = append(f.matches, f.match)
			}
		case f.match != nil:
			f.match.lines = append(f.match.lines, keyword+" "+value)
		case slices.Contains(sshdLists, keyword):
			f.set[keyword] = append(f.set[keyword], strings.Fields(value)...)
		case len(f.set[keyword]) == 0 || slices.Contains(sshdRepeated, keyword):
			f.set[keyword] = append(f.set[keyword], value)
		}
	}
	if depth > 0 {
		f.match = nil // a block ends with its file: sshd_config(5), Include
	}
}

func (f *sshdFile) include(patterns string, depth int) {
	outer := f.match
	for pattern := range strings.FieldsSeq(patterns) {
		if !path.IsAbs(pattern) {
			pattern = path.Join("/etc/ssh", pattern)
		}
		for _, name := range f.in.Glob(pattern) {
			if content, err := f.in.Read(name); err == nil {
				f.read(name, string(content), depth+1)
			}
			f.match = outer
		}
	}
}

// sshdLine splits a line into the keyword in lower case and its value, between
// them white space or one equals sign.
func sshdLine(line string) (keyword, value string) {
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), ""
	}
	keyword = strings.ToLower(line[:end])
	value = strings.TrimLeft(line[end:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	if alias, old := sshdAliases[keyword]; old {
		keyword = alias
	}
	value = strings.Join(strings.Fields(strings.Trim(value, `"`)), " ")
	if keyword == "permitrootlogin" && value == "prohibit-password" {
		value = "without-password" // its old name, which sshd itself gives
	}
	return keyword, value
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
