package cover

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/nginx"
)

const shop = `
http {
  server {
    listen 80 default_server;
    server_name old.example;
    return 301 https://shop.example$request_uri;
  }
  server {
    listen 443 ssl;
    server_name shop.example *.shop.example;
    location = / { return 200 exact; }
    location / { try_files $uri $uri/ /index.php?$query_string; }
    location /images/ { root /srv; location ~* \.(png|jpg)$ { expires max; } location /images/big/ { root /big; } }
    location ^~ /static/ { root /srv; location ~ \.php$ { return 403; } }
    location /api/ { proxy_pass http://api; }
    location /api { return 404; }
    location /only/ { proxy_pass http://only; }
    location ~ ^/api/v1/ { return 410; }
    location ~ \.php$ { fastcgi_pass php; }
    location ~* \.PNG$ { expires 1d; }
    location ~ ^/(?!admin)secure { return 401; }
    location /app/ { try_files $uri @app; }
    location /blog/ { try_files $uri /blog.php$is_args$args; }
    location @app { proxy_pass http://app; }
    location /internal/ { internal; }
    location "/with space/" { return 200; }
  }
  server { listen 443 ssl; server_name wild.*; location / { return 200; } }
  server { listen 443 ssl; server_name ~^(www\d)\.shop\.test$; location / { return 200; } }
}
stream { server { listen 5432; proxy_pass db; } }
`

