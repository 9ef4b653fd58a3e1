package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/frontdoor"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// program gives HAProxy of this machine, or of Debian's package.
func program(t *testing.T) (path string, env []string) {
	t.Helper()
	if found, err := exec.LookPath("haproxy"); err == nil {
		return found, nil
	}
	root := servertest.Debian(t, "", "haproxy", "busybox-static")
	libraries := filepath.Join(root, "lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	return filepath.Join(root, "usr/sbin/haproxy"), []string{"LD_LIBRARY_PATH=" + libraries}
}

type fixture struct {
	*Proxy
	t     *testing.T
	log   *servertest.Log
	table frontdoor.Table
	url   string
}

// newFixture prepares a front door whose pages answer 503 "pages".
func newFixture(t *testing.T) *fixture {
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "pages", http.StatusServiceUnavailable) }))
	t.Cleanup(pages.Close)
	listen := servertest.FreeAddress(t)
	dir, err := os.MkdirTemp("", "fd") // short: the path of a socket may have 100 characters
	if err != nil {
		t.Fatal(err)
	}
	log := &servertest.Log{}
	path, env := program(t)
	f := &fixture{t: t, log: log, url: "http://" + listen, Proxy: &Proxy{
		Options: Options{Dir: dir, Listen: listen, Pages: pages.Listener.Addr().String()},
		Program: path, Env: env, Log: log,
	}}
	t.Cleanup(func() {
		f.Stop()
		if t.Failed() {
			t.Log(log.String())
		}
		os.RemoveAll(dir)
	})
	return f
}

// application starts a server that answers with its name.
func application(t *testing.T, name string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name+" "+r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("X-Forwarded-Host"))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func (f *fixture) apply(want Outcome) {
	f.t.Helper()
	got, err := f.Apply(context.Background(), f.table)
	if err != nil {
		f.t.Fatal(err)
	}
	if got != want {
		f.t.Errorf("outcome %s, want %s", got, want)
	}
}

func (f *fixture) route(host, path string, exact bool, backend string, servers ...string) {
	f.table.Routes = append(f.table.Routes, frontdoor.Route{Host: host, Path: path, Exact: exact, Backend: backend})
	f.table.Backends = append(f.table.Backends, frontdoor.Backend{Name: backend, Servers: servers})
}

func (f *fixture) get(host, path string) (int, string) {
	f.t.Helper()
	request, err := http.NewRequest("GET", f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}

func TestRoutes(t *testing.T) {
	f := newFixture(t)
	f.route("web.localhost", "/", false, "web", application(t, "web"))
	f.route("web.localhost", "/api/", false, "api", application(t, "api"))
	f.route("web.localhost", "/health", true, "health", application(t, "health"))
	f.route("*.wild.localhost", "/", false, "wild", application(t, "wild"))
	f.route("", "/any/", false, "any", application(t, "any"))
	f.route("empty.localhost", "/", false, "empty")
	f.route("dead.localhost", "/", false, "dead", "127.0.0.1:1")
	f.apply(Started)
	tests := []struct {
		host, path string
		status     int
		want       string
	}{
		{"web.localhost", "/", 200, "web 127.0.0.1 http web.localhost"},
		{"WEB.localhost:8080", "/apiary?x=/api/", 200, "web 127.0.0.1 http WEB.localhost:8080"},
		{"web.localhost", "/api", 200, "api"}, {"web.localhost", "/api/v1", 200, "api"},
		{"web.localhost", "/health", 200, "health"}, {"web.localhost", "/health/x", 200, "web"},
		{"a.wild.localhost", "/", 200, "wild"},
		{"other.localhost", "/any/thing", 200, "any"},
		{"a.b.wild.localhost", "/", 503, "pages"}, {"nobody.localhost", "/", 503, "pages"}, {"empty.localhost", "/", 503, "pages"},
	}
	for _, tt := range tests {
		if status, body := f.get(tt.host, tt.path); status != tt.status || !strings.HasPrefix(body, tt.want) {
			t.Errorf("%s%s: %d %q, want %d %q", tt.host, tt.path, status, body, tt.status, tt.want)
		}
	}
	if status, _ := f.get("dead.localhost", "/"); status != 503 {
		t.Errorf("refused connection: %d", status)
	}
	if !strings.Contains(f.log.String(), "GET web.localhost/api/v1 200") {
		t.Errorf("the access log lacks a request:\n%s", f.log)
	}
}

// load sends requests without a pause until stop, and counts what fails.
func (f *fixture) load(host string) (stop func() (requests, failures int64)) {
	var requests, failures atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for worker := range 6 {
		// Half of them with a connection for each request, half keep theirs.
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: worker%2 == 0}, Timeout: 10 * time.Second}
		group.Go(func() {
			for ctx.Err() == nil {
				request, _ := http.NewRequest("GET", f.url, nil)
				request.Host = host
				response, err := client.Do(request)
				requests.Add(1)
				if err != nil {
					failures.Add(1)
					f.t.Logf("request failed: %v", err)
					continue
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 {
					failures.Add(1)
					f.t.Logf("status %d, %v", response.StatusCode, err)
				}
			}
		})
	}
	return func() (int64, int64) {
		cancel()
		group.Wait()
		return requests.Load(), failures.Load()
	}
}

