package check

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// parse reads checks written without their first line.
func parse(t *testing.T, checks string) *Document {
	t.Helper()
	doc, err := Parse(strings.NewReader("version: " + Version + "\n" + checks))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// run runs checks against a server.
func run(t *testing.T, server *httptest.Server, checks string, options Options) result.Report {
	t.Helper()
	if options.URL == "" {
		options.URL = server.URL
	}
	runner, err := NewRunner(parse(t, checks), options)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	return runner.Run(t.Context())
}

// serve starts a server that answers every request so.
func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server
}

// answers is what each step says: its name and answer.
func answers(report result.Report) []string {
	var list []string
	for _, r := range report.Results {
		list = append(list, r.Group+"/"+r.Name+" "+r.Answer.String())
	}
	return list
}

func products(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Frame-Options", "DENY")
	http.SetCookie(w, &http.Cookie{Name: "sid", Value: "very-private", Path: "/"})
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<html><head><title>The  Shop</title></head><body><ul class=products><li>Ring</li><li>Oar</li></ul><a href="/about">About</a></body></html>`))
	case "/api/products":
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"items":[{"id":1,"name":"Ring","price":12.5},{"id":12345678901234567890,"name":"Oar","price":80}],"next":null}`))
	case "/old.php":
		http.Redirect(w, r, "/new?from=old", http.StatusMovedPermanently)
	default:
		http.Error(w, "nothing at "+r.URL.Path, http.StatusNotFound)
	}
}

func TestConditionsHoldOrFail(t *testing.T) {
	server := serve(t, products)
	tests := []struct {
		name, path, expect string
		want               result.Answer
	}{
		{"status by default", "/", ``, result.Holds},
		{"404 by default", "/none", ``, result.Fails},
		{"404 expected", "/none", `{status: 404}`, result.Holds},
		{"status class", "/none", `{status: 4xx}`, result.Holds},
		{"status list", "/none", `{status: [200, 400-410]}`, result.Holds},
		{"status not in the list", "/", `{status: [201, 404]}`, result.Fails},
		{"header", "/", `{headers: {x-frame-options: DENY}}`, result.Holds},
		{"another header", "/", `{headers: {X-Frame-Options: SAMEORIGIN}}`, result.Fails},
		{"no header", "/", `{headers: {Server: {exists: false}}}`, result.Holds},
		{"a header that should not be", "/", `{headers: {X-Frame-Options: {exists: false}}}`, result.Fails},
		{"header that is missing", "/", `{headers: {X-None: {matches: .}}}`, result.Fails},
		{"text", "/", `{body: [{contains: Ring}]}`, result.Holds},
		{"all the texts", "/", `{body: [{contains: [Ring, Boat]}]}`, result.Fails},
		{"not a text", "/", `{body: [{not: {contains: Fatal error}}]}`, result.Holds},
		{"not a text that is there", "/", `{body: [{not: {contains: Ring}}]}`, result.Fails},
		{"pattern", "/", `{body: [{matches: '(?i)the\s+shop'}]}`, result.Holds},
		{"title", "/", `{body: [{css: title, equals: The Shop}]}`, result.Holds},
		{"another title", "/", `{body: [{css: title, equals: Shop}]}`, result.Fails},
		{"one of the elements", "/", `{body: [{css: .products li, equals: Oar}]}`, result.Holds},
		{"none of the elements", "/", `{body: [{css: .products li, equals: Boat}]}`, result.Fails},
		{"count", "/", `{body: [{css: .products li, count: 2}]}`, result.Holds},
		{"another count", "/", `{body: [{css: .products li, count: '> 2'}]}`, result.Fails},
		{"count of none", "/", `{body: [{css: .error, count: 0}]}`, result.Holds},
		{"attribute", "/", `{body: [{css: a, attribute: href, equals: /about}]}`, result.Holds},
		{"no such element", "/", `{body: [{css: form}]}`, result.Fails},
		{"JSON text", "/api/products", `{body: [{json: '$.items[0].name', equals: Ring}]}`, result.Holds},
		{"JSON number", "/api/products", `{body: [{json: '$.items[?@.name == "Oar"].price', number: '>= 80, < 81'}]}`, result.Holds},
		{"JSON number beyond float", "/api/products", `{body: [{json: '$.items[1].id', equals: 12345678901234567890}]}`, result.Holds},
		{"JSON number out of range", "/api/products", `{body: [{json: '$.items[0].price', number: '> 12.5'}]}`, result.Fails},
		{"JSON null", "/api/products", `{body: [{json: $.next, equals: 'null'}]}`, result.Holds},
		{"JSON missing", "/api/products", `{body: [{json: $.total}]}`, result.Fails},
		{"JSON missing as wanted", "/api/products", `{body: [{json: $.total, exists: false}]}`, result.Holds},
		{"no JSON", "/", `{body: [{json: $.total, exists: false}]}`, result.Fails},
		{"one of", "/api/products", `{body: [{json: '$.items[0].name', oneOf: [Oar, Ring]}]}`, result.Holds},
		{"redirect", "/old.php", `{redirect: "/new?from=old"}`, result.Holds},
		{"redirect with status", "/old.php", `{status: 301, redirect: {matches: ^http.*/new}}`, result.Holds},
		{"another redirect", "/old.php", `{redirect: /new}`, result.Fails},
		{"no redirect", "/", `{status: 200, redirect: /new}`, result.Fails},
		{"no redirect as wanted", "/", `{status: 200, redirect: {exists: false}}`, result.Holds},
		{"in time", "/", `{timing: {total: 9s, firstByte: 9s}}`, result.Holds},
		{"too late", "/", `{timing: {total: 1ns}}`, result.Fails},
		{"no certificate", "/", `{certificate: {validDays: 1}}`, result.Fails},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checks := "checks: [{name: it, request: GET " + tt.path + ", expect: " + tt.expect + "}]"
			if tt.expect == "" {
				checks = "checks: [{name: it, request: GET " + tt.path + "}]"
			}
			got := run(t, server, checks, Options{}).Results[0]
			if got.Answer != tt.want {
				t.Errorf("%v, want %v: expected %q, actual %q, %s", got.Answer, tt.want, got.Expected, got.Actual, got.Reason)
			}
			if got.Answer == result.Fails && (got.Expected == "" || got.Actual == "") {
				t.Errorf("it fails without saying what was expected and what came: %+v", got)
			}
		})
	}
}

