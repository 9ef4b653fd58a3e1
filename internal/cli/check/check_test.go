package check

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// landfall runs one command line and gives its output, its other output, and
// its exit code.
func landfall(t *testing.T, in string, args ...string) (out, other string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := &command.Context{
		In: strings.NewReader(in), Out: &stdout, Err: &stderr, Clock: time.Now,
		Getenv: func(name string) string {
			return map[string]string{"SHOP_PASSWORD": "open sesame", "SHOP_CUSTOMER": "lamp-123", "SHOP_OFFICE": "back-0ffice"}[name]
		},
	}
	root := &cobra.Command{Use: "landfall", SilenceErrors: true, SilenceUsage: true}
	c.AddFlags(root.PersistentFlags())
	root.AddCommand(New(c))
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	if err != nil {
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), fault.ExitCode(err)
}

func site(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch {
		case r.URL.Path == "/login" && r.FormValue("password") == "open sesame":
			http.Redirect(w, r, "/account", http.StatusFound)
		case r.URL.Path == "/":
			w.Write([]byte("<title>Shop of " + r.Host + "</title><a href=/about>about</a>"))
		case r.URL.Path == "/about":
			w.Write([]byte("<title>About</title>"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const checks = `version: landfall.dev/checks/v1
url: http://shop.invalid
secrets: {password: {env: SHOP_PASSWORD}}
variables: {title: Shop of shop.invalid}
checks:
- name: home
  request: GET /
  expect: {body: [{css: title, equals: '${title}'}]}
- name: log in
  request: {path: /login, form: {password: '${password}'}}
  expect: {redirect: /account}
`

func TestRun(t *testing.T) {
	server := site(t)
	address := strings.TrimPrefix(server.URL, "http://")
	good := file(t, "good.yaml", checks)
	tests := []struct {
		name string
		args []string
		code int
		out  string
	}{
		{"another side", []string{good, "--address", address}, fault.ExitOK, "http://shop.invalid at " + address + ": 2 hold"},
		{"two sides", []string{good, "--address", address, "--address", "127.0.0.1:1"}, fault.ExitNotHolding, "✗ fails    home › GET /  @ http://shop.invalid at 127.0.0.1:1\n    connecting to 127.0.0.1:1: connection refused"},
		{"URL and host", []string{good, "--url", server.URL, "--host", "shop.invalid", "--all"}, fault.ExitOK, "✓ holds    log in › POST /login"},
		{"resolved", []string{good, "--resolve", "shop.invalid:80=" + address}, fault.ExitOK, "2 hold"},
		{"one of them", []string{good, "--address", address, "--only", "log*"}, fault.ExitOK, "1 holds"},
		{"variable", []string{good, "--address", address, "--var", "title=Another shop"}, fault.ExitNotHolding, "expected  css title is \"Another shop\"\n    actual    css title is \"Shop of shop.invalid\""},
		{"JSON", []string{good, "--address", address, "-o", "json"}, fault.ExitOK, `"answer": "holds"`},
		{"YAML", []string{good, "--address", address, "-o", "yaml"}, fault.ExitOK, "answer: holds"},
		{"TAP", []string{good, "--address", address, "--format", "tap"}, fault.ExitOK, "1..2"},
		{"format", []string{good, "--format", "html"}, fault.ExitFailed, ""},
		{"no such file", []string{"/none.yaml"}, fault.ExitUsage, ""},
		{"no file", nil, fault.ExitUsage, ""},
		{"no such check", []string{good, "--only", "none"}, fault.ExitUsage, ""},
		{"bad pattern", []string{good, "--only", "[", "--address", address}, fault.ExitUsage, ""},
		{"bad variable", []string{good, "--var", "x"}, fault.ExitUsage, ""},
		{"bad document", []string{file(t, "bad.yaml", "version: 1\n")}, fault.ExitUsage, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, other, code := landfall(t, "", append([]string{"check", "run"}, tt.args...)...)
			if code != tt.code || !strings.Contains(out, tt.out) {
				t.Errorf("exit code %d, want %d\n%s\n%s", code, tt.code, out, other)
			}
			if strings.Contains(out+other, "sesame") {
				t.Errorf("the password is shown:\n%s\n%s", out, other)
			}
		})
	}
}

func TestRunOfSeveralFilesAsJUnit(t *testing.T) {
	server := site(t)
	other := file(t, "other.yaml", "version: landfall.dev/checks/v1\nchecks: [{name: gone, request: GET /none}]")
	out, _, code := landfall(t, checks, "check", "run", "-", other, "--url", server.URL, "--host", "shop.invalid", "--format", "junit")
	if code != fault.ExitNotHolding {
		t.Errorf("exit code %d", code)
	}
	var suites struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(out), &suites); err != nil {
		t.Fatal(err)
	}
	tests, failures := 0, 0
	for _, suite := range suites.Suites {
		tests, failures = tests+suite.Tests, failures+suite.Failures
	}
	if tests != 3 || failures != 1 {
		t.Errorf("%d tests with %d failures, want 3 with 1:\n%s", tests, failures, out)
	}
}

func TestRecordThenRun(t *testing.T) {
	server := site(t)
	path := filepath.Join(t.TempDir(), "checks.yaml")
	if _, other, code := landfall(t, "", "check", "record", server.URL, "--host", "shop.invalid", "-o", path); code != fault.ExitOK {
		t.Fatalf("exit code %d: %s", code, other)
	}
	if _, _, code := landfall(t, "", "check", "record", server.URL, "-o", path); code != fault.ExitRefused {
		t.Errorf("overwriting: exit code %d", code)
	}
	out, other, code := landfall(t, "", "check", "run", path, "--address", strings.TrimPrefix(server.URL, "http://"))
	if code != fault.ExitOK || !strings.Contains(out, ": 3 hold") {
		t.Errorf("exit code %d\n%s\n%s", code, out, other)
	}
	text, _, _ := landfall(t, "", "check", "record", server.URL)
	if !strings.HasPrefix(text, "version: landfall.dev/checks/v1\n") {
		t.Errorf("standard output holds more than the document:\n%s", text)
	}
}

func TestCover(t *testing.T) {
	const config = `events {} http { server { listen 80; server_name shop.invalid;
location / { return 200; } location = /login { return 200; } location /admin/ { return 403; } } }`
	good := file(t, "checks.yaml", checks)
	dump := "# configuration file /etc/nginx/nginx.conf:\n" + config
	out, other, code := landfall(t, dump, "check", "cover", good, "--nginx", "-", "--all")
	if code != fault.ExitNotHolding || !strings.Contains(out, "location /admin/\n    no check touches it") || !strings.Contains(out, "location = /login  touched by log in") {
		t.Errorf("exit code %d\n%s\n%s", code, out, other)
	}
	conf := file(t, "nginx.conf", strings.ReplaceAll(config, "location /admin/ { return 403; }", "include more/*.conf;"))
	os.Mkdir(filepath.Join(filepath.Dir(conf), "more"), 0o700)
	if err := os.WriteFile(filepath.Join(filepath.Dir(conf), "more", "a.conf"), []byte("location /images/ { root /srv; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, other, code := landfall(t, "", "check", "cover", good, "--nginx", conf); code != fault.ExitNotHolding || !strings.Contains(out, "location /images/") {
		t.Errorf("an include: exit code %d\n%s\n%s", code, out, other)
	}
	spec := "version: landfall.dev/hostspec/v1\nhost: web1\nsalt: \"00\"\nitems:\n  nginx-server:\n    shop.invalid:80: {listen: [\"80\"], names: [shop.invalid], protocol: http, file: /etc/nginx/nginx.conf}\n  nginx-location:\n    shop.invalid:80 /: {server: \"shop.invalid:80\", path: /, actions: [return 200]}\n"
	if out, other, code := landfall(t, "", "check", "cover", good, "--nginx", file(t, "web1.yaml", spec)); code != fault.ExitOK || !strings.Contains(out, "1 holds") {
		t.Errorf("a host spec: exit code %d\n%s\n%s", code, out, other)
	}
	for name, nginx := range map[string]string{"nothing": "", "no nginx": "hello", "no server": "http { }", "cut": "http { server {"} {
		if _, other, code := landfall(t, nginx, "check", "cover", good, "--nginx", "-"); code != fault.ExitUsage {
			t.Errorf("%s: exit code %d, %s", name, code, other)
		}
	}
	if _, _, code := landfall(t, "", "check", "cover", good); code != fault.ExitUsage {
		t.Errorf("without --nginx: exit code %d", code)
	}
}