// servers reads a configuration by way of a document, as a captured host comes.
func servers(t *testing.T, config string) []nginx.Server {
	t.Helper()
	tree, err := nginx.Parse("/etc/nginx/nginx.conf", nginx.Files{"/etc/nginx/nginx.conf": config}, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := &hostspec.Spec{}
	read := nginx.Read(tree)
	for _, server := range read.Servers {
		spec.Add(hostspec.NginxServer, server.Name, nginx.ServerAttributes(server)...)
	}
	for _, location := range read.Locations() {
		spec.Add(hostspec.NginxLocation, location.Key(), nginx.LocationAttributes(location)...)
	}
	spec.Sort()
	return nginx.Servers(spec)
}

// TestRequestsGoWhereNginxSendsThem needs no nginx; TestAgainstNginx asks one.
func TestRequestsGoWhereNginxSendsThem(t *testing.T) {
	s := newSite(servers(t, shop))
	for request, want := range map[string]string{
		"https://shop.example/":                   "= /",
		"https://shop.example/?q=1":               "= /",
		"https://shop.example/about":              "/",
		"https://a.b.shop.example/about":          "/",
		"https://SHOP.example./about":             "/",
		"https://shop.example/images/":            "/images/",
		"https://shop.example/images/a.png":       "~* \\.(png|jpg)$",
		"https://shop.example/images/a.PNG":       "~* \\.(png|jpg)$",
		"https://shop.example/images/big/a":       "/images/big/",
		"https://shop.example/images/big/a.png":   "~* \\.(png|jpg)$",
		"https://shop.example/images/a.php":       "~ \\.php$",
		"https://shop.example/static/a.php":       "~ \\.php$ in ^~ /static/",
		"https://shop.example/static/a.png":       "^~ /static/",
		"https://shop.example/api":                "/api",
		"https://shop.example/apis":               "/api",
		"https://shop.example/api/v1/x.php":       "~ ^/api/v1/",
		"https://shop.example/api/v2":             "/api/",
		"https://shop.example/only":               "/only/",
		"https://shop.example//api///v1/./x/../y": "~ ^/api/v1/",
		"https://shop.example/%61pi/v2/":          "/api/",
		"https://shop.example/api/../admin.php":   "~ \\.php$",
		"https://shop.example/admin.PHP":          "/",
		"https://shop.example/logo.png":           "~* \\.PNG$",
		"https://shop.example/secure":             "~ ^/(?!admin)secure",
		"https://shop.example/with%20space/x":     "/with space/",
		"https://shop.example/app/x":              "/app/",
		"https://wild.anything.test/x":            "/ of wild.*",
		"https://www3.shop.test/":                 "/ of ~^(www\\d)\\.shop\\.test$",
		"https://nobody.test/about":               "/",
		"http://whatever.test/about":              "server old.example",
		"http://shop.example/about":               "server old.example",
		"http://shop.example:8080/api/v2":         "/api/",
	} {
		t.Run(request, func(t *testing.T) {
			address, err := url.Parse(request)
			if err != nil {
				t.Fatal(err)
			}
			if got := where(s, address); got != want {
				t.Errorf("it goes to %q, want %q", got, want)
			}
		})
	}
}

// where names a request's location, with its parent or server where that is
// not the first.
func where(s *site, address *url.URL) string {
	server := s.server(address)
	found := server.find(normalize(address.EscapedPath()))
	switch {
	case found == nil:
		return "server " + server.Names[0]
	case server.Names[0] != "shop.example":
		return title(found.Location) + " of " + server.Names[0]
	case found.Path == `\.php$` && len(found.Parents) > 0:
		return title(found.Location) + " in " + strings.Join(found.Parents, " > ")
	}
	return title(found.Location)
}

func TestMeasure(t *testing.T) {
	doc, err := check.Parse(strings.NewReader(`
version: landfall.dev/checks/v1
url: https://shop.example
variables: {page: about}
checks:
- name: home
  request: GET /
- name: pages
  steps:
  - {name: page, request: 'GET /${page}', capture: {id: {header: X-Id}}}
  - {name: order, request: 'GET /api/${id}'}
  - {name: picture, request: {url: 'https://shop.example/images/x.png'}}
- name: application
  request: {path: /app/start, follow: true}
  expect: {redirect: /static/done}
- name: blog
  request: GET /blog/1
- name: old
  request: {url: 'http://shop.example/', headers: {host: old.example}}
  expect: {status: 301}
`))
	if err != nil {
		t.Fatal(err)
	}
	requests, err := doc.Requests(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	coverage := Measure(servers(t, shop), requests)
	var got []string
	for _, r := range coverage.Report.Results {
		got = append(got, r.Name+": "+r.Answer.String()+", "+r.Reason)
	}
	want := []string{
		"server: holds, touched by old",
		"location /: holds, touched by pages › page",
		"location /api: fails, no check touches it",
		"location /api/: holds, touched by pages › order (by /api/1)",
		"location /app/: holds, touched by application",
		"location /blog/: holds, touched by blog",
		"location /images/: fails, no check touches it",
		"location /images/ > /images/big/: fails, no check touches it",
		"location /only/: fails, no check touches it",
		"location /with space/: fails, no check touches it",
		"location = /: holds, touched by home",
		"location @app: holds, touched by application, through try_files",
		"location ^~ /static/: holds, touched by application",
		"location /images/ > ~* \\.(png|jpg)$: holds, touched by pages › picture",
		"location ^~ /static/ > ~ \\.php$: fails, no check touches it",
		"location ~ ^/api/v1/: fails, no check touches it",
		"location ~ \\.php$: holds, touched by pages › page, through try_files; blog, through try_files",
		"location ~* \\.PNG$: fails, no check touches it",
		"location ~ ^/(?!admin)secure: fails, no check touches it",
		"location /: fails, no check touches it",
		"location /: fails, no check touches it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"shop.example:443 location /internal/"}, coverage.Inner); diff != "" {
		t.Errorf("inner (-want +got):\n%s", diff)
	}
}

func TestExpressionsThatCannotBeRead(t *testing.T) {
	coverage := Measure(servers(t, `http { server { location ~ "^/(a" { return 200; } } }`), nil)
	if r := coverage.Report.Results[0]; r.Answer.String() != "unknown" || !strings.Contains(r.Reason, "cannot be read") {
		t.Errorf("%+v", r)
	}
	slow := servers(t, `http { server { location ~ "^/(?=a)(a+)+$" { return 200; } } }`)
	address, _ := url.Parse("http://x/" + strings.Repeat("a", 40) + "!")
	started := time.Now()
	coverage = Measure(slow, []check.Requested{{Check: "a", URL: address}, {Check: "b", URL: address}, {Check: "c", URL: address}})
	if r := coverage.Report.Results[0]; r.Answer.String() != "unknown" || !strings.Contains(r.Reason, "too long") || time.Since(started) > 3*maxMatch {
		t.Errorf("after %s: %+v", time.Since(started), r)
	}
	if found := newSite(nil).server(address); found != nil {
		t.Errorf("no server is there, but %v was chosen", found)
	}
}
