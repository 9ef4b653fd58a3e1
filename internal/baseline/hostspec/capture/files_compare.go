package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// States of a file, against what the packages shipped.
const (
	stateChanged   = "changed"
	stateUnmanaged = "unmanaged"
	stateMissing   = "missing"
	stateManaged   = "managed"
	stateAbsent    = "absent"
)

// fileCompare turns a tree into items.
type fileCompare struct {
	in            *Input
	out           *Builder
	tree          tree
	owned         *ownership
	users, groups map[string]string
	children      map[string][]string
	skeleton      map[string]bool
}

func compareFiles(in *Input, t tree, owned *ownership, out *Builder) {
	c := &fileCompare{
		in: in, out: out, tree: t, owned: owned,
		users: namesByID(in, "/etc/passwd"), groups: namesByID(in, "/etc/group"),
		children: map[string][]string{}, skeleton: map[string]bool{},
	}
	for name, e := range t {
		if belowRoots(name) && !slices.Contains(roots, name) && !derived(name) {
			c.children[path.Dir(name)] = append(c.children[path.Dir(name)], name)
		}
		if isTemplate(name) && e.sha256 != "" {
			c.skeleton[e.sha256] = true
		}
	}
	for _, names := range c.children {
		slices.Sort(names)
	}
	for _, root := range roots {
		c.folder(root)
	}
	c.missing()
	c.asked()
	c.full()
}

// namesByID reads passwd(5) or group(5).
func namesByID(in *Input, file string) map[string]string {
	names := map[string]string{}
	data, _ := in.Read(file)
	for _, line := range Lines(data) {
		if f := strings.SplitN(line, ":", 4); len(f) == 4 && names[f[2]] == "" {
			names[f[2]] = f[0]
		}
	}
	return names
}

// folder writes what differs among the entries of a folder that a package owns,
// or of a root.
func (c *fileCompare) folder(name string) {
	for _, child := range c.children[name] {
		e := c.tree[child]
		switch owner := c.owned.of(child); {
		case owner == "" && e.kind == 'd' && c.ownedBelow(child):
			c.folder(child)
		case owner == "" && e.kind == 'd':
			c.unmanagedFolder(child, 0)
		case owner == "":
			c.unmanaged(e)
		case e.kind == 'd':
			c.folder(child)
		case c.changed(e):
			c.add(e, stateChanged, owner)
		}
	}
}

// ownedBelow says that a package owns something in a folder that nobody owns.
func (c *fileCompare) ownedBelow(name string) bool {
	for _, child := range c.children[name] {
		if c.owned.of(child) != "" || c.tree[child].kind == 'd' && c.ownedBelow(child) {
			return true
		}
	}
	return false
}

// changed compares a file with what its package shipped.
func (c *fileCompare) changed(e *entry) bool {
	shipped := c.owned.sums[e.path]
	if shipped == "" || e.kind != 'f' {
		return false
	}
	has := slices.Clone(e.sums)
	if e.sha256 != "" {
		has = append(has, e.sha256)
	}
	// Only a sum of the same algorithm says anything.
	has = slices.DeleteFunc(has, func(sum string) bool { return len(sum) != len(shipped) })
	return len(has) > 0 && !slices.Contains(has, shipped)
}

// Bounds of what is shown of a folder that nobody owns: below fewEntries in
// total it is listed; otherwise its folders down to collapseDepth are, those
// with more than manyEntries of their own not; deeper ones up to fewDeep.
const (
	fewEntries    = 20
	manyEntries   = 20
	collapseDepth = 2
	fewDeep       = 8
)

// closed says that a folder is never opened: repositories, and what package
// managers of languages put there.
func (c *fileCompare) closed(name string) bool {
	switch path.Base(name) {
	case ".git", ".hg", ".svn", "node_modules", "vendor", "__pycache__":
		return true
	}
	return c.tree[name+"/objects"] != nil && c.tree[name+"/refs"] != nil && c.tree[name+"/HEAD"] != nil
}

// unmanagedFolder lists a folder that nobody owns, or writes it as one item.
func (c *fileCompare) unmanagedFolder(name string, depth int) {
	if passingFolder(name) {
		c.passing(c.tree[name])
		return
	}
	below := c.below(name)
	deep := depth >= collapseDepth && len(below) > fewDeep || len(c.children[name]) > manyEntries
	if deep || c.closed(name) {
		c.collapsed(c.tree[name], below)
		return
	}
	if len(below) <= fewEntries {
		c.unmanaged(c.tree[name])
		for _, child := range below {
			if passingFolder(child) {
				c.passing(c.tree[child])
				continue
			}
			c.unmanaged(c.tree[child])
		}
		return
	}
	c.unmanaged(c.tree[name])
	for _, child := range c.children[name] {
		if c.tree[child].kind == 'd' {
			c.unmanagedFolder(child, depth+1)
			continue
		}
		c.unmanaged(c.tree[child])
	}
}

