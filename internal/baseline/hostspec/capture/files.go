package capture

import (
	_ "embed"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Limits of hashing: a file larger than maxHashed is not read, so that one big
// log does not hold up the capture; nor is what is beyond hashBudget in one of
// the folders of roots. Such files are known by their size.
const (
	maxHashed  = 8 << 20
	hashBudget = 24 << 20
	// maxListed bounds the list of one folder of roots, in bytes.
	maxListed = 12 << 20
)

//go:embed files.sh
var filesShared string

//go:embed files_scan.sh
var filesScan string

//go:embed files_hash.sh
var filesHash string

//go:embed files_owned.sh
var filesOwned string

//go:embed files_sums.sh
var filesSums string

//go:embed files_full.sh
var filesFull string

// filesSource: what people did to the files, as the difference to what the
// packages shipped; and the commands that scripts call.
func filesSource() Source {
	return Source{
		Name:  "files",
		Kinds: []hostspec.Kind{hostspec.File, hostspec.Command},
		Files: append([]string{"/etc/passwd", "/etc/group"}, scriptGlobs...),
		ImageFiles: []string{
			"/var/lib/dpkg/status", "/var/lib/dpkg/status.d/*", "/var/lib/dpkg/info/*.list", "/var/lib/dpkg/info/*.md5sums",
			"/var/lib/dpkg/diversions", "/var/lib/ucf/hashfile", "/var/lib/ucf/registry", "/lib/apk/db/installed",
		},
		Commands: []Command{
			{ID: "scan", Script: filesShared + filesScan, Seconds: 30, Bytes: 96 << 20},
			{ID: "hashes", Script: filesShared + filesHash, Seconds: 30, Bytes: 16 << 20},
			{ID: "owned", Script: filesShared + filesOwned, Seconds: 20, Bytes: 32 << 20},
			{ID: "sums", Script: filesShared + filesSums, Seconds: 20, Bytes: 16 << 20},
			{ID: "full", Script: filesFull, FullOnly: true, Seconds: 100, Bytes: 16 << 20},
			{ID: "capabilities", Script: `set -- @PATHS@; getcap -r /usr/local /opt 2>/dev/null; [ -z "$*" ] || getcap "$@" 2>/dev/null; exit 0`},
			{ID: "programs", Script: `for d in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
[ -d "$d" ] && ! [ -h "$d" ] && echo "# $d" && ls "$d"; done
echo '# alternatives'; ls -l /etc/alternatives 2>/dev/null; exit 0`},
		},
		Parse: func(in *Input, out *Builder) {
			tree, owned, known := readTree(in, out)
			if known {
				compareFiles(in, tree, owned, out)
			}
			parseCommands(in, tree, owned, out)
		},
	}
}

//go:embed derived_files.txt
var derivedFiles string

// derivedPatterns are the lines of derived_files.txt, without reasons.
var derivedPatterns = func() []string {
	var patterns []string
	for line := range strings.Lines(derivedFiles) {
		if pattern, _, found := strings.Cut(strings.TrimSpace(line), "\t"); found {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}()

// derived says that a file is left out.
func derived(name string) bool {
	for _, pattern := range derivedPatterns {
		if wild(pattern, name) {
			return true
		}
	}
	return false
}

// wild matches a pattern in which * stands for any text.
func wild(pattern, text string) bool {
	before, rest, found := strings.Cut(pattern, "*")
	if !found {
		return sameBut(pattern, text)
	}
	if len(text) < len(before) || !sameBut(before, text[:len(before)]) {
		return false
	}
	for text = text[len(before):]; ; text = text[1:] {
		if wild(rest, text) {
			return true
		}
		if text == "" {
			return false
		}
	}
}

// sameBut compares texts of the same length; ? stands for any byte.
func sameBut(pattern, text string) bool {
	if len(pattern) != len(text) {
		return false
	}
	for i := range pattern {
		if pattern[i] != text[i] && pattern[i] != '?' {
			return false
		}
	}
	return true
}

// roots are the folders where people change things, as files.sh has them.
var roots = []string{"/etc", "/usr/local", "/opt", "/srv", "/var/www", "/root", "/home", "/var/spool/cron"}

func belowRoots(name string) bool {
	for _, root := range roots {
		if within(name, root) {
			return true
		}
	}
	return false
}

func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder) && name[len(folder)] == '/'
}
