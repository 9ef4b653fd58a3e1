package capture

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// entry is a file of the target, of any type.
type entry struct {
	path string
	// kind is as find prints types: f, d, l, p, s, b, c.
	kind byte
	// mode are the permission bits, with setuid, setgid and sticky.
	mode     int64
	uid, gid string
	size     int64
	link     string
	sha256   string
	// sums in the algorithms of package managers, if a package ships it.
	sums         []string
	capabilities string
}

// tree is the files by path.
type tree map[string]*entry

// readTree joins what the sections, or the layers of an image, say of files.
// Where they cannot, it says so and gives false.
func readTree(in *Input, out *Builder) (tree, *ownership, bool) {
	if in.Image {
		return in.tree, ownershipOfImage(in), true
	}
	scan, err := in.Command("scan")
	if err != nil {
		out.Unknown(hostspec.File, "listing files: "+err.Error())
	}
	t, cut := parseScan(scan.Stdout)
	if len(cut) > 0 {
		out.Unknown(hostspec.File, fmt.Sprintf("too many files to list: %s, beyond the second level", strings.Join(cut, ", ")))
	}
	owned, ownedErr := in.Command("owned")
	if ownedErr != nil {
		out.Unknown(hostspec.File, "asking which package ships which file: "+ownedErr.Error())
	}
	sums, sumsErr := in.Command("sums")
	hashes, hashErr := in.Command("hashes")
	if err := errors.Join(sumsErr, hashErr); err != nil {
		out.Unknown(hostspec.File, "hashing files: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	eachSum(sums.Stdout, func(name, sum string) {
		if e := t[name]; e != nil {
			e.sums = append(e.sums, sum)
		}
	})
	eachSum(hashes.Stdout, func(name, sum string) {
		if e := t[name]; e != nil {
			e.sha256 = sum
		} else if isTemplate(name) {
			t[name] = &entry{path: name, kind: 'f', sha256: sum}
		}
	})
	readCapabilities(in, t)
	if in.UID != 0 && err == nil {
		unreadableFolders(in, t, out)
	}
	return t, parseOwned(owned.Stdout), err == nil && ownedErr == nil
}

// parseScan reads what files_scan.sh sends: headings, and three texts a file,
// each ended by NUL: "type mode uid gid size", path, link target. Of a folder
// whose full list was cut short, named in the result, only the shallow one
// counts.
func parseScan(data []byte) (t tree, cut []string) {
	t = tree{}
	parts := strings.Split(string(data), "\x00# ")
	for i, part := range parts {
		heading, list, _ := strings.Cut(part, "\x00")
		if i == 0 {
			continue
		}
		word, root, _ := strings.Cut(heading, " ")
		if word == "deep" && len(list) >= maxListed {
			cut = append(cut, root)
			continue
		}
		parseEntries(list, t)
	}
	return t, cut
}

func parseEntries(list string, t tree) {
	texts := strings.Split(list, "\x00")
	for ; len(texts) > 3; texts = texts[3:] {
		f := strings.Fields(texts[0])
		if len(f) != 5 || len(f[0]) != 1 || !strings.HasPrefix(texts[1], "/") {
			continue
		}
		e := &entry{path: texts[1], kind: f[0][0], uid: f[2], gid: f[3], link: texts[2]}
		e.size, _ = strconv.ParseInt(f[4], 10, 64)
		if e.kind == 'x' { // stat of BusyBox
			raw, _ := strconv.ParseInt(f[1], 16, 64)
			e.kind, e.mode = kindOf(raw), raw&0o7777
		} else {
			e.mode, _ = strconv.ParseInt(f[1], 8, 64)
		}
		t[e.path] = e
	}
}

// isTemplate says that a file is what new homes are made of.
func isTemplate(name string) bool {
	return strings.HasPrefix(name, "/etc/skel/") || strings.HasPrefix(name, "/usr/share/base-files/dot.")
}

// kindOf reads the type bits of st_mode; see inode(7).
func kindOf(mode int64) byte {
	switch mode & 0o170000 {
	case 0o040000:
		return 'd'
	case 0o120000:
		return 'l'
	case 0o100000:
		return 'f'
	case 0o010000:
		return 'p'
	case 0o140000:
		return 's'
	case 0o060000:
		return 'b'
	}
	return 'c'
}

// eachSum reads what sha256sum and its like print. A backslash before the line
// says that the name is escaped.
func eachSum(data []byte, give func(name, sum string)) {
	for _, line := range Lines(data) {
		line, escaped := strings.CutPrefix(line, `\`)
		sum, name, found := strings.Cut(line, " ")
		if !found || len(name) < 2 {
			continue
		}
		name = name[1:]
		if escaped {
			name = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(name)
		}
		give(name, sum)
	}
}

// readCapabilities reads getcap -r: "/usr/bin/ping cap_net_raw=ep", with " ="
// before the set in older versions.
func readCapabilities(in *Input, t tree) {
	answer, _ := in.Command("capabilities")
	for _, line := range Lines(answer.Stdout) {
		at := strings.LastIndex(line, " cap_")
		if at < 0 {
			continue
		}
		if e := t[strings.TrimSuffix(line[:at], " =")]; e != nil {
			e.capabilities = line[at+1:]
		}
	}
}

// unreadableFolders says what somebody who is not root could not look into: a
// folder that shows no entries and gives no permission to others.
func unreadableFolders(in *Input, t tree, out *Builder) {
	filled := map[string]bool{}
	for name := range t {
		filled[path.Dir(name)] = true
	}
	var shut []string
	for name, e := range t {
		if e.kind == 'd' && !filled[name] && e.uid != strconv.Itoa(in.UID) && e.mode&0o005 != 0o005 {
			shut = append(shut, name)
		}
	}
	if shut = unique(shut); len(shut) > 0 {
		reason := in.denied(shut[0]).Error()
		if len(shut) > 1 {
			reason += fmt.Sprintf(" and %d more folders", len(shut)-1)
		}
		out.Unknown(hostspec.File, reason)
	}
}
