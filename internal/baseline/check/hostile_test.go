package check

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// endless writes until the client is gone.
func endless(w io.Writer, text string) {
	chunk := []byte(strings.Repeat(text, 1+32<<10/len(text)))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// hostile is a site that wants to do harm, a way a path.
func hostile(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/endless":
		endless(w, "more and more ")
	case "/bomb":
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		for range 200 << 20 / (32 << 10) {
			if _, err := packed.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
		packed.Close()
	case "/drip":
		for r.Context().Err() == nil {
			w.Write([]byte("."))
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	case "/hang":
		<-r.Context().Done()
	case "/headers":
		for i := range 2000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
		}
	case "/loop":
		http.Redirect(w, r, fmt.Sprintf("/loop?n=%d", len(r.URL.RawQuery)), http.StatusFound)
	case "/escapes":
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<title>\x1b]0;owned\x07\x1b[2J\u202eevil \x9b1m\xff</title><p>ok 1 - all is well\nnot really"))
	case "/deep":
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(strings.Repeat("<div>", 100_000) + "x"))
	case "/deep.json":
		w.Write([]byte(strings.Repeat("[", 100_000)))
	case "/cut":
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("half"))
	case "/packed-lie":
		w.Header().Set("Content-Encoding", "gzip")
		w.Write([]byte("this is not gzip"))
	case "/sjis":
		w.Header().Set("Content-Type", "text/html; charset=Shift_JIS")
		w.Write([]byte("<title>\x8f\xa4\x95i</title>"))
	}
}

func TestHostileServers(t *testing.T) {
	server := serve(t, hostile)
	tests := []struct {
		name, action string
		want         result.Answer
		reason       string
	}{
		{"endless body, not asked about", "request: GET /endless", result.Holds, ""},
		{"endless body", "request: GET /endless, expect: {body: [{contains: never}]}", result.Unknown, "longer than 1MiB"},
		{"endless body, captured from", "request: GET /endless, capture: {x: {matches: never}}", result.Unknown, "longer than 1MiB"},
		{"gzip bomb", "request: GET /bomb, maxBody: 64KiB, expect: {body: [{contains: never}]}", result.Unknown, "longer than 64KiB"},
		{"body in drips", "request: GET /drip, timeout: 100ms", result.Fails, "no complete answer within 100ms"},
		{"no answer", "request: GET /hang, timeout: 50ms", result.Fails, "no complete answer within 50ms"},
		{"endless header", "request: GET /headers", result.Fails, "headers exceeded"},
		{"redirects in circles", "request: {path: /loop, follow: true}", result.Fails, "redirects more than 10 times"},
		{"escape codes", "request: GET /escapes, expect: {body: [{css: title, equals: Shop}]}", result.Fails, ""},
		{"deeply nested HTML", "request: GET /deep, expect: {body: [{css: p}]}", result.Fails, ""},
		{"deeply nested JSON", "request: GET /deep.json, expect: {body: [{json: '$..*'}]}", result.Fails, ""},
		{"half a body", "request: GET /cut", result.Fails, "the body ended after 4 bytes"},
		{"a lie about packing", "request: GET /packed-lie", result.Fails, "gzip"},
		{"another character set", "request: GET /sjis, expect: {body: [{css: title, equals: 商品}]}", result.Holds, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started := time.Now()
			report := run(t, server, "checks: [{name: it, "+tt.action+"}]", Options{})
			got := report.Results[0]
			if got.Answer != tt.want || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("%v, want %v with %q: %.500s", got.Answer, tt.want, tt.reason, got.Actual+"\n"+got.Reason)
			}
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, format := range result.Formats {
				var out bytes.Buffer
				if err := report.Write(&out, format, result.Options{}); err != nil {
					t.Fatal(err)
				}
				if bytes.ContainsFunc(out.Bytes(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }) {
					t.Errorf("%s lets control characters through: %q", format, out.String())
				}
			}
		})
	}
}

