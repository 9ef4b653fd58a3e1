package containerize

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

// plan is what is written: everything that Dockerfile, blueprint and notes say.
type plan struct {
	Name, Host, Image string
	// Base image and what the host runs.
	Base, OS, Codename string
	User               string
	Env                []variable
	Packages           []*dpkgPackage
	// Web is nginx, PHP is PHP-FPM; either may be missing.
	Web, PHP *container
	Port     int32
	Ports    []int32
	Health   string
	Files    []configFile
	Volumes  []volume
	// Variables of the application; those without a value are secret.
	Variables []variable
	Jobs      []job
	Workers   []worker
	Stores    []store
	Changes   []change
	Skipped   []skipped
	Open      []triage.Finding
	// Sessions of PHP are in a store.
	Sessions bool
	// OneInstance says why there may be no second instance; empty where there
	// may.
	OneInstance string
	// secrets holds the values of secret variables, where they are known.
	secrets map[string]string
}

type container struct {
	Command []string
	Health  []string
	Usage   usage
}

type variable struct {
	Name, Value string
	Secret      bool
}

type volume struct {
	Name, Path, Why string
	// Size of what must be kept, such as "2Gi"; empty for scratch space.
	Size string
}

type job struct {
	Name, Schedule, Command, Note string
}

type worker struct{ Name, Command string }

type store struct{ Name, Type, Why string }

// SecretName is the Secret of the project that holds what must not be seen.
func (p *plan) SecretName() string { return p.Name + "-config" }

// SecretKeys are the keys that the Secret must have, each with what it is.
func (p *plan) SecretKeys() [][2]string {
	var keys [][2]string
	for _, f := range p.Files {
		if f.Secret != "" {
			keys = append(keys, [2]string{f.Secret, f.Path + " (" + f.Why + ")"})
		}
	}
	for _, v := range p.Variables {
		if v.Secret {
			keys = append(keys, [2]string{v.Name, "environment of the application"})
		}
	}
	return keys
}

// newPlan works everything out; it is pure.
func newPlan(options Options, report *triage.Report, s *survey, picked *choice, files []configFile, a *adapter) *plan {
	spec := options.Spec
	p := &plan{
		Name: options.Name, Host: spec.Host, Image: options.Image, Packages: picked.wanted, Files: files,
		Changes: a.changes, Skipped: picked.skipped, Open: report.Open(), secrets: maps.Clone(a.env),
	}
	p.leaveTLS()
	p.system(spec, s)
	p.servers(s, p.Files)
	p.volumes(s, picked)
	p.variables(report, a)
	p.jobs(report)
	p.workers(spec, report)
	p.stores(spec)
	p.sessions(a)
	p.instances(report)
	return p
}

// leaveTLS leaves out certificates and keys that nothing names any more, since
// TLS ends in front of the pod.
func (p *plan) leaveTLS() {
	var used strings.Builder
	for _, f := range p.Files {
		for line := range strings.Lines(f.Content) {
			if isWeb(f.Path) && !isComment(line) {
				used.WriteString(line)
			}
		}
	}
	p.Files = slices.DeleteFunc(p.Files, func(f configFile) bool {
		tls := isWeb(f.Path) && slices.Contains([]string{".key", ".crt", ".pem", ".csr", ".cer"}, path.Ext(f.Path)) && !strings.Contains(used.String(), f.Path)
		if tls {
			p.Skipped = append(p.Skipped, skipped{f.Path, "TLS ends in front of the pod."})
		}
		return tls
	})
}