// below gives all entries below a folder, in order.
func (c *fileCompare) below(name string) []string {
	var all []string
	for _, child := range c.children[name] {
		all = append(all, child)
		if c.tree[child].kind == 'd' && !passingFolder(child) {
			all = append(all, c.below(child)...)
		}
	}
	return all
}

// collapsed writes a folder as one item: how many entries, and one checksum of
// the list of their names, types, modes, owners, sizes and contents. What
// changes by itself is in neither.
func (c *fileCompare) collapsed(e *entry, below []string) {
	hash, entries := sha256.New(), int64(0)
	for _, name := range below {
		child := c.tree[name]
		if changesByItself(child) != "" {
			continue
		}
		entries++
		size := child.size
		if child.kind == 'd' {
			size = 0
		}
		fmt.Fprintf(hash, "%q %c %o %s %s %d %s %q\n", strings.TrimPrefix(name, e.path), child.kind, child.mode,
			c.user(child), c.group(child), size, child.sha256, child.link)
	}
	c.out.Add(hostspec.File, e.path, Text("state", stateUnmanaged), Text("type", typeName(e.kind)), Text("mode", octalMode(e)),
		Text("owner", c.user(e)), Text("group", c.group(e)), Text("sha256", hex.EncodeToString(hash.Sum(nil))), Int("entries", entries))
}

const selfWritten = "written while the host runs"

// passing writes a folder whose content comes and goes: just that it is there.
func (c *fileCompare) passing(e *entry) {
	c.out.Add(hostspec.File, e.path, Text("state", stateUnmanaged), Text("type", typeName(e.kind)), Text("mode", octalMode(e)),
		Text("owner", c.user(e)), Text("group", c.group(e)), Volatile("entries", selfWritten))
}

// passingFolder says that what is in a folder that nobody owns comes and goes,
// by the name that everybody gives such folders.
func passingFolder(name string) bool {
	switch path.Base(name) {
	case "tmp", "temp", "cache", "caches", "log", "logs", "session", "sessions", "run", "pids", "sockets":
		return true
	}
	return false
}

// unmanaged writes a file that nobody owns, unless it is as every new home has
// it, a copy of the package's own template, a link of update-alternatives, or a
// link to a package's unit.
func (c *fileCompare) unmanaged(e *entry) {
	template := c.tree[e.path+".proto"]
	switch {
	case c.skeleton[e.sha256] && e.sha256 != "" && (within(e.path, "/home") || within(e.path, "/root")),
		template != nil && e.sha256 != "" && template.sha256 == e.sha256,
		strings.HasPrefix(e.link, "/etc/alternatives/"),
		within(e.path, "/etc/systemd") && (within(e.link, "/lib/systemd") || within(e.link, "/usr/lib/systemd")):
		return
	}
	c.add(e, stateUnmanaged, "")
}

func (c *fileCompare) add(e *entry, state, owner string) {
	attributes := []hostspec.Attribute{Text("state", state), Text("type", typeName(e.kind))}
	if e.kind != 'l' {
		attributes = append(attributes, Text("mode", octalMode(e)))
	}
	attributes = append(attributes, Text("owner", c.user(e)), Text("group", c.group(e)))
	if e.kind == 'f' {
		attributes = append(attributes, c.content(e)...)
	}
	c.out.Add(hostspec.File, e.path, append(attributes, Optional("target", e.link),
		Optional("capabilities", e.capabilities), Optional("package", owner))...)
}

// content gives size and checksum, or why they are not known.
func (c *fileCompare) content(e *entry) []hostspec.Attribute {
	if why := changesByItself(e); why != "" {
		return []hostspec.Attribute{Volatile("size", why), Volatile("sha256", why)}
	}
	size := Int("size", e.size)
	switch {
	case e.sha256 != "":
		return []hostspec.Attribute{size, Text("sha256", e.sha256)}
	case e.size > maxHashed:
		return []hostspec.Attribute{size, Unknown("sha256", fmt.Errorf("not read: larger than %d MiB", maxHashed>>20))}
	case strings.Contains(e.path, "\n"):
		return []hostspec.Attribute{size, Unknown("sha256", errors.New("not read: a name of several lines"))}
	case c.in.UID != 0 && !c.in.Image:
		return []hostspec.Attribute{size, Unknown("sha256", c.in.denied(e.path))}
	}
	return []hostspec.Attribute{size, Unknown("sha256", fmt.Errorf("not read: more than 3,000 files or %d MiB in its folder", hashBudget>>20))}
}