func TestServersThatSpeakSomethingElse(t *testing.T) {
	answers := []string{"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200", "", "HTTP/1.1 999999 x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"}
	for _, answer := range answers {
		address := servertest.Accept(t, func(conn net.Conn) {
			io.WriteString(conn, answer)
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
		})
		got := run(t, &httptest.Server{}, "checks: [{name: it, request: GET /, timeout: 1s}]", Options{URL: "http://" + address}).Results[0]
		if got.Answer != result.Fails || got.Reason == "" {
			t.Errorf("%v: %s", got.Answer, got.Reason)
		}
	}
}

// TestMemoryIsFlat runs checks as a guard does, a thousand times.
func TestMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand runs take a second")
	}
	s := newShop(t)
	onlyLogin := func(name string) bool { return name == "log in" }
	runner, err := NewRunner(parse(t, loginFlow), Options{URL: s.URL, Getenv: password("open sesame"), Only: onlyLogin})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	measure := func(runs int) (heap uint64, goroutines int) {
		for range runs {
			if err := runner.Run(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc, runtime.NumGoroutine()
	}
	heap, goroutines := measure(100)
	heapLater, goroutinesLater := measure(900)
	if heapLater > heap+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes over 900 runs", heap, heapLater)
	}
	if goroutinesLater > goroutines+10 {
		t.Errorf("goroutines grew from %d to %d over 900 runs", goroutines, goroutinesLater)
	}
}

// BenchmarkRun is one run of seven requests: a guard makes one a second.
func BenchmarkRun(b *testing.B) {
	s := &shop{}
	server := httptest.NewServer(http.HandlerFunc(products))
	defer server.Close()
	s.Server = server
	doc, err := Parse(strings.NewReader("version: " + Version + `
checks:
- {name: page, request: GET /, expect: {body: [{css: .products li, count: 2}]}}
- {name: api, request: GET /api/products, expect: {body: [{json: '$.items[0].name', equals: Ring}]}}
- {name: old, request: GET /old.php, expect: {redirect: '/new?from=old'}}
`))
	if err != nil {
		b.Fatal(err)
	}
	runner, err := NewRunner(doc, Options{URL: server.URL, KeepConnections: true})
	if err != nil {
		b.Fatal(err)
	}
	defer runner.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := runner.Run(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzBody(f *testing.F) {
	doc, err := Parse(strings.NewReader("version: " + Version + `
checks:
- name: it
  request: GET /
  expect:
    body: [{css: 'p:first-child', equals: a}, {css: a, attribute: href, number: '> 1'}, {json: '$..a[?@.b > 1]'}, {matches: '(?s)^.*$'}, {not: {contains: x}}]
  capture: {x: {json: '$.*', matches: '(.)'}}
`))
	if err != nil {
		f.Fatal(err)
	}
	runner, err := NewRunner(doc, Options{URL: "http://x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("text/html; charset=Shift_JIS", []byte("<title>\x8f\xa4</title><p>a<a href=2>"))
	f.Add("application/json", []byte(`{"a":[{"b":2}],"c":1e999}`))
	f.Add("text/plain; charset=utf-16", []byte("\xff\xfea\x00"))
	f.Add(`text/html; charset="`, []byte("<table><tr><p><svg><![CDATA[<title>"))
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		v := &visit{Runner: runner, values: values{}, redactor: &redactor{}}
		s := runner.flows[0].steps[0]
		x := &exchange{method: "GET", url: runner.route.base, status: 200, header: http.Header{}, body: &body{contentType: contentType, data: data}}
		judged, err := v.judge(s, x)
		if err != nil {
			t.Fatal(err)
		}
		var one result.Result
		v.report(&one, x, judged, v.captureAll(s, x))
		var out bytes.Buffer
		if err := (result.Report{Results: []result.Result{one}}).Write(&out, result.Table, result.Options{}); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsFunc(out.Bytes(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }) {
			t.Errorf("control characters come through: %q", out.String())
		}
	})
}
