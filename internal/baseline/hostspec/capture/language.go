package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// applications are folders in which applications lie. Of a Capistrano layout it
// is the current release.
var applications = []string{
	"/var/www", "/var/www/*", "/var/www/*/current", "/srv/*", "/srv/*/current", "/opt/*", "/opt/*/current",
	"/home/*/*", "/home/*/*/current", "/app", "/usr/src/app",
}

// below gives a path below each folder.
func below(folders []string, name string) []string {
	paths := make([]string, len(folders))
	for i, folder := range folders {
		paths[i] = path.Join(folder, name)
	}
	return paths
}

// Where package managers of languages keep what they installed. What Debian's
// own packages bring is in the kind package.
var (
	composerFiles = append(below(applications, "vendor/composer/installed.json"),
		"/root/.config/composer/vendor/composer/installed.json", "/home/*/.config/composer/vendor/composer/installed.json",
		"/root/.composer/vendor/composer/installed.json", "/home/*/.composer/vendor/composer/installed.json")
	peclFiles  = []string{"/usr/share/php/.registry/.channel.pecl.php.net/*.reg", "/usr/local/lib/php/.registry/.channel.pecl.php.net/*.reg", "/usr/share/pear/.registry/.channel.pecl.php.net/*.reg"}
	gemFolders = append(below(applications, "vendor/bundle/ruby/*/specifications"),
		"/var/lib/gems/*/specifications", "/usr/local/lib/ruby/gems/*/specifications", "/usr/local/bundle/specifications",
		"/opt/*/lib/ruby/gems/*/specifications", "/var/www/*/shared/bundle/ruby/*/specifications", "/srv/*/shared/bundle/ruby/*/specifications",
		"/root/.rbenv/versions/*/lib/ruby/gems/*/specifications", "/home/*/.rbenv/versions/*/lib/ruby/gems/*/specifications", "/usr/local/rvm/gems/*/specifications")
	pipFolders = append(append(below(applications, "venv/lib/python*/site-packages"), below(applications, ".venv/lib/python*/site-packages")...),
		"/usr/local/lib/python*/dist-packages", "/usr/local/lib/python*/site-packages", "/usr/lib/python*/site-packages",
		"/opt/*/lib/python*/site-packages", "/root/.local/lib/python*/site-packages", "/home/*/.local/lib/python*/site-packages")
	npmFolders = append(below(applications, "node_modules"), "/usr/local/lib/node_modules", "/usr/lib/node_modules")
)

// languageSource: libraries that package managers of languages installed, those
// of the top level for npm.
func languageSource() Source {
	list := func(folders []string, entries string) string {
		return "for d in " + strings.Join(folders, " ") + `; do
	[ -d "$d" ] && for f in ` + entries + `; do [ -e "$f" ] && echo "$f"; done
done
exit 0`
	}
	return Source{
		Name:       "language",
		Kinds:      []hostspec.Kind{hostspec.LanguagePackage},
		Files:      append(composerFiles[:len(composerFiles):len(composerFiles)], peclFiles...),
		ImageFiles: languageImageFiles(),
		Commands: []Command{
			{ID: "gem", Script: list(gemFolders, `"$d"/*.gemspec`)},
			{ID: "pip", Script: list(pipFolders, `"$d"/*.dist-info "$d"/*.egg-info`)},
			{ID: "npm", Script: "for d in " + strings.Join(npmFolders, " ") + `; do
	[ -d "$d" ] && grep -Hsm1 '"version"' "$d"/*/package.json "$d"/@*/*/package.json
done
exit 0`},
		},
		Parse: parseLanguages,
	}
}

// languageImageFiles stand in for the commands; of most just the name counts.
func languageImageFiles() []string {
	files := append(below(gemFolders, "*.gemspec"), below(pipFolders, "*.dist-info/METADATA")...)
	files = append(files, below(pipFolders, "*.egg-info/PKG-INFO")...)
	return append(files, append(below(npmFolders, "*/package.json"), below(npmFolders, "@*/*/package.json")...)...)
}

