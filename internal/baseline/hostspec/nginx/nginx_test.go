package nginx

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/result"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// shop.dump is what `nginx -T` of nginx 1.22.1 wrote for a shop's configuration
// with nested locations, an include outside of /etc/nginx, and a stream server.
func TestReadOfARealDump(t *testing.T) {
	tree, err := ParseDump(read(t, "shop.dump"))
	if err != nil || len(tree.Problems) > 0 {
		t.Fatal(err, tree)
	}
	text, err := json.MarshalIndent(Read(tree), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(text)+"\n", "shop.json")
}

func parse(t *testing.T, config string) *Config {
	t.Helper()
	tree, err := Parse("/etc/nginx/nginx.conf", Files{"/etc/nginx/nginx.conf": config}, nil)
	if err != nil || len(tree.Problems) > 0 {
		t.Fatal(err, tree)
	}
	return Read(tree)
}

func TestLocationKeys(t *testing.T) {
	config := parse(t, `http { server { listen 80; server_name a.example;
		location / { location ~* "\.(png|jpg)$" { } }
		location =/exact { }
		location ~^/x { }
		location "/with space" { }
		location @named { }
		if ($host = b) { return 301 /; }
	} }`)
	var keys []string
	for _, location := range config.Locations() {
		keys = append(keys, location.Key())
	}
	want := []string{
		"a.example:80 /", `a.example:80 / > ~* \.(png|jpg)$`, "a.example:80 = /exact", "a.example:80 ~ ^/x",
		"a.example:80 /with space", "a.example:80 @named",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	if want := (Setting{Context: "a.example:80 if ($host = b)", Directive: "return", Values: []string{"301 /"}}); !cmp.Equal(want, config.Settings[0]) {
		t.Errorf("setting %+v, want %+v", config.Settings[0], want)
	}
}

func TestServersHaveNamesOfTheirOwn(t *testing.T) {
	config := parse(t, `http {
		server { server_name a; }
		server { listen 10.0.0.1:80; server_name a; }
		server { listen 10.0.0.1:80; server_name a; }
		server { listen [::]:443 ssl; server_name a b; }
		server { listen [::1]; }
		server { listen unix:/run/x.sock; }
	}
	stream { server { listen 3306; proxy_pass db; } }`)
	var names []string
	for _, server := range config.Servers {
		names = append(names, server.Name)
	}
	want := []string{"a:80", "a@10.0.0.1:80", "a@10.0.0.1:80 #2", "a:443", "_:80", "_:unix:/run/x.sock", "stream:3306"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestIncludes(t *testing.T) {
	tree, err := Parse("/etc/nginx/nginx.conf", Files{
		"/etc/nginx/nginx.conf":         "http { include sites/*; server { include common; } server { listen 81; include common; } include /elsewhere.conf; include /opt/*.conf; include conf.d/*; }",
		"/etc/nginx/common":             "location / { return 204; }",
		"/etc/nginx/sites/b":            "server { server_name b; }",
		"/etc/nginx/sites/a":            "server { server_name a; include loop; }",
		"/etc/nginx/sites/.a.swp":       "server { server_name hidden; }",
		"/etc/nginx/sites/sub/c":        "server { server_name c; }",
		"/etc/nginx/loop":               "include loop;",
		"/etc/nginx/unrelated/file.bin": "}}}",
	}, func(pattern string) bool { return strings.HasPrefix(pattern, "/etc/nginx/") })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, server := range Read(tree).Servers {
		names = append(names, fmt.Sprintf("%s %d", server.Name, len(server.Locations)))
	}
	if diff := cmp.Diff([]string{"a:80 0", "b:80 0", "_:80 1", "_:81 1"}, names); diff != "" {
		t.Error(diff)
	}
	var problems []string
	for _, problem := range tree.Problems {
		problems = append(problems, problem.Error())
	}
	want := []string{
		"/etc/nginx/loop:1: include loop: /etc/nginx/loop includes itself",
		"/etc/nginx/nginx.conf:1: include /elsewhere.conf: /elsewhere.conf was not read",
		"/etc/nginx/nginx.conf:1: include /opt/*.conf: not among the files that were read",
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestHostileConfigurationIsAnError(t *testing.T) {
	bomb := Files{}
	for i := range 31 {
		bomb[fmt.Sprintf("/%d", i)] = fmt.Sprintf("include %d; include %d;", i+1, i+1)
	}
	for name, files := range map[string]Files{
		"deep":         {"/0": strings.Repeat("a {", 100_000)},
		"include bomb": bomb,
		"unbalanced":   {"/0": "}" + strings.Repeat("a;", 10_000)},
		"unended":      {"/0": "a { b"},
		"no name":      {"/0": "{ }"},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := Parse("/0", files, nil)
			if err == nil && len(tree.Problems) == 0 {
				t.Error("no error")
			}
		})
	}
}

func TestBuild(t *testing.T) {
	build := ParseBuild(read(t, "version.txt"))
	if build.Version != "1.22.1" || build.TLS != "OpenSSL 3.0.20" || build.Paths["pid-path"] != "/run/nginx.pid" {
		t.Errorf("%+v", build)
	}
	for _, module := range []string{"http_ssl", "stream_ssl_preread", "http_v2"} {
		if !slices.Contains(build.Modules, module) {
			t.Errorf("no %s in %v", module, build.Modules)
		}
	}
	if slices.Contains(build.Modules, "http_geoip") {
		t.Error("a module that can be loaded is not in the binary")
	}
}

func TestDefaultsFollowTheVersion(t *testing.T) {
	value := func(version, key string) string {
		for _, d := range Defaults(Build{Version: version}) {
			if d.Key() == key {
				return d.Value
			}
		}
		return ""
	}
	for _, c := range []struct{ version, key, want string }{
		{"1.22.1", "http client_max_body_size", "1m"},
		{"1.22.1", "http ssl_protocols", "TLSv1 TLSv1.1 TLSv1.2"},
		{"1.26.0", "http ssl_protocols", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"},
		{"1.28.0", "http ssl_protocols", "TLSv1.2 TLSv1.3"},
		{"1.18.0", "http keepalive_requests", "100"},
		{"1.18.0", "http keepalive_time", ""},
		{"", "http keepalive_requests", ""},
		{"", "http client_max_body_size", "1m"},
	} {
		if got := value(c.version, c.key); got != c.want {
			t.Errorf("nginx %s: %s is %q, want %q", c.version, c.key, got, c.want)
		}
	}
	seen := map[string]bool{}
	for _, d := range Defaults(Build{Version: "1.24.0"}) {
		if seen[d.Key()] {
			t.Errorf("%s is there twice", d.Key())
		}
		seen[d.Key()] = true
	}
}

func TestLocationsSurviveADocument(t *testing.T) {
	tree, err := ParseDump(read(t, "shop.dump"))
	if err != nil {
		t.Fatal(err)
	}
	config := Read(tree)
	spec := &hostspec.Spec{}
	for _, server := range config.Servers {
		spec.Add(hostspec.NginxServer, server.Name, ServerAttributes(server)...)
	}
	for _, location := range config.Locations() {
		spec.Add(hostspec.NginxLocation, location.Key(), LocationAttributes(location)...)
	}
	spec.Sort()
	sortLocations := func(l []Location) []Location {
		slices.SortFunc(l, func(a, b Location) int { return strings.Compare(a.Key(), b.Key()) })
		return l
	}
	want := config.Locations()
	for i := range want {
		for j, action := range want[i].Actions {
			want[i].Actions[j] = result.Clean(action)
		}
	}
	if diff := cmp.Diff(sortLocations(want), sortLocations(Locations(spec))); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("http { server { listen 80; location / { return 200 \"a;b\"; } } }")
	f.Add("include /x; include /x; map $a $b { default 1; }")
	f.Add("content_by_lua_block { local x = \"}\" } if ($a ~ \"{\") { }")
	f.Add("# configuration file /x:\na \\\n")
	f.Fuzz(func(t *testing.T, content string) {
		if tree, err := Parse("/x", Files{"/x": content}, nil); err == nil {
			Read(tree)
		}
		if tree, err := ParseDump(content); err == nil {
			Read(tree)
		}
		ParseBuild(content)
	})
}

func TestShippedParameters(t *testing.T) {
	for _, c := range []struct {
		directive, value string
		want             bool
	}{
		{"fastcgi_param QUERY_STRING", "$query_string", true},
		{"uwsgi_param QUERY_STRING", "$query_string", true},
		{"fastcgi_param HTTPS", "$https if_not_empty", true},
		{"fastcgi_param QUERY_STRING", "$args", false},
		{"fastcgi_param APP_ENV", "production", false},
	} {
		if got := Shipped(Setting{Directive: c.directive, Values: []string{c.value}}); got != c.want {
			t.Errorf("%s %s: %t", c.directive, c.value, got)
		}
	}
}