func TestFailuresAreReadable(t *testing.T) {
	server := serve(t, products)
	report := run(t, server, `
checks:
- name: products
  request: GET /
  expect:
    status: 204
    headers: {Set-Cookie: {contains: Secure}, X-Cache: HIT}
    body:
    - css: title
      equals: Shop
    - contains: Welcome back
`, Options{})
	got := report.Results[0]
	wantExpected := "status 204\nheader Set-Cookie contains \"Secure\"\nheader X-Cache is \"HIT\"\ncss title is \"Shop\"\nbody contains \"Welcome back\""
	wantActual := "status 200 OK\nheader Set-Cookie is \"sid=…; Path=/\"\nheader X-Cache does not exist\ncss title is \"The Shop\"\nbody of 138 bytes, see below"
	if diff := cmp.Diff(wantExpected, got.Expected); diff != "" {
		t.Errorf("expected (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantActual, got.Actual); diff != "" {
		t.Errorf("actual (-want +got):\n%s", diff)
	}
	for _, part := range []string{"GET " + server.URL + "/ at 127.0.0.1:", "→ 200 OK, text/html, 138 bytes, ", "| The Shop\n| RingOarAbout"} {
		if !strings.Contains(got.Reason, part) {
			t.Errorf("the reason lacks %q:\n%s", part, got.Reason)
		}
	}
}

func TestBodiesOfSeveralLinesAreCompared(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a\nb\nc\n")) })
	got := run(t, server, `checks: [{name: it, request: GET /, expect: {body: [{equals: "a\nB\nc\n"}]}}]`, Options{}).Results[0]
	if !strings.Contains(got.Reason, "-B\n+b\n") {
		t.Errorf("no difference is shown:\n%s", got.Reason)
	}
}

func TestServersThatCannotBeAsked(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	const checks = `checks: [{name: it, request: GET /, timeout: 2s}, {name: that, request: GET /}]`
	report := run(t, closed, checks, Options{})
	if report.Results[0].Answer != result.Fails || !strings.Contains(report.Results[0].Reason, "connection refused") {
		t.Errorf("a closed port: %+v", report.Results[0])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	runner, err := NewRunner(parse(t, checks), Options{URL: closed.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runner.Run(ctx).Results {
		if r.Answer != result.Unknown || r.Reason != "interrupted" {
			t.Errorf("interrupted: %+v", r)
		}
	}
}

// TestItsOwnTimeIsNotTheServers: a run that must end says nothing of the site.
func TestItsOwnTimeIsNotTheServers(t *testing.T) {
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	runner, err := NewRunner(parse(t, `checks: [{name: it, request: GET /, timeout: 10s}]`), Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r := runner.Run(ctx).Results[0]; r.Answer != result.Unknown || !strings.Contains(r.Reason, "interrupted") {
		t.Errorf("%+v", r)
	}
}

func TestStreamEndsWithTheReader(t *testing.T) {
	server := serve(t, products)
	runner, err := NewRunner(parse(t, `checks: [{name: a, request: GET /}, {name: b, request: GET /}, {name: c, request: GET /}]`), Options{URL: server.URL, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	n := 0
	if err := runner.Stream(t.Context(), func(result.Result) error { n++; return full }); !errors.Is(err, full) || n != 1 {
		t.Errorf("got %v after %d results, want the reader's error after 1", err, n)
	}
}

func TestSecretsAreRead(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Echo", password)
		w.Write([]byte("denied " + user + " with " + r.Header.Get("Authorization") + " " + r.FormValue("token")))
	})
	const checks = `
secrets: {password: {env: PASSWORD}, token: {file: /run/token}}
checks:
- name: it
  request: {path: /, query: {token: "${token}"}, basicAuth: {user: admin, password: "${password}"}}
  expect: {status: 204, headers: {X-Echo: "no"}, body: [{equals: "${password}"}]}
`
	options := Options{
		Getenv: func(name string) string { return map[string]string{"PASSWORD": `s3cret"<&>`}[name] },
		ReadFile: func(name string) ([]byte, error) {
			return []byte("t/o ken\n"), map[string]error{"/run/token": nil}[name]
		},
	}
	got := run(t, server, checks, options).Results[0]
	all := got.Expected + got.Actual + got.Reason
	for _, leak := range []string{`s3cret`, "t/o ken", "t%2Fo", "YWRtaW46czNjcmV0"} {
		if strings.Contains(all, leak) {
			t.Errorf("%q is shown in:\n%s", leak, all)
		}
	}
	if !strings.Contains(got.Actual, `header X-Echo is "[password]"`) || !strings.Contains(got.Reason, "token=[token]") {
		t.Errorf("what is hidden is not named: %+v", got)
	}
	options.Getenv = func(string) string { return "" }
	if _, err := NewRunner(parse(t, checks), withURL(options, server.URL)); fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "environment variable PASSWORD is empty") {
		t.Errorf("without the variable: %v", err)
	}
	options.ReadFile = func(string) ([]byte, error) { return nil, os.ErrNotExist }
	if _, err := NewRunner(parse(t, checks), withURL(options, server.URL)); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("without the file: %v", err)
	}
}

func withURL(o Options, url string) Options {
	o.URL = url
	return o
}

func TestSecretsAreFoundInTheirEncodings(t *testing.T) {
	const secret = `a;b c"<&'/é`
	r := &redactor{}
	r.add("key", secret)
	for _, text := range []string{
		secret, "x=a%3Bb+c%22%3C%26%27%2F%C3%A9", "/a;b%20c%22%3C&%27/%C3%A9?", `{"k":"a;b c\"<&'/é"}`, `{"k":"a;b c\"\u003c\u0026'/é"}`,
		"a;b c&quot;&lt;&amp;&#039;/é", "a;b c&#34;&lt;&amp;&#39;/é",
	} {
		if got := r.apply(text); strings.Contains(got, "a") && strings.Contains(got, "c") || !strings.Contains(got, "[key]") {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
