package cover

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
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

// TestAgainstNginx asks a real nginx where requests go: that of a legacy
// server.
func TestAgainstNginx(t *testing.T) {
	ssh := os.Getenv("LANDFALL_LEGACY_SSH_CONFIG")
	if os.Getenv("LANDFALL_LEGACY") == "" || ssh == "" {
		t.Skip("needs the servers of `landfall local legacy create`: LANDFALL_LEGACY=1 and LANDFALL_LEGACY_SSH_CONFIG, as in `hack/test.sh legacy`")
	}
	const port = 18765
	config := fmt.Sprintf(`
http {
  server { listen %[1]d; server_name first.test; location / { return 200 "first"; } }
  server { listen %[1]d default_server; server_name shop.test .dot.test; %[2]s }
  server { listen %[1]d; server_name *.wild.test; location / { return 200 "*.wild"; } }
  server { listen %[1]d; server_name *.more.wild.test; location / { return 200 "*.more.wild"; } }
  server { listen %[1]d; server_name wild.*; location / { return 200 "wild.*"; } }
  server { listen %[1]d; server_name ~^re\d+\.; location / { return 200 "re"; } }
  server { listen %[1]d; server_name ~^re1; location / { return 200 "re1"; } }
}`, port, speaking)
	address := start(t, ssh, config, port)
	s := newSite(servers(t, config))
	for _, host := range []string{"shop.test", "first.test", "dot.test", "a.dot.test", "a.wild.test", "a.more.wild.test", "wild.test", "wild.wild.test", "re1.test", "nobody.test", "A.WILD.TEST"} {
		compare(t, s, address, host, "/about")
	}
	for _, path := range []string{
		"/", "/x", "/images/", "/images/a.png", "/images/one", "/images/one/", "/images/big/a", "/images/big/a.jpg", "/images/big/a.php", "/images/a.php",
		"/static/", "/static/a.php", "/static/a.png", "/static/deep/a.png", "/static/deep/a.php",
		"/api", "/apis", "/api/v1/", "/api/v1/a.json", "/api/v1/a.php", "/api/v1/users/1", "/api/v1/users.json",
		"/api///v1/./a.json/../b.php", "/x//../api///v1/b.json", "/%61pi", "/api/../admin.php", "/a.PHP", "/a.png", "/a.PnG", "/secure", "/adminsecure", "/aab", "/with%20space/x", "/static/../x.php", "/static/..", "/images/.",
	} {
		compare(t, s, address, "shop.test", path)
	}
}

// start runs nginx on web1 until the test ends, and gives its address.
func start(t *testing.T, ssh, config string, port int) string {
	t.Helper()
	const head = "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}\n"
	config = head + strings.Replace(config, "http {", "http { access_log off;", 1)
	// Standard input goes on after the configuration; when it ends, so does nginx.
	script := fmt.Sprintf(`d=$(mktemp -d); head -c %d >$d/nginx.conf; nginx -p $d -c $d/nginx.conf & cat >/dev/null; kill $!; rm -r $d`, len(config))
	command := exec.Command("ssh", "-F", ssh, "root@web1", script)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); command.Wait() })
	io.WriteString(in, config)
	address := net.JoinHostPort(hostName(t, ssh), strconv.Itoa(port))
	for range 100 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	in.Close()
	command.Wait()
	t.Fatalf("nginx does not answer: %s", said.String())
	return ""
}

// hostName is web1's address in OpenSSH's configuration.
func hostName(t *testing.T, ssh string) string {
	t.Helper()
	text, err := exec.Command("ssh", "-F", ssh, "-G", "web1").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, name, _ := strings.Cut(string(text), "\nhostname ")
	name, _, _ = strings.Cut(name, "\n")
	return name
}

// compare asks nginx, and the matcher, for one address.
func compare(t *testing.T, s *site, nginx, host, path string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+nginx, nil)
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
	_, port, _ := net.SplitHostPort(nginx)
	address := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
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