func (p *plan) system(spec *hostspec.Spec, s *survey) {
	value := func(kind hostspec.Kind, name string) string {
		item, _ := spec.Find(hostspec.Key{Kind: kind, Name: name})
		return item.Text(hostspec.ValueAttribute)
	}
	id, version := value(hostspec.OS, "id"), value(hostspec.OS, "version")
	p.Codename = value(hostspec.OS, "codename")
	p.OS = cmp.Or(value(hostspec.OS, "name"), id+" "+version)
	p.Base = id + ":" + cmp.Or(p.Codename, version)
	if id == "debian" {
		release := value(hostspec.OS, "release")
		if !strings.HasPrefix(release, version+".") { // "trixie/sid" is no release
			release = cmp.Or(p.Codename, version)
		}
		p.Base = "debian:" + release + "-slim"
	}
	uid, gid, ok := s.user(s.serves())
	if !ok {
		uid, gid = "65534", "65534"
	}
	p.User = uid + ":" + gid
	for _, name := range []string{"LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE"} {
		if v := cmp.Or(value(hostspec.System, "locale."+name), value(hostspec.System, name)); v != "" {
			p.Env = append(p.Env, variable{Name: name, Value: v})
		}
	}
	if zone := value(hostspec.System, "timezone"); zone != "" && zone != "Etc/UTC" && zone != "UTC" {
		p.Env = append(p.Env, variable{Name: "TZ", Value: zone})
	}
}

// fpmProgram is the program of a package phpX.Y-fpm.
var fpmProgram = regexp.MustCompile(`^/usr/sbin/php-fpm[0-9.]*$`)

// servers finds nginx and PHP-FPM among what is packed.
func (p *plan) servers(s *survey, files []configFile) {
	programs := map[string]bool{}
	for _, pkg := range p.Packages {
		for _, name := range append([]string{pkg.name}, dependencyNames(pkg)...) {
			for _, file := range s.lists[name] {
				programs[s.canonical(file)] = true
			}
		}
	}
	var nginx, fpm strings.Builder
	for _, f := range files {
		switch {
		case strings.HasPrefix(f.Path, "/etc/nginx/"):
			nginx.WriteString(f.Content + "\n")
		case strings.Contains(f.Path, "/fpm/pool.d/"):
			fpm.WriteString(f.Content + "\n")
		}
	}
	if programs["/usr/sbin/nginx"] {
		p.Web = &container{Command: []string{"/usr/sbin/nginx", "-e", "/dev/stderr", "-g", "daemon off;"}, Usage: s.processes["/usr/sbin/nginx"]}
		p.Ports = ports(nginx.String())
		p.Port, p.Health = frontPort(p.Ports), healthPath(nginx.String())
	}
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		if fpmProgram.MatchString(program) {
			p.PHP = &container{Command: []string{program, "--nodaemonize", "--force-stderr"}, Usage: s.processes[program]}
		}
	}
	if p.PHP != nil && programs["/usr/bin/"+strings.Replace(path.Base(p.PHP.Command[0]), "php-fpm", "php", 1)] {
		p.PHP.Health = fpmHealth(sockets(fpm.String()))
	}
}

// dependencyNames are what a package needs directly: nginx-light is little more
// than a name for nginx.
func dependencyNames(p *dpkgPackage) []string {
	var names []string
	for _, group := range p.depends {
		names = append(names, group...)
	}
	return names
}

// frontPort is the one that the front door is to speak to.
func frontPort(all []int32) int32 {
	for _, preferred := range []int32{8443, 80, 8080} {
		if slices.Contains(all, preferred) {
			return preferred
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return 80
}

// fpmHealth connects to each pool, as nginx does.
func fpmHealth(addresses []string) []string {
	if len(addresses) == 0 {
		return nil
	}
	return []string{"php", "-n", "-r", `foreach (array_slice($argv, 1) as $pool) if (!@stream_socket_client($pool, $no, $why, 2)) { echo "$pool: $why\n"; exit(1); }`, "--"}
}

func (p *plan) volumes(s *survey, picked *choice) {
	add := func(name, at, size, why string) {
		for _, v := range p.Volumes {
			if v.Path == at {
				return
			}
			if v.Name == name {
				name = fmt.Sprintf("%.15s-%d", name, len(p.Volumes))
			}
		}
		p.Volumes = append(p.Volumes, volume{Name: name, Path: at, Size: size, Why: why})
	}
	if p.PHP != nil {
		add("run-php", "/run/php", "", "the sockets between nginx and PHP-FPM")
	}
	if p.Web != nil {
		add("nginx", "/var/lib/nginx", "", "nginx keeps large requests and answers here")
	}
	for _, f := range picked.scratch {
		add(volumeName(f.path), f.path, "", "lives and dies with the pod")
	}
	for _, f := range picked.keep {
		add(volumeName(f.path), f.path, claimSize(s, f.path), "what users brought; a bucket would allow more than one instance")
	}
}

// volumeName is the folder's name as a DNS label of at most 20 characters.
func volumeName(folder string) string { return label(path.Base(folder), 20) }

// label makes a DNS label that begins with a letter.
func label(text string, longest int) string {
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(text), "-"), "-")
	if name == "" || name[0] < 'a' {
		name = "x" + name
	}
	return strings.TrimRight(name[:min(len(name), longest)], "-")
}

