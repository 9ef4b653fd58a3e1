package cover

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// locations in which each block says its own name.
const speaking = `
    location = / { return 200 "= /"; }
    location / { return 200 "/"; }
    location /images/ {
      location ~* \.(png|jpg)$ { return 200 "pictures"; }
      location /images/big/ { return 200 "/images/big/"; }
      location = /images/one { return 200 "= /images/one"; }
    }
    location ^~ /static/ {
      location ~ \.php$ { return 200 "static php"; }
      location /static/deep/ { return 200 "/static/deep/"; }
    }
    location /api/ { proxy_pass http://127.0.0.1:1; }
    location /api { return 200 "/api"; }
    location /only/ { proxy_pass http://127.0.0.1:1; }
    location ~ ^/api/v1/ {
      location ~ \.json$ { return 200 "v1 json"; }
    }
    location ~ \.php$ { return 200 "php"; }
    location ~* \.PNG$ { return 200 "png"; }
    location ~ ^/(?!admin)secure { return 200 "secure"; }
    location ~ ^/(\w)\1 { return 200 "twice"; }
    location "/with space/" { return 200 "space"; }
`

// TestAgainstNginx asks a real nginx where requests go.
func TestAgainstNginx(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if os.Getenv("LANDFALL_LEGACY") == "" || err != nil {
		t.Skip("needs LANDFALL_LEGACY=1 and Debian's nginx on PATH")
	}
	port := freePort(t)
	config := fmt.Sprintf(`
http {
  server { listen 127.0.0.1:%[1]d; server_name first.test; location / { return 200 "first"; } }
  server { listen 127.0.0.1:%[1]d default_server; server_name shop.test .dot.test; %[2]s }
  server { listen 127.0.0.1:%[1]d; server_name *.wild.test; location / { return 200 "*.wild"; } }
  server { listen 127.0.0.1:%[1]d; server_name *.more.wild.test; location / { return 200 "*.more.wild"; } }
  server { listen 127.0.0.1:%[1]d; server_name wild.*; location / { return 200 "wild.*"; } }
  server { listen 127.0.0.1:%[1]d; server_name ~^re\d+\.; location / { return 200 "re"; } }
  server { listen 127.0.0.1:%[1]d; server_name ~^re1; location / { return 200 "re1"; } }
}`, port, speaking)
	start(t, program, config, port)
	s := newSite(servers(t, config))
	for _, host := range []string{"shop.test", "first.test", "dot.test", "a.dot.test", "a.wild.test", "a.more.wild.test", "wild.test", "wild.wild.test", "re1.test", "nobody.test", "A.WILD.TEST"} {
		compare(t, s, host, port, "/about")
	}
	for _, path := range []string{
		"/", "/x", "/images/", "/images/a.png", "/images/one", "/images/one/", "/images/big/a", "/images/big/a.jpg", "/images/big/a.php", "/images/a.php",
		"/static/", "/static/a.php", "/static/a.png", "/static/deep/a.png", "/static/deep/a.php",
		"/api", "/apis", "/api/v1/", "/api/v1/a.json", "/api/v1/a.php", "/api/v1/users/1", "/api/v1/users.json",
		"/api///v1/./a.json/../b.php", "/x//../api///v1/b.json", "/%61pi", "/api/../admin.php", "/a.PHP", "/a.png", "/a.PnG", "/secure", "/adminsecure", "/aab", "/with%20space/x", "/static/../x.php", "/static/..", "/images/.",
	} {
		compare(t, s, "shop.test", port, path)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// start runs nginx until the test ends.
func start(t *testing.T, program, config string, port int) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "nginx.conf")
	head := "daemon off; master_process off; pid " + folder + "/pid; error_log stderr; events {}\n"
	config = strings.Replace(config, "http {", "http { access_log off; client_body_temp_path "+folder+"; proxy_temp_path "+folder+"; fastcgi_temp_path "+folder+"; uwsgi_temp_path "+folder+"; scgi_temp_path "+folder+";", 1)
	if err := os.WriteFile(file, []byte(head+config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "-c", file, "-p", folder)
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); command.Wait() })
	for range 100 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nginx does not answer: %s", said.String())
}

// compare asks nginx, and the matcher, for one address.
func compare(t *testing.T, s *site, host string, port int, path string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d", port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.URL.Opaque = host, path
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	address := &url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", host, port)}
	found := s.server(address).find(normalize(path))
	want := string(body)
	if response.StatusCode != http.StatusOK {
		want = "" // blocks that say nothing: their parents and the like
	}
	if got := says(found); got != want {
		t.Errorf("%s%s goes to %q, nginx %d sends it to %q", host, path, got, response.StatusCode, want)
	}
}

// says is what the location returns with status 200.
func says(l *location) string {
	if l == nil {
		return ""
	}
	for _, action := range l.Actions {
		if text, ok := strings.CutPrefix(action, "return 200 "); ok {
			return strings.Trim(text, `"`)
		}
	}
	return ""
}
