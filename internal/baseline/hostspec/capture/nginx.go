package capture

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/nginx"
)

// nginxMains are where builds of nginx have their main configuration.
var nginxMains = []string{
	"/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf",
	"/usr/local/etc/nginx/nginx.conf", "/opt/bitnami/nginx/conf/nginx.conf",
}

// nginxSource: the configuration as nginx itself reads it, with the defaults of
// its version.
//
// `nginx -T` opens log files and makes a pid file if there are none; so it is
// asked only where nginx runs and they exist. Elsewhere the files are read. It
// is always the configuration of the default place: taking one from the title
// of a process would let any user choose what is loaded as root.
func nginxSource() Source {
	const find = `for n in nginx /usr/local/nginx/sbin/nginx /usr/local/openresty/nginx/sbin/nginx; do
	command -v "$n" >/dev/null && break
	n=
done
[ "$n" ] || exit 127
`
	return Source{
		Name:  "nginx",
		Kinds: []hostspec.Kind{hostspec.NginxServer, hostspec.NginxLocation, hostspec.NginxUpstream, hostspec.NginxSetting, hostspec.NginxModule},
		// Not the whole folder: private keys often lie in it.
		Files: slices.Concat(nginxMains, []string{
			"/etc/nginx/*.conf", "/etc/nginx/*/*.conf", "/etc/nginx/*/*/*.conf", "/etc/nginx/*_params", "/etc/nginx/mime.types",
			"/etc/nginx/sites-enabled/*", "/etc/nginx/streams-enabled/*", "/etc/nginx/snippets/*", "/usr/share/nginx/modules/*.conf",
			"/usr/local/nginx/conf/*.conf", "/usr/local/nginx/conf/*/*.conf", "/usr/local/nginx/conf/mime.types",
			"/usr/local/openresty/nginx/conf/*.conf", "/usr/local/openresty/nginx/conf/*/*.conf", "/usr/local/openresty/nginx/conf/mime.types",
			"/opt/bitnami/nginx/conf/*.conf", "/opt/bitnami/nginx/conf/*/*.conf", "/opt/bitnami/nginx/conf/mime.types",
		}),
		Commands: []Command{
			{ID: "build", Script: find + `"$n" -V 2>&1`},
			{ID: "dump", Script: find + `grep -qsx nginx /proc/[0-9]*/comm || exit 0
exec "$n" -T`},
		},
		Parse: parseNginx,
	}
}

func parseNginx(in *Input, out *Builder) {
	var build nginx.Build
	if output, err := in.Command("build"); err == nil {
		build = nginx.ParseBuild(string(output.Stdout))
	}
	tree, err := nginxTree(in)
	if tree == nil && err == nil {
		return // not installed
	}
	if err != nil {
		for _, kind := range nginxSource().Kinds {
			out.Unknown(kind, err.Error())
		}
	}
	if tree == nil {
		return
	}
	config := nginx.Read(tree)
	for _, server := range config.Servers {
		out.Add(hostspec.NginxServer, server.Name, nginx.ServerAttributes(server)...)
	}
	for _, location := range config.Locations() {
		location.Actions = redacted(out, location.Actions)
		out.Add(hostspec.NginxLocation, location.Key(), nginx.LocationAttributes(location)...)
	}
	for _, upstream := range config.Upstreams {
		out.Add(hostspec.NginxUpstream, upstream.Name, List("servers", redacted(out, upstream.Servers)))
	}
	addNginxSettings(out, config, build)
	addNginxModules(out, config, build)
}

// nginxTree gives the configuration as far as it could be read, and why it is
// not whole; neither where there is no nginx.
func nginxTree(in *Input) (*nginx.Tree, error) {
	dump, err := in.Command("dump")
	if err == nil && dump.Exit == 0 && len(dump.Stdout) > 0 {
		if tree, err := nginx.ParseDump(string(dump.Stdout)); err == nil {
			return tree, errors.Join(tree.Problems...)
		}
	}
	for _, main := range nginxMains {
		content, err := in.Read(main)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files := nginx.Files{main: string(content)}
		for _, path := range in.Glob(nginxSource().Files...) {
			if content, err := in.Read(path); err == nil {
				files[path] = string(content)
			}
		}
		tree, err := nginx.Parse(main, files, nginxFilesMatch)
		if err != nil {
			return nil, err
		}
		return tree, errors.Join(tree.Problems...)
	}
	return nil, nil
}

// nginxFilesMatch says that the files of an include's pattern are among those
// that the source asks for.
func nginxFilesMatch(pattern string) bool {
	file := strings.NewReplacer("*", "x", "?", "x").Replace(pattern)
	return slices.ContainsFunc(nginxSource().Files, func(glob string) bool { return matches(glob, file) })
}

func addNginxSettings(out *Builder, config *nginx.Config, build nginx.Build) {
	set := map[string]bool{}
	for _, setting := range config.Settings {
		set[setting.Key()] = true
		out.Add(hostspec.NginxSetting, setting.Key(),
			hostspec.Attribute{Name: hostspec.ValueAttribute, Value: nginxValue(out, setting)}, Flag("default", nginx.Shipped(setting)))
	}
	for _, d := range nginx.Defaults(build) {
		if !set[d.Key()] {
			out.Add(hostspec.NginxSetting, d.Key(), Text(hostspec.ValueAttribute, d.Value), Flag("default", true))
		}
	}
	for _, fact := range []struct{ name, value string }{{"build version", build.Version}, {"build tls", build.TLS}} {
		if fact.value != "" {
			out.Value(hostspec.NginxSetting, fact.name, hostspec.Text(fact.value))
		}
	}
}

// longList is the number of values above which a digest stands for them: the
// table of media types has a hundred.
const longList = 40

func nginxValue(out *Builder, setting nginx.Setting) hostspec.Value {
	values, name := setting.Values, setting.Directive
	if strings.HasSuffix(name, "_pass") {
		name = "" // proxy_pass and its kin pass requests on
	}
	switch {
	case len(values) == 1:
		return out.Setting(name, values[0])
	case len(values) > longList:
		return hostspec.Text(fmt.Sprintf("%d entries, sha256 %x", len(values), sha256.Sum256([]byte(strings.Join(values, "\n")))))
	}
	shown := make([]string, len(values))
	for i, value := range values {
		shown[i] = out.Setting(name, value).String()
	}
	return hostspec.List(shown...)
}

// redacted hides what looks secret in a list of texts.
func redacted(out *Builder, texts []string) []string {
	shown := make([]string, len(texts))
	for i, text := range texts {
		shown[i] = out.Redacted(text)
	}
	return shown
}

func addNginxModules(out *Builder, config *nginx.Config, build nginx.Build) {
	for _, module := range build.Modules {
		out.Add(hostspec.NginxModule, module, Text("kind", "built in"))
	}
	for _, file := range config.Modules {
		out.Add(hostspec.NginxModule, nginx.ModuleName(file), Text("kind", "loaded"), Text("file", file))
	}
}