// claimSize is room for twice what is there, and at least 1 GiB.
func claimSize(s *survey, folder string) string {
	var total int64
	for _, f := range s.files {
		if strings.HasPrefix(f.path, folder+"/") {
			total += f.size
		}
	}
	return fmt.Sprintf("%dGi", max(1, (2*total+1<<30-1)>>30))
}

// variables are the environment that the services have on the host.
func (p *plan) variables(report *triage.Report, a *adapter) {
	seen := map[string]bool{}
	for _, v := range p.Env {
		seen[v.Name] = true
	}
	add := func(v variable) {
		if !seen[v.Name] {
			seen[v.Name] = true
			p.Variables = append(p.Variables, v)
		}
	}
	for _, f := range report.Findings {
		scope, name, ok := strings.Cut(f.Name, " ")
		if f.Kind != hostspec.Environment || f.Class != triage.Config || !ok || !serves(scope) || strings.Contains(name, " ") {
			continue
		}
		value, _ := f.Get(hostspec.ValueAttribute)
		switch {
		case value.Plain():
			add(variable{Name: name, Value: value.String()})
		case value.Operator() == hostspec.Secret:
			add(variable{Name: name, Secret: true})
		}
	}
	for _, v := range a.exported {
		add(v)
	}
	for _, name := range slices.Sorted(maps.Keys(a.env)) {
		add(variable{Name: name, Secret: true})
	}
}

// serves says that a scope of the environment is a service which is packed.
func serves(scope string) bool {
	for _, name := range []string{"nginx", "php", "apache", "httpd"} {
		if strings.HasPrefix(scope, name) {
			return true
		}
	}
	return false
}

// stores are the databases that the application speaks to.
func (p *plan) stores(spec *hostspec.Spec) {
	for _, known := range []struct {
		name, kind string
		evidence   []string
	}{
		{"db", "mysql", []string{"php-extension/*mysqli", "php-extension/*pdo_mysql", "package/php*-mysql", "service/mariadb*", "service/mysql*", "package/mariadb-client*", "mysql-client/*"}},
		{"cache", "redis", []string{"php-extension/*redis", "package/php*-redis", "service/redis*", "redis-client/*"}},
	} {
		for _, item := range spec.Items {
			if matchAny(known.evidence, item.Key.String()) {
				p.Stores = append(p.Stores, store{known.name, known.kind, item.Key.String()})
				break
			}
		}
	}
}

// sessions puts them into the store, where that was decided.
func (p *plan) sessions(a *adapter) {
	if !a.sessions || p.PHP == nil {
		return
	}
	if file, ok := sessionFile(p.PHP.Command[0]); ok {
		p.Files, p.Sessions = append(p.Files, file), true
	}
}

// instances says whether the application may run more than once.
func (p *plan) instances(report *triage.Report) {
	for _, v := range p.Volumes {
		if v.Size != "" {
			p.OneInstance = v.Path + " is on a volume of one instance"
			return
		}
	}
	for _, f := range report.Findings {
		onDisk := f.Rule == "php-sessions" || f.Rule == "sessions-on-disk"
		if onDisk && !p.Sessions && (f.Class == triage.Decide || f.Class == triage.Config) {
			p.OneInstance = "sessions are on the local disk (" + f.Key.String() + ")"
			return
		}
	}
}
