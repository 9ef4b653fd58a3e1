package containerize

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

// roots are the folders in which people and package scripts leave what no
// package lists.
var roots = []string{
	"/etc/nginx", "/etc/php", "/etc/apache2", "/etc/alternatives", "/etc/ssl/certs", "/etc/mysql", "/etc/ld.so.cache", "/etc/ld.so.conf.d",
	"/etc/localtime", "/etc/timezone", "/usr/local", "/usr/lib/locale", "/var/www", "/srv", "/opt",
}

// derived are folders whose unlisted content comes about when packages are
// installed, and belongs to the image.
var derived = []string{"/etc/alternatives", "/etc/ssl/certs", "/etc/ld.so.cache", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/timezone", "/usr/lib/locale", "/usr/bin", "/usr/sbin", "/usr/lib"}

// needless are files of packages that a container has no use for; licences
// (copyright) stay with the programs.
var needless = []string{
	"/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/bug/*", "/usr/share/doc-base/*", "/usr/share/linda/*", "/usr/share/groff/*",
	"/usr/share/locale/*/LC_MESSAGES/*", "/usr/share/bash-completion/*", "/usr/share/zsh/*", "/usr/share/apport/*", "/usr/share/initramfs-tools/*",
	"/usr/include/*", "/usr/lib/*/pkgconfig/*", "/usr/lib/systemd/*", "/usr/lib/udev/*", "/usr/lib/init/*", "/usr/lib/tmpfiles.d/*", "/usr/lib/sysusers.d/*",
	"/etc/init.d/*", "/etc/init/*", "/etc/cron*", "/etc/logrotate.d/*", "/etc/systemd/*", "/etc/default/*", "/etc/pam.d/*", "/etc/security/*", "/etc/ufw/*",
	"/etc/apparmor*", "/etc/kernel/*", "/etc/skel/*", "/etc/motd", "/etc/issue*", "/etc/sudoers*", "/etc/rc*.d/*",
}

// choice is what of a host goes where.
type choice struct {
	// packages of the image: those asked for, and all.
	wanted, packages []*dpkgPackage
	// image files, sorted; those of packages are in shipped as well.
	image   []hostFile
	shipped map[string]bool
	// derived files come about when packages are installed.
	derived map[string]bool
	// config files that are read, adapted and given to the containers.
	config []hostFile
	// scratch folders that are writable and live with the pod; keep are those
	// whose content must stay.
	scratch, keep []hostFile
	// skipped are folders and files of the application that stay behind, by
	// rule: the reason.
	skipped []skipped
}

type skipped struct{ path, why string }

// chooser decides on each file by the triage.
type chooser struct {
	survey *survey
	report *triage.Report
	rules  *triage.Rules
	spec   *hostspec.Spec
	owned  map[string]string // package by path
	// sessions go to a store.
	sessions bool
	// modules of PHP that packages bring, as "mysqli.ini".
	modules map[string]bool
	// current are folders that a link "current" points at, and that link.
	current map[string]string
}

// phpModule is the configuration of a module, there or linked to: 20-mysqli.ini.
var phpModule = regexp.MustCompile(`^/etc/php/[^/]+/(?:mods-available|[^/]+/conf\.d)/(?:[0-9]+-)?([^/]+\.ini)$`)

func choose(spec *hostspec.Spec, report *triage.Report, rules *triage.Rules, s *survey, sessions bool) *choice {
	c := &chooser{sessions: sessions, survey: s, report: report, rules: rules, spec: spec, owned: map[string]string{}, modules: map[string]bool{}, current: map[string]string{}}
	picked := &choice{shipped: map[string]bool{}, derived: map[string]bool{}}
	picked.wanted, picked.packages = c.packages()
	for name, list := range s.lists {
		for _, file := range list {
			c.owned[s.canonical(file)] = name
			if hostspec.Like("/usr/share/php*.ini", file) {
				c.modules[path.Base(file)] = true
			}
		}
	}
	c.findCurrent()
	c.packageFiles(picked)
	c.database(picked)
	c.ownFiles(picked)
	slices.SortFunc(picked.image, func(a, b hostFile) int { return strings.Compare(a.path, b.path) })
	return picked
}

// packages are those that somebody wanted and that belong to the image, and
// with the base system all that they need.
func (c *chooser) packages() (wanted, all []*dpkgPackage) {
	leave := func(name string) bool {
		switch c.report.Class(hostspec.Key{Kind: hostspec.Package, Name: name}) {
		case triage.Platform, triage.Drop, triage.Store, triage.Decide, triage.Node:
			return true
		}
		return false
	}
	var names, manual []string
	quiet := map[string]bool{} // of the base system
	for name, p := range c.survey.packages {
		if p.name == name && (p.essential || p.required) {
			names = append(names, name)
		}
	}
	for _, f := range c.report.Of(triage.Image) {
		if f.Kind == hostspec.Package && (f.Text("manual") == "true" || f.Decided) {
			manual, quiet[f.Name] = append(manual, f.Name), f.Quiet
		}
	}
	slices.Sort(names)
	for _, name := range manual {
		if p := c.survey.packages[name]; p != nil && !quiet[name] {
			wanted = append(wanted, p)
		}
	}
	return wanted, closure(c.survey.packages, append(names, manual...), leave)
}

// findCurrent finds what Capistrano's links "current" point at.
func (c *chooser) findCurrent() {
	for _, f := range c.survey.files {
		if f.kind == 'l' && path.Base(f.path) == "current" {
			to := f.target
			if !path.IsAbs(to) {
				to = path.Join(path.Dir(f.path), to)
			}
			c.current[path.Clean(to)] = f.path
		}
	}
}

// packageFiles adds what the packages brought, as the host has it now, but for
// configuration that people changed.
func (c *chooser) packageFiles(picked *choice) {
	for _, p := range picked.packages {
		for _, file := range c.survey.lists[p.name] {
			file = c.survey.canonical(file)
			if picked.shipped[file] || matchAny(needless, file) || isDoc(file) || c.survey.links[file] != "" {
				continue
			}
			picked.shipped[file] = true
			found, known := c.report.Find(hostspec.Key{Kind: hostspec.File, Name: file})
			switch {
			case known && found.Text("state") == "changed" && found.Class == triage.Config:
				picked.config = append(picked.config, hostFile{path: file, kind: 'f'})
			default:
				picked.image = append(picked.image, hostFile{path: file})
			}
		}
	}
}

// database adds what dpkg remembers of the packages, so that it can be asked in
// the container; the list of packages itself is written anew.
func (c *chooser) database(picked *choice) {
	files := []string{"/var/lib/dpkg/info/format", "/var/lib/dpkg/arch", "/var/lib/dpkg/diversions", "/var/lib/dpkg/statoverride"}
	for _, p := range picked.packages {
		for _, kind := range []string{".list", ".md5sums", ".conffiles"} {
			files = append(files, "/var/lib/dpkg/info/"+p.name+kind, "/var/lib/dpkg/info/"+p.name+":"+p.arch+kind)
		}
	}
	for _, file := range files {
		picked.shipped[file] = true
		picked.image = append(picked.image, hostFile{path: file})
	}
}

// ownFiles adds what no package brought, file by file.
func (c *chooser) ownFiles(picked *choice) {
	under := "" // a folder that is dealt with as a whole
	for _, f := range c.survey.files {
		if picked.shipped[f.path] || under != "" && strings.HasPrefix(f.path, under+"/") {
			continue
		}
		if c.owned[f.path] != "" { // of a package that stays behind
			continue
		}
		if matchFolder(derived, f.path) {
			picked.derive(f)
			continue
		}
		found := c.classify(f)
		switch class := found.Class; {
		case f.kind == 'd' && found.Rule == "sessions-on-disk" && c.sessions:
			under = f.path
			picked.skipped = append(picked.skipped, skipped{f.path, "Sessions are in a store."})
		case f.kind == 'd' && isState(found) && c.writable(f):
			under = f.path
			if class == triage.Store {
				picked.keep = append(picked.keep, f)
			} else {
				picked.scratch = append(picked.scratch, f)
			}
		case f.kind != 'd' && c.byPackageScript(f):
			picked.derive(f)
		case class == triage.Image && (f.kind == 'f' || f.kind == 'd' || f.kind == 'l'):
			picked.image = append(picked.image, f)
		case class == triage.Config && f.kind == 'f':
			picked.config = append(picked.config, f)
		case f.kind == 'd' && c.holdsCurrent(f.path):
		case class == triage.Config && f.kind == 'l':
			picked.image = append(picked.image, f)
		case class != triage.Config:
			if slices.Contains(roots, f.path) {
				continue
			}
			if f.kind == 'd' {
				under = f.path
			}
			picked.skipped = append(picked.skipped, skipped{f.path, found.Reason})
		}
	}
}

// derive adds a file that comes about when packages are installed.
func (c *choice) derive(f hostFile) {
	c.image, c.derived[f.path] = append(c.image, f), true
}

// stateRules are rules of triage on folders that the application writes to.
var stateRules = []string{"uploads", "application-logs", "application-scratch", "sessions-on-disk"}

func isState(f triage.Finding) bool {
	return slices.Contains(stateRules, f.Rule) && f.Class != triage.Drop && f.Class != triage.Image
}

// byPackageScript says that a file of /etc is not people's work: the document,
// which knows what package scripts made, lists neither it nor its folder. PHP's
// modules are not in documents as files: those that packages bring have their
// origin in /usr/share.
func (c *chooser) byPackageScript(f hostFile) bool {
	if m := phpModule.FindStringSubmatch(f.path); m != nil {
		return c.modules[m[1]] && (f.kind == 'l' || strings.Contains(f.path, "/mods-available/"))
	}
	for dir := f.path; dir != "/"; dir = path.Dir(dir) {
		if _, known := c.report.Find(hostspec.Key{Kind: hostspec.File, Name: dir}); known {
			return false
		}
	}
	return strings.HasPrefix(f.path, "/etc/")
}

// writable says that the application may write to a folder. One that it cannot
// is none of its state, whatever its name.
func (c *chooser) writable(f hostFile) bool {
	uid, gid, ok := c.survey.user(c.survey.serves())
	return !ok || f.mode&0o002 != 0 || strconv.Itoa(f.uid) == uid || (f.mode&0o020 != 0 && strconv.Itoa(f.gid) == gid)
}

// holdsCurrent says that what "current" points at is below this folder, which
// is why the walk goes on into it.
func (c *chooser) holdsCurrent(folder string) bool {
	for to := range c.current {
		if strings.HasPrefix(to, folder+"/") {
			return true
		}
	}
	return false
}

// classify says what a file means: what the document says of it, or of the
// folder that stands for it, decisions included, or else what the rules say.
// The release that runs is seen under its other name, "current".
func (c *chooser) classify(f hostFile) triage.Finding {
	name := f.path
	for to, link := range c.current {
		if f.path == to || strings.HasPrefix(f.path, to+"/") {
			name = link + strings.TrimPrefix(f.path, to)
		}
	}
	kinds := map[byte]string{'f': "file", 'd': "directory", 'l': "link"}
	item := hostspec.Item{Key: hostspec.Key{Kind: hostspec.File, Name: name}, Attributes: []hostspec.Attribute{
		{Name: "state", Value: hostspec.Text("unmanaged")}, {Name: "type", Value: hostspec.Text(kinds[f.kind])},
	}}
	// A decision on a folder is one on all that is in it.
	for dir := name; dir != "/"; dir = path.Dir(dir) {
		if found, known := c.report.Find(hostspec.Key{Kind: hostspec.File, Name: dir}); known && found.Decided {
			return found
		}
	}
	one := &hostspec.Spec{Items: []hostspec.Item{item}, Decisions: c.spec.Decisions}
	return triage.Run(one, c.rules).Findings[0]
}

func isDoc(file string) bool {
	return strings.HasPrefix(file, "/usr/share/doc/") && path.Base(file) != "copyright"
}

func matchAny(patterns []string, file string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return hostspec.Like(p, file) })
}

func matchFolder(folders []string, file string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return file == folder || strings.HasPrefix(file, folder+"/") })
}
