package secret

import (
	"strings"
	"testing"
)

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"DB_PASSWORD", "hunter2", true},
		{"dbPassword", "x", true},
		{"env[SHOP_API_TOKEN]", "x", true},
		{"requirepass", "x", true},
		{"AWS_SECRET_ACCESS_KEY", "x", true},
		{"", "AKIAIOSFODNN7EXAMPLE", true},
		{"", "-----BEGIN RSA PRIVATE KEY-----", true},
		{"", "$1$abcdefgh", true},
		{"anything", "wJalrXUtnFEMI8K7MDENG5bPxRfiCYEXAMPLEKEY9", true},
		{"smtp_sasl_password_maps", "hash:/etc/postfix/sasl_passwd", false},
		{"header_address_token_limit", "10240", false},
		{"passwordauthentication", "yes", false},
		{"permitrootlogin", "without-password", false},
		{"PASSWORD_FILE", "/run/secrets/db", false},
		{"DB_PASSWORD", "${DB_PASSWORD}", false},
		{"DB_PASSWORD", "", false},
		{"compass", "north", false},
		{"author", "somebody", false},
		{"pid", "/run/nginx.pid", false},
	} {
		if got := Looks(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %t, want %t", c.name, c.value, got, c.want)
		}
	}
}

func TestRedact(t *testing.T) {
	hide := func(part string) string { return strings.Repeat("#", len(part)) }
	for text, want := range map[string]string{
		"mysql -uroot -phunter2 shop":                  "mysql -uroot -p<#######> shop",
		"curl -u shop:hunter2 https://x":               "curl -u shop:<#######> https://x",
		"redis-cli -h db1 -a hunter2 ping":             "redis-cli -h db1 -a <#######> ping",
		"redis://default:hunter2@db1:6379/0":           "redis://default:<#######>@db1:6379/0",
		"tcp://db1:6379?auth=hunter2&database=1":       "tcp://db1:6379?auth=<#######>&database=1",
		"Authorization: Basic c2hvcDpodW50ZXIy":        "Authorization: Basic <################>",
		"backup --password=hunter2 --user shop":        "backup --password=<#######> --user shop",
		"backup --password hunter2":                    "backup --password <#######>",
		`{"token": "hunter2"}`:                         `{"token": "<#######>"}`,
		"DB_PASSWORD=hunter2 php x":                    "DB_PASSWORD=<#######> php x",
		"AKIAIOSFODNN7EXAMPLE":                         "<####################>",
		"ghp_0123456789012345678901234567890123":       "<######################################>",
		"php /var/www/shop/current/bin/send-invoices":  "php /var/www/shop/current/bin/send-invoices",
		"proxy_pass http://10.0.0.30:8080":             "proxy_pass http://10.0.0.30:8080",
		"find /tmp/sessions -type f -mtime +7 -delete": "find /tmp/sessions -type f -mtime +7 -delete",
		"shutdown": "shutdown",
		"mysql -uroot -phunter2 a; mysql -phunter3 -e 'x'": "mysql -uroot -p<#######> a; mysql -p<#######> -e 'x'",
	} {
		if got := Redact(text, hide); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("mysql -phunter2 https://a:b@c?auth=d password: e")
	f.Add("<secret abc> AKIAIOSFODNN7EXAMPLE=1")
	f.Fuzz(func(t *testing.T, text string) {
		hidden := map[string]bool{}
		Redact(text, func(part string) string { hidden[part] = true; return "secret 0123456789abcdef" })
		if hidden[""] {
			t.Errorf("%q: an empty part was hidden", text)
		}
	})
}