func parseLanguages(in *Input, out *Builder) {
	for _, file := range in.Glob(composerFiles...) {
		parseComposer(in, out, file)
	}
	for _, file := range in.Glob(peclFiles...) {
		parsePECL(in, out, file)
	}
	for _, manager := range []struct {
		name  string
		files []string
		read  func(line string) (folder, name, version string, ok bool)
	}{
		{"gem", below(gemFolders, "*.gemspec"), gemSpecification},
		{"pip", append(below(pipFolders, "*.dist-info/METADATA"), below(pipFolders, "*.egg-info/PKG-INFO")...), pythonDistribution},
	} {
		for _, line := range namedLines(in, out, manager.name, manager.files) {
			if folder, name, version, ok := manager.read(line); ok {
				languagePackage(out, manager.name, folder, name, Text("version", version))
			}
		}
	}
	parseNPM(in, out)
}

// namedLines gives the paths that a command listed, or in an image those that
// match.
func namedLines(in *Input, out *Builder, command string, files []string) []string {
	if in.Image {
		return in.Glob(files...)
	}
	output, err := in.Command(command)
	if err != nil {
		out.Unknown(hostspec.LanguagePackage, command+": "+err.Error())
	}
	return Lines(output.Stdout)
}

func languagePackage(out *Builder, manager, folder, name string, version hostspec.Attribute) {
	out.Add(hostspec.LanguagePackage, manager+" "+folder+" "+name, version)
}

// parseComposer reads vendor/composer/installed.json: since Composer 2 an
// object with packages, before a list.
func parseComposer(in *Input, out *Builder, file string) {
	type entry struct{ Name, Version string }
	folder := strings.TrimSuffix(file, "/vendor/composer/installed.json")
	content, err := in.Read(file)
	var installed struct{ Packages []entry }
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) {
		err = json.Unmarshal(content, &installed.Packages)
	} else if err == nil {
		err = json.Unmarshal(content, &installed)
	}
	if err != nil {
		out.Unknown(hostspec.LanguagePackage, fmt.Sprintf("reading %s: %v", file, err))
		return
	}
	for _, p := range installed.Packages {
		if p.Name != "" {
			languagePackage(out, "composer", folder, p.Name, Text("version", strings.TrimPrefix(p.Version, "v")))
		}
	}
}

// peclRelease finds the version in a registry file, which PHP serialized.
var peclRelease = regexp.MustCompile(`s:7:"version";a:\d+:\{s:7:"release";s:\d+:"([^"]*)"`)

func parsePECL(in *Input, out *Builder, file string) {
	version := Unknown("version", errors.New("the registry does not say"))
	if content, err := in.Read(file); err != nil {
		version = Unknown("version", err)
	} else if match := peclRelease.FindSubmatch(content); match != nil {
		version = Text("version", string(match[1]))
	}
	folder, _, _ := strings.Cut(file, "/.registry/")
	languagePackage(out, "pecl", folder, strings.TrimSuffix(path.Base(file), ".reg"), version)
}

// versioned splits name-1.2.3; the name may have dashes itself.
var versioned = regexp.MustCompile(`^(.+?)-(\d[^-]*)(?:-.*)?$`)

func gemSpecification(file string) (folder, name, version string, ok bool) {
	match := versioned.FindStringSubmatch(strings.TrimSuffix(path.Base(file), ".gemspec"))
	if match == nil {
		return "", "", "", false
	}
	return path.Dir(path.Dir(file)), match[1], match[2], true
}

// pythonDistribution reads the name of an installed distribution's folder: by
// PEP 376 and 503 the same name has many spellings.
func pythonDistribution(file string) (folder, name, version string, ok bool) {
	file = strings.TrimSuffix(strings.TrimSuffix(file, "/METADATA"), "/PKG-INFO")
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".dist-info"), ".egg-info")
	match := versioned.FindStringSubmatch(base)
	if match == nil {
		return "", "", "", false
	}
	return path.Dir(file), strings.ToLower(strings.ReplaceAll(match[1], "_", "-")), match[2], true
}

var npmVersion = regexp.MustCompile(`"version"\s*:\s*"([^"]*)"`)

// parseNPM reads lines FILE:LINE of grep, or in an image the files.
func parseNPM(in *Input, out *Builder) {
	found := map[string]string{}
	for _, line := range namedLines(in, out, "npm", append(below(npmFolders, "*/package.json"), below(npmFolders, "@*/*/package.json")...)) {
		file, text, _ := strings.Cut(line, "/package.json:")
		if in.Image {
			content, _ := in.Read(line)
			file, text = path.Dir(line), string(content)
		}
		if match := npmVersion.FindStringSubmatch(text); match != nil {
			found[file] = match[1]
		}
	}
	for file, version := range found {
		folder, name, _ := strings.Cut(file, "/node_modules/")
		languagePackage(out, "npm", folder, name, Text("version", version))
	}
}
