package containerize

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
)

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func tell(text string, changes []change) string {
	var out strings.Builder
	for _, c := range changes {
		out.WriteString("# " + c.String() + "\n")
	}
	return out.String() + "\n" + text
}

func TestNginxOfTheShop(t *testing.T) {
	text, changes := adaptNginx("/etc/nginx/sites-available/shop", read(t, "nginx-shop.conf"))
	golden.Assert(t, tell(text, changes), "nginx-shop.golden")
}

func TestFPMOfTheShop(t *testing.T) {
	text, changes, secrets := adaptFPM("/etc/php/8.2/fpm/pool.d/shop.conf", read(t, "fpm-shop.conf"), false)
	golden.Assert(t, tell(text, changes), "fpm-shop.golden")
	if diff := cmp.Diff(map[string]string{"SHOP_DB_PASSWORD": "lamps4ever!"}, secrets); diff != "" {
		t.Errorf("secrets (-want +got)\n%s", diff)
	}
	if strings.Contains(text, "lamps4ever") {
		t.Error("the password is still there")
	}
}

func TestNginxDirectives(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing to do", "http { gzip on; }", "http { gzip on; }"},
		{"root and pid", "user www-data www;\npid /run/nginx.pid;\n", "# user www-data www;\npid /tmp/nginx.pid;\n"},
		{"logs", "access_log /var/log/a.log main buffer=32k;\nerror_log /var/log/e.log warn;", "access_log /dev/stdout main;\nerror_log /dev/stderr warn;"},
		{"logs that stay", "access_log off;\nerror_log syslog:server=10.0.0.1;", "access_log off;\nerror_log syslog:server=10.0.0.1;"},
		{"only TLS", "server { listen 443 ssl http2; listen [::]:443 ssl; ssl_certificate a; }", "server { listen 8443; listen [::]:8443;  }"},
		{"TLS beside plain", "server { listen 80; location / { return 200; } listen 443 ssl; }", "server { listen 80; location / { return 200; }  }"},
		{"two servers", "server { listen 80; return 301 https://$host; }\nserver { listen 1.2.3.4:443 ssl; }", "server { listen 80; return 301 https://$host; }\nserver { listen 1.2.3.4:8443; }"},
		{"in a comment and in quotes", "# user www;\nadd_header X \"user www;\";", "# user www;\nadd_header X \"user www;\";"},
		{"broken off", "server { access_log /x", "server { access_log /x"},
		{"braces in a variable", "set $a ${b}c;\nuser x;", "set $a ${b}c;\n# user x;"},
		{"too many braces", "}}} user x;", "}}} # user x;"},
	}
	for _, tt := range tests {
		if got, _ := adaptNginx("f", tt.text); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestAdaptedNginxIsAdaptedOnce(t *testing.T) {
	once, _ := adaptNginx("f", read(t, "nginx-shop.conf"))
	twice, _ := adaptNginx("f", once)
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Errorf("(-once +twice)\n%s", diff)
	}
}

