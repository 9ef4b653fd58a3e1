package capture

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/php"
)

// Where distributions and images have the files of PHP. A * stands for a
// version; Debian has one more folder for each SAPI.
var (
	phpINIs = []string{
		"/etc/php/*/*/php.ini", "/etc/php/*/*/conf.d/*.ini", "/etc/php5/*/php.ini", "/etc/php5/*/conf.d/*.ini",
		"/etc/php.ini", "/etc/php.d/*.ini", "/etc/php[0-9]*/php.ini", "/etc/php[0-9]*/conf.d/*.ini",
		"/usr/local/etc/php/php.ini", "/usr/local/etc/php/conf.d/*.ini",
	}
	phpPools = []string{
		"/etc/php/*/fpm/php-fpm.conf", "/etc/php/*/fpm/pool.d/*.conf", "/etc/php5/fpm/php-fpm.conf", "/etc/php5/fpm/pool.d/*.conf",
		"/etc/php-fpm.conf", "/etc/php-fpm.d/*.conf", "/etc/php[0-9]*/php-fpm.conf", "/etc/php[0-9]*/php-fpm.d/*.conf",
		"/usr/local/etc/php-fpm.conf", "/usr/local/etc/php-fpm.d/*.conf",
	}
)

// phpQuiet keeps PHP from acting when it just starts: preloading runs code of
// the application, and New Relic's agent starts its daemon.
const phpQuiet = "-d opcache.preload= -d newrelic.daemon.dont_launch=3"

// phpQuieted are the settings that phpQuiet hides, with the values built in.
var phpQuieted = map[string]string{"opcache.preload": "", "newrelic.daemon.dont_launch": "0"}

// phpSource: PHP by SAPI and version. Each binary is asked itself, as the
// command line does not know what php-fpm has in force. `php-fpm -tt` opens
// log files; so it is asked only where php-fpm runs and they exist.
func phpSource() Source {
	return Source{
		Name:  "php",
		Kinds: []hostspec.Kind{hostspec.PHPSetting, hostspec.PHPExtension, hostspec.PHPPool},
		Files: slices.Concat(phpINIs, phpPools),
		Commands: []Command{
			{ID: "cli", Script: `seen=
for p in /usr/bin/php /usr/bin/php[0-9]* /usr/local/bin/php; do
	[ -x "$p" ] || continue
	r=$(readlink -f "$p")
	case " $seen " in *" $r "*) continue ;; esac
	seen="$seen $r"
	"$p" ` + phpQuiet + ` -r ` + quote(php.ReportScript) + `
done
[ "$seen" ] || exit 127`},
			{ID: "fpm", Script: `seen=
for f in /usr/sbin/php-fpm* /usr/local/sbin/php-fpm* /usr/bin/php-fpm*; do
	[ -x "$f" ] || continue
	r=$(readlink -f "$f")
	case " $seen " in *" $r "*) continue ;; esac
	seen="$seen $r"
	echo "@@ info"; "$f" ` + phpQuiet + ` -i 2>/dev/null | sed '/^Environment$/,$d'
	if grep -qsx "$(printf %.15s "${f##*/}")" /proc/[0-9]*/comm; then echo "@@ pools"; "$f" ` + phpQuiet + ` -tt 2>&1; fi
done
[ "$seen" ] || exit 127`},
		},
		Parse: parsePHP,
	}
}

func parsePHP(in *Input, out *Builder) {
	p := &phpParser{in: in, out: out, told: map[string]bool{}, versions: map[string]map[string]string{}}
	p.commandLine()
	p.fpm()
	p.fromFiles()
}

type phpParser struct {
	in  *Input
	out *Builder
	// told are the SAPIs whose binary gave its settings.
	told map[string]bool
	// versions of extensions, by version of PHP, as the command line knows them.
	versions map[string]map[string]string
}

func (p *phpParser) commandLine() {
	output, err := p.in.Command("cli")
	if err != nil {
		return
	}
	for line := range bytes.Lines(output.Stdout) {
		if !bytes.HasPrefix(line, []byte("{")) {
			continue // a warning while PHP starts
		}
		runtime, err := php.ParseReport(line)
		if err != nil {
			p.out.Unknown(hostspec.PHPSetting, err.Error())
			continue
		}
		p.versions[runtime.Version] = runtime.Extensions
		p.runtime(runtime)
	}
}

func (p *phpParser) fpm() {
	output, err := p.in.Command("fpm")
	if err != nil {
		return
	}
	var runtime php.Runtime
	for part := range strings.SplitSeq("\n"+string(output.Stdout), "\n@@ ") {
		name, text, _ := strings.Cut(part, "\n")
		switch name {
		case "info":
			if runtime, err = php.ParseInfo(text); err != nil {
				p.out.Unknown(hostspec.PHPSetting, err.Error())
				continue
			}
			p.addVersions(runtime)
			p.runtime(runtime)
		case "pools":
			p.pools(sapiName(runtime.SAPI, runtime.Series()), php.ParsePools(text), p.poolFiles(runtime.Series()))
		}
	}
}

// addVersions gives extensions their versions where phpinfo does not say: the
// same PHP on the command line loads the same files.
func (p *phpParser) addVersions(runtime php.Runtime) {
	for name := range runtime.Extensions {
		if version := p.versions[runtime.Version][name]; version != "" {
			runtime.Extensions[name] = version
		}
	}
	if _, there := runtime.Extensions["cgi-fcgi"]; there {
		runtime.Extensions["cgi-fcgi"] = runtime.Version // php-fpm itself
	}
}

