package check

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

// shop is a site with a log-in: a form with a token that is good once, a
// session cookie, a page for those who are logged in.
type shop struct {
	*httptest.Server
	tokens atomic.Int64
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", s.form)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /account", s.account)
	mux.HandleFunc("POST /api/orders", s.order)
	mux.HandleFunc("GET /api/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":%q,"query":%q}`, r.PathValue("id"), r.URL.RawQuery)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) form(w http.ResponseWriter, _ *http.Request) {
	token := fmt.Sprintf("csrf-%d", s.tokens.Add(1))
	http.SetCookie(w, &http.Cookie{Name: "form", Value: token, HttpOnly: true})
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, `<form method=post action=/login><input name=user><input type=password name=password><input type=hidden name=_csrf value="%s"></form>`, token)
}

func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	form, err := r.Cookie("form")
	if err != nil || form.Value != r.FormValue("_csrf") {
		http.Error(w, "CSRF token is wrong", http.StatusForbidden)
		return
	}
	if r.FormValue("user") != "demo" || r.FormValue("password") != "open sesame" {
		http.Error(w, "no "+r.FormValue("password"), http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "sess-1", Path: "/"})
	http.Redirect(w, r, "/account", http.StatusFound)
}

func (s *shop) account(w http.ResponseWriter, r *http.Request) {
	if session, err := r.Cookie("session"); err != nil || session.Value != "sess-1" {
		http.Redirect(w, r, "/login", http.StatusFound)
		return
	}
	w.Write([]byte("Hello demo, order #42 waits"))
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, 100)
	n, _ := r.Body.Read(body)
	w.Header().Set("X-Order", "o-7")
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.WriteHeader(http.StatusCreated)
	w.Write(body[:n])
}

const loginFlow = `
variables: {user: demo}
secrets: {password: {env: PASSWORD}}
checks:
- name: log in
  steps:
  - name: form
    request: GET /login
    capture: {csrf: {css: 'input[name=_csrf]', attribute: value}}
  - name: send
    request:
      path: /login
      form: {user: '${user}', password: '${password}', _csrf: '${csrf}'}
    expect: {redirect: /account}
    capture: {session: {cookie: session}}
  - name: account
    request: GET /account
    expect: {body: [{contains: 'Hello ${user}'}]}
    capture: {order: {matches: 'order #(\d+)'}}
  - name: order
    request: {path: '/api/orders/${order}', query: {q: 'a b&c'}}
    expect: {body: [{json: $.id, equals: '${order}'}, {json: $.query, equals: q=a+b%26c}]}
- name: not logged in
  request: {path: /account, follow: true}
  expect: {redirect: /login, body: [{css: form}]}
- name: link
  steps:
  - request: GET /login
    capture: {next: {css: form, attribute: action}}
  - request: GET ${next}
    expect: {body: [{css: form}]}
- name: order by API
  steps:
  - request: {path: /api/orders, json: {user: '${user}', items: [{n: 1, note: 'for ${user}'}]}}
    expect: {status: 201, body: [{json: '$.items[0].note', equals: for demo}, {json: '$.items[0].n', equals: 1}]}
    capture: {id: {header: X-Order, matches: '^.-\d$'}}
  - request: GET /api/orders/${id}
    expect: {body: [{json: $.id, equals: o-7}]}
`

func password(value string) func(string) string {
	return func(name string) string {
		if name == "PASSWORD" {
			return value
		}
		return ""
	}
}

func TestLoginFlow(t *testing.T) {
	s := newShop(t)
	report := run(t, s.Server, loginFlow, Options{Getenv: password("open sesame"), Parallel: 2})
	want := []string{
		"log in/form holds", "log in/send holds", "log in/account holds", "log in/order holds",
		"not logged in/GET /account holds",
		"link/GET /login holds", "link/GET ${next} holds",
		"order by API/POST /api/orders holds", "order by API/GET /api/orders/${id} holds",
	}
	if diff := cmp.Diff(want, answers(report)); diff != "" {
		t.Errorf("answers (-want +got):\n%s\n%+v", diff, report.Results)
	}
}

func TestAFailingStepEndsItsCheck(t *testing.T) {
	s := newShop(t)
	report := run(t, s.Server, loginFlow, Options{Getenv: password("open barley"), Only: func(name string) bool { return name == "log in" }})
	want := []string{"log in/form holds", "log in/send fails", "log in/account unknown", "log in/order unknown"}
	if diff := cmp.Diff(want, answers(report)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	send, account := report.Results[1], report.Results[2]
	if !strings.Contains(send.Reason, "| no [password]") || strings.Contains(send.Reason, "barley") {
		t.Errorf("the reason shows the password, or nothing: %s", send.Reason)
	}
	if account.Reason != `not asked, since "send" does not hold` {
		t.Errorf("reason %q", account.Reason)
	}
	if report.Err() == nil || report.Counts() != (result.Counts{Holds: 1, Fails: 1, Unknown: 2}) {
		t.Errorf("counts %v", report.Counts())
	}
}

func TestRetriesUntilItHolds(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	})
	const checks = `
