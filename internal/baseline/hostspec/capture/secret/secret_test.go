package secret

import (
	"strings"
	"testing"
	"time"
)

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"DB_PASSWORD", "hunter2", true},
		{"dbPassword", "hunter2", true},
		{"requirepass", "x", true},
		{"API_KEY", "abc", true},
		{"env[SHOP_DB_PASSWORD]", "abc", true},
		{"aws.secretAccessKey", "abc", true},
		{"WP_AUTH_SALT", "abc", true},
		{"NEW_RELIC_LICENSE_KEY", "abc", true},
		{"DB_PASSWORD_FILE", "/run/secrets/db", false},
		{"PASSWORD", "${DB_PASSWORD}", false},
		{"PasswordAuthentication", "no", false},
		{"PASS_MAX_DAYS", "99999", false},
		{"session.cookie_path", "/", false},
		{"smtp_sasl_password_maps", "hash:/etc/postfix/sasl", false},
		{"compass", "north", false},
		{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", false},
		{"key_buffer_size", "16M", false},
		{"", "-----BEGIN OPENSSH PRIVATE KEY-----\nx", true},
		{"note", "AKIAIOSFODNN7EXAMPLE", true},
		{"note", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", true},
		{"note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", true},
		{"note", "$6$rounds=5000$saltsalt$hashhashhash", true},
		{"note", "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY", true},
		{"revision", "3fc1c0a3b1b95a8b6ea3ea2d9b12c2e0d1f4a5b6", false},
		{"version", "8.2.29-1~deb12u1", false},
		{"TZ", "America/Argentina/Buenos_Aires", false},
		{"", "", false},
	} {
		if got := Looks(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %v", c.name, c.value, got)
		}
	}
}

var redactions = map[string]string{
	"redis://:pw@h":                                  "redis://:<X>@h",
	"mysql://shop:hunter2@db1:3306/shop":             "mysql://shop:<X>@db1:3306/shop",
	"mysqldump -u root -phunter2 shop | gzip":        "mysqldump -u root -p<X> shop | gzip",
	"mysql -p shop":                                  "mysql -p shop",
	"curl -u ci:hunter2 https://x":                   "curl -u ci:<X> https://x",
	"curl -H 'Authorization: Bearer abcdefgh12345'":  "curl -H 'Authorization: Bearer <X>'",
	"redis-cli -a hunter2 ping":                      "redis-cli -a <X> ping",
	"app --password hunter2 --verbose":               "app --password <X> --verbose",
	"app --password=hunter2 --token 'abc'":           "app --password=<X> --token '<X>'",
	"DB_PASSWORD=hunter2 php send.php":               "DB_PASSWORD=<X> php send.php",
	`{"password": "hunter2"}`:                        `{"password": "<X>"}`,
	"php send.php --password-file /run/secrets/x":    "php send.php --password-file /run/secrets/x",
	"certbot renew --quiet":                          "certbot renew --quiet",
	"find /var/tmp -name 'sess_*' -mtime +1 -delete": "find /var/tmp -name 'sess_*' -mtime +1 -delete",
	"0 5 * * * user pass":                            "0 5 * * * user pass",
}

func TestRedact(t *testing.T) {
	for text, want := range redactions {
		if got := Redact(text, func(string) string { return "X" }); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// Redact must end, keep what is no secret, and change nothing the second time.
func FuzzRedact(f *testing.F) {
	for text := range redactions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hide := func(string) string { return "secret 00" }
		once := Redact(text, hide)
		if len(once) > len(text)*12+100 {
			t.Errorf("%d bytes became %d", len(text), len(once))
		}
	})
}

// Texts that made an earlier version look at each byte again for each byte.
func TestLongTextsTakeNoLongerThanTheyAreLong(t *testing.T) {
	for _, unit := range []string{"a:", "a=", "-p ", "mysql -p", "a://:", "a ", "?auth=", "-u a:", "<secret "} {
		for _, size := range []int{maxText, 1 << 20} {
			start := time.Now()
			Redact(strings.Repeat(unit, size/len(unit)), func(string) string { return "x" })
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%d bytes of %q took %s", size, unit, took)
			}
		}
	}
}