func FuzzAdaptNginx(f *testing.F) {
	for _, seed := range []string{read(f, "nginx-shop.conf"), "listen 443 ssl;", "}", "server{listen;}", `a "\`, "${", "user\n#x\nwww;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		adapted, changes := adaptNginx("f", text)
		if len(changes) == 0 && adapted != text {
			t.Errorf("changed without a word: %q → %q", text, adapted)
		}
	})
}

func TestPortsAndHealth(t *testing.T) {
	text, _ := adaptNginx("f", read(t, "nginx-shop.conf"))
	if diff := cmp.Diff([]int32{80}, ports(text)); diff != "" {
		t.Errorf("ports (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]int32{8080, 80, 8443}, ports("listen 127.0.0.1:8080; listen [::1]; listen unix:/x; listen 8443; listen [::]:8080;")); diff != "" {
		t.Errorf("ports (-want +got)\n%s", diff)
	}
	for text, want := range map[string]string{
		"location = /healthz {}": "/healthz", "location /a/ping.php {}": "/a/ping.php", `location ~ /health {}`: "", "location / {}": "", "location /healthy-food {}": "",
	} {
		if got := healthPath(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := frontPort([]int32{80, 8443}); got != 8443 {
		t.Errorf("the port of TLS comes first: %d", got)
	}
}

func TestSockets(t *testing.T) {
	got := sockets("[a]\nlisten = /run/a.sock\n[b]\nlisten = 127.0.0.1:9001\n;listen = 1\n[c]\nlisten=9000\nlisten.mode = 0660\n[d]\nlisten = 0.0.0.0:9002")
	want := []string{"unix:///run/a.sock", "tcp://127.0.0.1:9001", "tcp://127.0.0.1:9000", "tcp://127.0.0.1:9002"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCredential(t *testing.T) {
	key := "-----BEGIN RSA " + "PRIVATE KEY-----\nabc\n"
	tests := []struct {
		file, content string
		want          bool
	}{
		{"/var/www/shop/current/lib/x.php", key, true},
		{"/var/www/shop/current/lib/x.php", "// begins with PRIVATE KEY-----", false},
		{"/etc/nginx/htpasswd", "office:$apr1$x", true},
		{"/home/x/.ssh/id_rsa", "", true},
		{"/usr/local/etc/id_rsa.pub", "ssh-rsa AAAA", false},
		{"/var/www/config/database.php", "return ['db' => ['user' => 'shop', 'password' => 'lamps4ever!']];", true},
		{"/var/www/config/database.php", "return ['password' => getenv('DB_PASSWORD')];", false},
		{"/var/www/config/database.php", "return ['password' => $env['x'], 'password_file' => '/run/secret'];", false},
		{"/var/www/src/login.php", "$password = $_POST['password']; $labels = ['password' => 'Passwort'];", false},
		{"/var/www/src/pay.php", "$k = 'sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc';", true},
		{"/etc/app.ini", "db.password = geheim1", true},
		{"/etc/app.ini", "; db.password = geheim1", false},
		{"/etc/app.ini", "db.password = ${DB_PASSWORD}\npassword_min_length = 12\npassword = ", false},
		{"/usr/local/bin/program", "\x7fELF\x00password=geheim", false},
		{"/opt/.env", "API_TOKEN=0123456789abcdef", true},
	}
	for _, tt := range tests {
		why := credential(tt.file, []byte(tt.content))
		if (why != "") != tt.want {
			t.Errorf("%s %q: %q", tt.file, tt.content, why)
		}
		for _, secret := range []string{"lamps4ever", "geheim", "0123456789"} {
			if strings.Contains(why, secret) {
				t.Errorf("%s: %q tells the secret", tt.file, why)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	got := addresses("allow 10.1.2.0/24; host db1; x db10 10.66.0.21:3306 8.8.8.8 db1.shop", []string{"db1", "web1"})
	if diff := cmp.Diff([]string{"10.1.2.0", "10.66.0.21", "db1"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCommandsWithoutTheirOutput(t *testing.T) {
	for command, want := range map[string]string{
		"php a.php >> /var/log/a.log 2>&1":           "php a.php",
		"php a.php > /dev/null":                      "php a.php",
		"a && b 2>/dev/null | c >x; d":               "a && b | c; d",
		"cd /x && ls | head -n 3 | logger -t shop":   "cd /x && ls | head -n 3",
		"find /x -type f -mtime +7 -delete":          "find /x -type f -mtime +7 -delete",
		"php a.php &> /var/log/x; [ $a -gt 3 ] && b": "php a.php; [ $a -gt 3 ] && b",
	} {
		if got := strings.TrimSpace(redirect.ReplaceAllString(command, "")); got != want {
			t.Errorf("%s:\n got %q\nwant %q", command, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]string{"uploads": "uploads", "My_Files": "my-files", "2019": "x2019", "...": "x", "a-very-long-name-of-a-folder": "a-very-long-name-of-a", "": "x"} {
		longest := 20
		if text == "a-very-long-name-of-a-folder" {
			longest = 21
		}
		if got := label(text, longest); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