defaults: {retry: {attempts: 3, wait: 1ms}}
checks: [{name: it, request: GET /}]`
	if got := run(t, server, checks, Options{}).Results[0]; got.Answer != result.Holds || asked.Load() != 3 {
		t.Errorf("%v after %d requests: %s", got.Answer, asked.Load(), got.Reason)
	}
	asked.Store(-10)
	got := run(t, server, checks, Options{}).Results[0]
	if got.Answer != result.Fails || asked.Load() != -7 || !strings.Contains(got.Reason, "after 3 attempts") {
		t.Errorf("%v after %d requests: %s", got.Answer, asked.Load()+10, got.Reason)
	}
}

func TestCapturesThatAreNotThere(t *testing.T) {
	s := newShop(t)
	for capture, reason := range map[string]string{
		"{header: X-None}":                            "capturing it: there is no header X-None",
		"{cookie: none}":                              "capturing it: there is no cookie none",
		"{css: h1}":                                   "capturing it: there is no css h1",
		"{json: $.id}":                                "capturing it: the body is not JSON",
		"{matches: 'no such'}":                        "capturing it: there is no body matching no such",
		"{header: Content-Type, matches: json}":       "capturing it: there is no header Content-Type matching json",
		"{css: 'input[name=user]', attribute: value}": "capturing it: there is no css input[name=user] attribute value",
	} {
		got := run(t, s.Server, "checks: [{name: a, request: GET /login, capture: {it: "+capture+"}}]", Options{}).Results[0]
		if got.Answer != result.Fails || !strings.Contains(got.Reason, reason) {
			t.Errorf("%s: %v, %s", capture, got.Answer, got.Reason)
		}
	}
}

func TestCapturedSecretsAreNotShown(t *testing.T) {
	s := newShop(t)
	report := run(t, s.Server, `
checks:
- name: it
  steps:
  - name: capture
    request: GET /login
    capture: {csrf: {css: 'input[name=_csrf]', attribute: value, secret: true}}
  - name: use
    request: {path: '/api/orders/${csrf}'}
    expect: {body: [{equals: nothing}]}
- name: before it is captured
  request: GET /login
  expect: {status: 204, body: [{css: 'input[name=_csrf]', attribute: value, equals: x}]}
  capture: {csrf: {css: 'input[name=_csrf]', attribute: value, secret: true}}
`, Options{})
	for _, r := range report.Results {
		if text := r.Expected + r.Actual + r.Reason; strings.Contains(text, "csrf-") {
			t.Errorf("%s shows the token: %s", r.Name, text)
		}
	}
	if report.Results[1].Answer != result.Fails || !strings.Contains(report.Results[1].Reason, "[csrf]") {
		t.Errorf("%+v", report.Results[1])
	}
}

func TestOtherHostsMustBeAllowed(t *testing.T) {
	var asked atomic.Int64
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); w.Write([]byte(r.Host)) })
	away := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/link" {
			w.Header().Set("X-Next", away)
			return
		}
		http.Redirect(w, r, away, http.StatusFound)
	})
	const checks = `
checks:
- name: redirect
  request: {path: /, follow: true}
- name: captured
  steps:
  - {name: link, request: GET /link, capture: {next: {header: X-Next}}}
  - {name: next, request: {url: '${next}'}}
- name: path
  steps:
  - {name: link, request: GET /link, capture: {next: {header: X-Next}}}
  - {name: next, request: {path: '/${next}'}}
`
	report := run(t, server, checks, Options{})
	for _, i := range []int{0, 2} {
		if r := report.Results[i]; r.Answer != result.Fails || !strings.Contains(r.Reason, "allowHosts") {
			t.Errorf("%s: %v, %s", r.Name, r.Answer, r.Reason)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
	report = run(t, server, "allowHosts: [localhost]\n"+checks, Options{})
	if n := asked.Load(); n != 2 || report.Results[0].Answer != result.Holds || report.Results[2].Answer != result.Holds {
		t.Errorf("allowed: asked %d times, %v", n, answers(report))
	}
}

func TestFilesAreSent(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("picture")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		content := make([]byte, 100)
		n, _ := file.Read(content)
		fmt.Fprintf(w, "%s %s %s for %s", header.Filename, header.Header.Get("Content-Type"), content[:n], r.FormValue("who"))
	})
	report := run(t, server, `
variables: {who: demo}
checks:
- name: upload
  request:
    path: /upload
    form: {who: '${who}'}
    files: {picture: {name: 'a "b".png', type: image/png, content: 'of ${who}'}}
  expect: {body: [{equals: 'a "b".png image/png of demo for demo'}]}
`, Options{})
	if got := report.Results[0]; got.Answer != result.Holds {
		t.Errorf("%v: %s", got.Answer, got.Reason)
	}
}
