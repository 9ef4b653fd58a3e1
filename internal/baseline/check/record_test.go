package check

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// site is a small site with what recording has to cope with.
type site struct {
	*httptest.Server
	requests atomic.Int64
	harmed   atomic.Bool
}

func newSite(t *testing.T) *site {
	s := &site{}
	mux := http.NewServeMux()
	page := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("X-Frame-Options", "DENY")
			w.Header().Set("Content-Security-Policy", fmt.Sprintf("script-src 'nonce-%d'", s.requests.Add(1)))
			fmt.Fprint(w, text)
		})
	}
	page("GET /{$}", `<title>The ${shop}</title><h1>Rings &amp; oars</h1><link rel=stylesheet href=/site.css>
<a href=/about#team>About</a> <a href="about">again</a> <a href=/old.php>Old</a> <a href=/login>Log in</a> <a href=/list?page=1>1</a>
<a href=/list?page=2>2</a> <a href=/list?page=3>3</a> <a href=/logout>x</a> <a href=/orders/7?do=delete>x</a> <a href=/secret rel="nofollow">x</a>
<a href=http://other.invalid/>other</a> <a href=mailto:a@b.c>mail</a> <a href="http://[::1">broken</a> <a href=/deep/1>deep</a> <a href=/visits>Visits</a> <a href=/safe>safe</a>
<form action=/search><input name=q><input name="filter[color]"><input name='"];x'></form>`)
	page("GET /about", `<title>About us</title>`)
	page("GET /list", `<title>Products</title>`)
	page("GET /login", `<title>Log in</title><form action=/login method=post><input name=user><input type=password name=password></form>`)
	page("GET /deep/1", `<title>1</title><a href=/deep/2>next</a>`)
	page("GET /deep/2", `<title>2</title><a href=/deep/3>next</a>`)
	page("GET /deep/3", `<title>3</title>`)
	mux.HandleFunc("GET /visits", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<title>%d visits</title>", s.requests.Add(1))
	})
	mux.HandleFunc("GET /site.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprint(w, "p {}")
	})
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "User-agent: *") })
	mux.HandleFunc("GET /old.php", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/about", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /safe", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://shop.invalid/safe", http.StatusFound)
	})
	for _, path := range []string{"/logout", "/orders/", "/secret", "/search", "POST /login"} {
		mux.HandleFunc(path, func(http.ResponseWriter, *http.Request) { s.harmed.Store(true) })
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestRecordedChecksHold(t *testing.T) {
	s := newSite(t)
	recording, err := Record(t.Context(), RecordOptions{Options: Options{URL: s.URL, Host: "shop.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.harmed.Load() {
		t.Error("a link was followed that changes something")
	}
	if diff := cmp.Diff([]string{"/login"}, recording.Forms); diff != "" {
		t.Errorf("forms (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"https://shop.invalid"}, recording.Elsewhere); diff != "" {
		t.Errorf("elsewhere (-want +got):\n%s", diff)
	}
	var text bytes.Buffer
	if err := recording.Document.Encode(&text); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "recorded.yaml")
	doc, err := Parse(&text)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := NewRunner(doc, Options{Address: strings.TrimPrefix(s.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	for _, r := range runner.Run(t.Context()).Results {
		if r.Answer != result.Holds {
			t.Errorf("%s: expected %s, actual %s\n%s", r.Group, r.Expected, r.Actual, r.Reason)
		}
	}
}

func TestRecordingHasBounds(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		w.Header().Set("Content-Type", "text/html")
		for i := range 100 {
			fmt.Fprintf(w, "<a href=/%d/%d>x</a> <a href='?q=%d.%d'>x</a>", n, i, n, i)
		}
	})
	recording, err := Record(t.Context(), RecordOptions{Options: Options{URL: server.URL}, Depth: 50, Most: 20})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(recording.Document.Checks); n != 20 || recording.Left == 0 || asked.Load() > 50 {
		t.Errorf("%d checks, %d left, %d requests", n, recording.Left, asked.Load())
	}
}

func TestRecordingHostileSites(t *testing.T) {
	server := serve(t, hostile)
	for _, path := range []string{"/escapes", "/deep", "/bomb", "/loop", "/sjis", "/endless"} {
		recording, err := Record(t.Context(), RecordOptions{Options: Options{URL: server.URL + path}, Most: 5})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var text bytes.Buffer
		if err := recording.Document.Encode(&text); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(bytes.NewReader(text.Bytes())); err != nil {
			t.Errorf("%s: %v in\n%s", path, err, &text)
		}
		if strings.Contains(text.String(), "\x1b") || strings.Contains(text.String(), "owned") {
			t.Errorf("%s: a hostile title is expected:\n%s", path, &text)
		}
	}
}

func TestRecordingWhatIsNotThere(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	if _, err := Record(t.Context(), RecordOptions{Options: Options{URL: closed.URL}}); fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("closed port: %v", err)
	}
	if _, err := Record(t.Context(), RecordOptions{Options: Options{URL: "shop"}}); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("no address: %v", err)
	}
}

func TestRecordingALogin(t *testing.T) {
	s := newShop(t)
	options := RecordOptions{Options: Options{URL: s.URL + "/login", Getenv: password("open sesame")}, User: "demo", PasswordEnv: "PASSWORD"}
	recording, err := Record(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := recording.Document.Encode(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "sesame") {
		t.Errorf("the password was written:\n%s", &text)
	}
	doc, err := Parse(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]result.Answer{"open sesame": result.Holds, "open barley": result.Fails} {
		runner, err := NewRunner(doc, Options{Getenv: password(secret), Only: func(name string) bool { return name == "log in" }})
		if err != nil {
			t.Fatal(err)
		}
		report := runner.Run(t.Context())
		if got := report.Counts().Answer(); got != want || len(report.Results) != 3 {
			t.Errorf("with %s it %v, want %v: %+v\n%s", secret, got, want, report.Results, &text)
		}
		runner.Close()
	}
	options.Getenv = password("wrong")
	if _, err := Record(t.Context(), options); fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong password: %v", err)
	}
	options.Getenv = password("")
	if _, err := Record(t.Context(), options); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("no password: %v", err)
	}
	options.URL = s.URL + "/api/orders/1"
	options.Getenv = password("open sesame")
	if _, err := Record(t.Context(), options); err == nil || !strings.Contains(err.Error(), "no form was found") {
		t.Errorf("no form: %v", err)
	}
}