func sapiName(sapi, series string) string { return sapi + "-" + series }

// runtime adds what one binary said.
func (p *phpParser) runtime(runtime php.Runtime) {
	sapi := sapiName(runtime.SAPI, runtime.Series())
	p.told[sapi] = true
	set := map[string]string{}
	for _, file := range runtime.Files {
		content, err := p.in.Read(file)
		if err != nil {
			p.out.Unknown(hostspec.PHPSetting, "which values are defaults is unknown: "+err.Error())
			continue
		}
		maps.Copy(set, php.ParseINI(string(content)).Settings())
	}
	for key, builtIn := range phpQuieted {
		if _, known := runtime.Settings[key]; known {
			runtime.Settings[key] = cmp.Or(set[key], builtIn)
		}
	}
	p.out.Value(hostspec.PHPSetting, sapi+" version", hostspec.Text(runtime.Version))
	for key, value := range runtime.Settings {
		_, isSet := set[key]
		p.setting(hostspec.PHPSetting, sapi+" "+key, key, value, !isSet)
	}
	for name, version := range runtime.Extensions {
		p.out.Add(hostspec.PHPExtension, sapi+" "+name, versionAttribute(version))
	}
}

func (p *phpParser) setting(kind hostspec.Kind, name, key, value string, isDefault bool) {
	p.out.Add(kind, name,
		hostspec.Attribute{Name: hostspec.ValueAttribute, Value: p.out.Setting(key, value)}, Flag("default", isDefault))
}

func versionAttribute(version string) hostspec.Attribute {
	if version == "" {
		return Unknown("version", errors.New("PHP does not say"))
	}
	return Text("version", version)
}

// pools adds what php-fpm dumped; explicit is what its files set.
func (p *phpParser) pools(sapi string, dumped, explicit []php.Pool) {
	set := map[string]bool{}
	for _, pool := range explicit {
		for key := range pool.Settings {
			set[pool.Name+" "+key] = true
		}
	}
	for _, pool := range dumped {
		for key, value := range pool.Settings {
			name := pool.Name + " " + key
			p.setting(hostspec.PHPPool, sapi+" "+name, key, value, !set[name])
		}
	}
	p.told[sapi+" pools"] = len(dumped) > 0
}

// poolFiles reads the pools of one version, or of all where paths have none.
func (p *phpParser) poolFiles(series string) []php.Pool {
	var files []php.INI
	for _, name := range p.in.Glob(phpPools...) {
		if s, _, inPath := debianSAPI(name); inPath && s != series {
			continue
		}
		if content, err := p.in.Read(name); err == nil {
			files = append(files, php.ParseINI(string(content)))
		} else if !missing(err) {
			p.out.Unknown(hostspec.PHPPool, err.Error())
		}
	}
	return php.Pools(files...)
}

// debianSAPI reads /etc/php/VERSION/SAPI/….
func debianSAPI(name string) (series, sapi string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 6 || parts[2] != "php" {
		return "", "", false
	}
	return parts[3], parts[4], true
}

// fromFiles adds what files set for SAPIs that could not be asked: in images,
// for Apache's module, and for pools where php-fpm does not run.
func (p *phpParser) fromFiles() {
	settings, extensions := map[string]map[string]string{}, map[string][]string{}
	for _, name := range p.in.Glob(phpINIs...) {
		sapi := "php"
		if series, s, ok := debianSAPI(name); ok {
			sapi = sapiName(s, series)
		}
		content, err := p.in.Read(name)
		if p.told[sapi] || (sapi == "php" && len(p.told) > 0) || err != nil {
			continue
		}
		ini := php.ParseINI(string(content))
		if settings[sapi] == nil {
			settings[sapi] = map[string]string{}
		}
		for key, value := range ini.Settings() {
			settings[sapi][key] = value
		}
		extensions[sapi] = append(extensions[sapi], ini.Extensions()...)
	}
	for _, sapi := range sortedKeys(settings) {
		p.out.Unknown(hostspec.PHPSetting, "values that no file sets are unknown for "+sapi+": it cannot be asked")
		for key, value := range settings[sapi] {
			p.setting(hostspec.PHPSetting, sapi+" "+key, key, value, false)
		}
		for _, name := range extensions[sapi] {
			p.out.Add(hostspec.PHPExtension, sapi+" "+name, Unknown("version", errors.New("only its file is known")))
		}
	}
	p.poolsFromFiles()
}

func (p *phpParser) poolsFromFiles() {
	versions := map[string]bool{}
	for _, name := range p.in.Glob(phpPools...) {
		series, _, _ := debianSAPI(name)
		versions[series] = true
	}
	for _, series := range sortedKeys(versions) {
		sapi := strings.TrimSuffix(sapiName("fpm", series), "-")
		if p.told[sapi+" pools"] || (series == "" && slices.ContainsFunc(sortedKeys(p.told), isPools)) {
			continue
		}
		p.out.Unknown(hostspec.PHPPool, "values that no file sets are unknown for "+sapi+": php-fpm does not run, or refuses its configuration")
		for _, pool := range p.poolFiles(series) {
			for key, value := range pool.Settings {
				p.setting(hostspec.PHPPool, sapi+" "+pool.Name+" "+key, key, value, false)
			}
		}
	}
}

func isPools(told string) bool { return strings.HasSuffix(told, " pools") }
