package capture

import (
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"
)

// ownership is which package ships which path, and with what content.
type ownership struct {
	packages map[string]string
	// sums by path, in hex; their length tells the algorithm.
	sums map[string]string
	// known says that there is a package manager that tells.
	known bool
}

func newOwnership() *ownership {
	return &ownership{packages: map[string]string{}, sums: map[string]string{}}
}

// baseFolders are made by base-files and others when they are installed; they
// are in no list.
var baseFolders = []string{
	"/usr/local/bin", "/usr/local/etc", "/usr/local/games", "/usr/local/include", "/usr/local/lib", "/usr/local/sbin",
	"/usr/local/share", "/usr/local/src", "/usr/local/share/man", "/etc/opt", "/etc/python3", "/etc/lighttpd/conf-enabled",
	"/etc/nginx/sites-enabled", "/etc/apache2/sites-enabled",
}

func (o *ownership) addBaseFolders() {
	for _, folder := range baseFolders {
		o.addPath(folder, "base-files")
	}
}

// of gives the package of a path, under either name that the merged /usr gives
// it: /bin/ls is /usr/bin/ls.
func (o *ownership) of(name string) string {
	if pkg := o.packages[name]; pkg != "" {
		return pkg
	}
	return o.packages[otherName(name)]
}

// merged are the folders that the merged /usr turned into links.
var merged = []string{"/bin/", "/sbin/", "/lib/", "/lib64/", "/lib32/"}

func otherName(name string) string {
	short, below := strings.CutPrefix(name, "/usr")
	for _, folder := range merged {
		if strings.HasPrefix(short, folder) {
			if below {
				return short
			}
			return "/usr" + name
		}
	}
	return ""
}

// parseOwned reads the parts that files_owned.sh sends, each under a heading.
func parseOwned(data []byte) *ownership {
	o := newOwnership()
	parts := map[string][]string{}
	heading := ""
	for _, line := range Lines(data) {
		if strings.HasPrefix(line, "# ") {
			heading = line[2:]
			o.known = true
			continue
		}
		parts[heading] = append(parts[heading], line)
	}
	for _, line := range parts["dpkg lists"] {
		if file, name, found := strings.Cut(line, ".list:"); found {
			o.addPath(name, file)
		}
	}
	for _, line := range parts["dpkg sums"] {
		if file, sum, found := strings.Cut(line, ".md5sums:"); found {
			o.addSum(sum, "/", file)
		}
	}
	o.readConffiles(parts["dpkg conffiles"])
	o.readUCF(parts["ucf"], parts["ucf registry"])
	o.readDiversions(parts["dpkg diversions"])
	o.readApk(parts["apk"])
	o.readRPM(parts["rpm"])
	o.addBaseFolders()
	return o
}

// ownershipOfImage reads the same from the databases themselves.
func ownershipOfImage(in *Input) *ownership {
	o := newOwnership()
	lines := func(name string) []string {
		data, err := in.Read(name)
		o.known = o.known || err == nil
		return Lines(data)
	}
	for _, file := range in.Glob("/var/lib/dpkg/info/*.list") {
		for _, line := range lines(file) {
			o.addPath(line, strings.TrimSuffix(path.Base(file), ".list"))
		}
	}
	for _, file := range in.Glob("/var/lib/dpkg/info/*.md5sums", "/var/lib/dpkg/status.d/*.md5sums") {
		for _, line := range lines(file) {
			o.addSum(line, "/", strings.TrimSuffix(path.Base(file), ".md5sums"))
		}
	}
	o.readConffiles(lines("/var/lib/dpkg/status"))
	o.readUCF(lines("/var/lib/ucf/hashfile"), lines("/var/lib/ucf/registry"))
	o.readDiversions(lines("/var/lib/dpkg/diversions"))
	o.readApk(lines("/lib/apk/db/installed"))
	o.addBaseFolders()
	return o
}

// addPath takes in a line of a package's list, whose name may say an
// architecture.
func (o *ownership) addPath(name, pkg string) {
	pkg, _, _ = strings.Cut(pkg, ":")
	if name != "/." && o.packages[name] == "" {
		o.packages[name] = pkg
	}
}

// addSum takes in a line "sum  path", the path below prefix.
func (o *ownership) addSum(line, prefix, pkg string) {
	sum, name, found := strings.Cut(line, " ")
	if !found || len(name) < 2 {
		return
	}
	name = prefix + name[1:]
	o.sums[name] = sum
	o.addPath(name, pkg)
}

// readConffiles reads the field Conffiles of dpkg's status: " /path md5
// [obsolete]". Files of packages that are not installed, and obsolete ones, are
// nobody's.
func (o *ownership) readConffiles(lines []string) {
	pkg, installed := "", false
	for _, line := range lines {
		if name, found := strings.CutPrefix(line, "Package: "); found {
			pkg, installed = name, true
			continue
		}
		if status, found := strings.CutPrefix(line, "Status: "); found {
			installed = strings.HasSuffix(status, " installed")
			continue
		}
		f := strings.Fields(line)
		if !strings.HasPrefix(line, " /") || len(f) < 2 || !installed || len(f[1]) != 32 {
			continue
		}
		if len(f) > 2 && (f[2] == "obsolete" || f[2] == "remove-on-upgrade") {
			delete(o.packages, f[0])
			continue
		}
		o.packages[f[0]] = pkg
		o.sums[f[0]] = f[1]
	}
}

// readUCF reads ucf(1)'s record of the configuration files that maintainer
// scripts put in place.
func (o *ownership) readUCF(hashes, registry []string) {
	for _, line := range registry {
		if f := strings.Fields(line); len(f) == 2 {
			o.packages[f[1]] = f[0]
		}
	}
	for _, line := range hashes {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[1], "/") {
			o.sums[f[1]] = f[0]
			if o.packages[f[1]] == "" {
				o.packages[f[1]] = "ucf"
			}
		}
	}
}

// readDiversions reads dpkg-divert(1)'s three lines each: a file, where it went,
// for which package. What the owner ships is at the new place.
func (o *ownership) readDiversions(lines []string) {
	for ; len(lines) >= 3; lines = lines[3:] {
		from, to := lines[0], lines[1]
		if pkg := o.packages[from]; pkg != "" {
			o.packages[to] = pkg
			if sum := o.sums[from]; sum != "" {
				o.sums[to] = sum
				delete(o.sums, from)
			}
		}
	}
}

// readApk reads folders (F), files (R) and their SHA-1 (Z) of apk's database.
func (o *ownership) readApk(lines []string) {
	var pkg, folder, name string
	for _, line := range lines {
		field, value, _ := strings.Cut(line, ":")
		switch field {
		case "P":
			pkg = value
		case "F":
			folder = "/" + value
			o.addPath(folder, pkg)
		case "R":
			name = path.Join(folder, value)
			o.addPath(name, pkg)
		case "Z":
			if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Q1")); err == nil && len(sum) == 20 {
				o.sums[name] = hex.EncodeToString(sum)
			}
		}
	}
}

// readRPM reads lines "name, digest, path", between tabs. The digest is SHA-256
// on all systems that still get updates; folders and links have none.
func (o *ownership) readRPM(lines []string) {
	for _, line := range lines {
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 {
			continue
		}
		o.addPath(f[2], f[0])
		if len(f[1]) == 64 {
			o.sums[f[2]] = f[1]
		}
	}
}