var ownWrites = regexp.MustCompile(`\.log(\.|$)|\.(pid|lock|sock|swp|tmp|sqlite-(wal|shm)|db-(wal|shm))$`)

// changesByItself says why a file's content is no fact of the host, or "".
func changesByItself(e *entry) string {
	if e.kind == 'f' && ownWrites.MatchString(e.path) {
		return selfWritten
	}
	return ""
}

// missing writes the files that packages shipped and that are gone.
func (c *fileCompare) missing() {
	for _, name := range sortedKeys(c.owned.sums) {
		if c.tree[name] == nil && belowRoots(name) && !derived(name) && c.visible(name) {
			c.out.Add(hostspec.File, name, Text("state", stateMissing), Optional("package", c.owned.of(name)))
		}
	}
}

// visible says that a file would have been seen if it were there: somebody who
// is not root does not see into all folders.
func (c *fileCompare) visible(name string) bool {
	if c.in.UID == 0 || c.in.Image {
		return true
	}
	parent := c.tree[path.Dir(name)]
	return parent != nil && (parent.mode&0o005 == 0o005 || parent.uid == strconv.Itoa(c.in.UID))
}

// asked writes the files that somebody named, whatever their state.
func (c *fileCompare) asked() {
	for _, name := range c.in.Paths {
		e := c.tree[name]
		owner := c.owned.of(name)
		switch {
		case e == nil && belowRoots(name) && !c.visible(name):
			c.out.Add(hostspec.File, name, Unknown("state", c.in.denied(path.Dir(name))))
		case e == nil:
			c.out.Add(hostspec.File, name, Text("state", stateAbsent))
		case owner == "":
			c.add(e, stateUnmanaged, "")
		case c.changed(e):
			c.add(e, stateChanged, owner)
		default:
			c.add(e, stateManaged, owner)
		}
	}
}

// full writes what full verification found beyond: lines of md5sum -c, of
// rpm -V, or of apk audit.
func (c *fileCompare) full() {
	if !c.in.Full || c.in.Image {
		return
	}
	answer, err := c.in.Command("full")
	if err != nil {
		c.out.Unknown(hostspec.File, "verifying packages: "+err.Error())
	}
	lines := Lines(answer.Stdout)
	for i, line := range lines {
		name, state := fullLine(line)
		if name == "" || c.tree[name] != nil || derived(name) {
			continue
		}
		owner := c.owned.of(name)
		if i+1 < len(lines) && owner == "" {
			if pkg, found := strings.CutPrefix(lines[i+1], "owner "); found {
				owner, _, _ = strings.Cut(pkg, ":")
			}
		}
		c.out.Add(hostspec.File, name, Text("state", state), Optional("package", owner))
	}
}

func fullLine(line string) (name, state string) {
	if file, found := strings.CutSuffix(line, ": FAILED open or read"); found {
		return "/" + file, stateMissing
	}
	if file, found := strings.CutSuffix(line, ": FAILED"); found {
		return "/" + file, stateChanged
	}
	flags, file, found := strings.Cut(line, " ")
	if flags == "owner" {
		return "", ""
	}
	if at := strings.IndexByte(file, '/'); found && at >= 0 {
		file = file[at:]
	} else if found {
		file = "/" + file
	}
	switch {
	case !found:
	case flags == "missing", flags == "X":
		return file, stateMissing
	case strings.Contains(flags, "5"), flags == "U":
		return file, stateChanged
	}
	return "", ""
}

func (c *fileCompare) user(e *entry) string  { return orID(c.users, e.uid) }
func (c *fileCompare) group(e *entry) string { return orID(c.groups, e.gid) }

func orID(names map[string]string, id string) string {
	if name := names[id]; name != "" {
		return name
	}
	return id
}

func octalMode(e *entry) string { return fmt.Sprintf("%04o", e.mode) }

func typeName(kind byte) string {
	switch kind {
	case 'f':
		return "file"
	case 'd':
		return "directory"
	case 'l':
		return "link"
	case 'p':
		return "fifo"
	case 's':
		return "socket"
	case 'b':
		return "block device"
	}
	return "character device"
}