func TestTwentyReloadsLoseNoRequest(t *testing.T) {
	f := newFixture(t)
	f.route("web.localhost", "/", false, "web", application(t, "one"), application(t, "two"))
	f.apply(Started)
	stop := f.load("web.localhost")
	for i := range 20 {
		f.route(fmt.Sprintf("new-%d.localhost", i), "/", false, fmt.Sprintf("new-%d", i))
		f.apply(Reloaded)
	}
	requests, failures := stop()
	if failures > 0 || requests < 500 {
		t.Errorf("%d of %d requests failed", failures, requests)
	}
	t.Logf("%d requests over 20 reloads", requests)
}

func TestServersComeAndGoWithoutReloadOrLoss(t *testing.T) {
	f := newFixture(t)
	first, second := application(t, "first"), application(t, "second")
	f.route("web.localhost", "/", false, "web", first)
	f.apply(Started)
	worker := f.worker(t.Context())
	stop := f.load("web.localhost")
	for i := range 50 {
		servers := [][]string{{second}, {first, second}, {first}}[i%3]
		f.table.Backends[0].Servers = servers
		if f.WouldReload(f.table) {
			t.Fatal("a change of servers would reload")
		}
		f.apply(Adjusted)
	}
	requests, failures := stop()
	if failures > 0 || requests < 200 {
		t.Errorf("%d of %d requests failed", failures, requests)
	}
	f.table.Backends[0].Servers = []string{second}
	f.apply(Adjusted)
	if _, body := f.get("web.localhost", "/"); !strings.HasPrefix(body, "second") {
		t.Errorf("answered by %q", body)
	}
	f.apply(Unchanged)
	if f.worker(t.Context()) != worker {
		t.Error("HAProxy was reloaded")
	}
	f.route("other.localhost", "/", false, "other")
	f.apply(Reloaded)
	if _, body := f.get("web.localhost", "/"); !strings.HasPrefix(body, "second") {
		t.Errorf("after a reload, answered by %q", body)
	}
}

func TestRequestUnderWayEndsAfterItsServerLeft(t *testing.T) {
	f := newFixture(t)
	arrived, finish := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		fmt.Fprint(w, "slow")
	}))
	defer slow.Close()
	f.route("web.localhost", "/", false, "web", slow.Listener.Addr().String())
	f.apply(Started)
	answer := make(chan string)
	go func() { _, body := f.get("web.localhost", "/"); answer <- body }()
	<-arrived
	f.table.Backends[0].Servers = []string{application(t, "new")}
	f.apply(Adjusted)
	f.route("other.localhost", "/", false, "other")
	f.apply(Reloaded)
	if _, body := f.get("web.localhost", "/"); !strings.HasPrefix(body, "new") {
		t.Errorf("a new request went to %q", body)
	}
	close(finish)
	if body := <-answer; body != "slow" {
		t.Errorf("the request under way got %q", body)
	}
}

func TestWebSocketOutlivesReloads(t *testing.T) {
	f := newFixture(t)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, stream, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_, _ = io.Copy(conn, stream)
	}))
	defer echo.Close()
	f.route("ws.localhost", "/", false, "ws", echo.Listener.Addr().String())
	f.apply(Started)
	conn, err := net.Dial("tcp", f.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: ws.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	for i := range 3 {
		f.route(fmt.Sprintf("n%d.localhost", i), "/", false, fmt.Sprintf("n%d", i))
		f.apply(Reloaded)
		fmt.Fprintf(conn, "frame %d\n", i)
		if line, err := reader.ReadString('\n'); err != nil || line != fmt.Sprintf("frame %d\n", i) {
			t.Fatalf("%q, %v", line, err)
		}
	}
}

func TestBadTableLeavesTheOneBeforeInService(t *testing.T) {
	f := newFixture(t)
	f.route("web.localhost", "/", false, "web", application(t, "web"))
	f.apply(Started)
	bad := f.table
	bad.Backends = append(bad.Backends, frontdoor.Backend{Name: "bad", Servers: []string{"not an address"}})
	if _, err := f.Apply(context.Background(), bad); err == nil || !strings.Contains(err.Error(), "the one before stays") {
		t.Fatalf("got %v", err)
	}
	if status, _ := f.get("web.localhost", "/"); status != 200 {
		t.Errorf("status %d", status)
	}
	f.apply(Unchanged)
	f.route("web2.localhost", "/", false, "web2")
	f.apply(Reloaded)
}

func TestKilledHAProxyIsSeenAndStartedAgain(t *testing.T) {
	f := newFixture(t)
	f.route("web.localhost", "/", false, "web", application(t, "web"))
	f.apply(Started)
	if err := f.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("its end was not seen")
	}
	f.apply(Started)
	if status, _ := f.get("web.localhost", "/"); status != 200 {
		t.Errorf("status %d", status)
	}
}

func TestStopLetsRequestsEnd(t *testing.T) {
	f := newFixture(t)
	f.route("web.localhost", "/", false, "web", application(t, "web"))
	f.apply(Started)
	f.Stop()
	if _, err := net.Dial("tcp", f.Listen); err == nil {
		t.Error("it listens still")
	}
	if _, err := f.Apply(context.Background(), f.table); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Apply after Stop: %v", err)
	}
}
