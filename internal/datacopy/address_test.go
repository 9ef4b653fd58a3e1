package datacopy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestParseAddress(t *testing.T) {
	type parts struct{ kind, host, user, password, name, prefix, endpoint, shown string }
	tests := []struct {
		text string
		want parts
	}{
		{"mysql://u:p%2F@db/shop", parts{"mysql", "db:3306", "u", "p/", "shop", "", "", "mysql://u@db/shop"}},
		{"mariadb://u@[::1]:3307/a%60b?tls=true", parts{"mysql", "[::1]:3307", "u", "", "a`b", "", "", "mariadb://u@[::1]:3307/a%60b"}},
		{"rediss://:pw@cache:7000/2?prefix=a:", parts{"redis", "cache:7000", "", "pw", "2", "a:", "", "rediss://cache:7000/2?prefix=a%3A"}},
		{"redis://cache", parts{"redis", "cache:6379", "", "", "", "", "", "redis://cache"}},
		{"s3://KEY:SECRET@minio:9000/files/a/b?tls=false", parts{"s3", "", "KEY", "SECRET", "files", "a/b", "http://minio:9000", "s3://minio:9000/files/a/b"}},
		{"s3://KEY:SECRET@s3.example.org/files", parts{"s3", "", "KEY", "SECRET", "files", "", "https://s3.example.org", "s3://s3.example.org/files"}},
		{"s3://files/pre/fix?region=eu-central-1", parts{"s3", "", "", "", "files", "pre/fix", "", "s3://files/pre/fix"}},
		{"s3://files?endpoint=http://u:secret@minio:9000/x", parts{"s3", "", "", "", "files", "", "http://u:secret@minio:9000/x", "s3://files?endpoint=http%3A%2F%2Fminio%3A9000"}},
	}
	for _, tt := range tests {
		a, err := ParseAddress(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		got := parts{string(a.Kind()), a.Host(), a.User(), a.Password(), a.Name(), a.Prefix(), a.Endpoint(), a.String()}
		if got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, text := range []string{
		"", "shop", "mysql://", "mysql://db", "mysql://db/", "postgres://db/x", "mysql:u:secret@db/x", "mysql://u:sec%ret@db/x",
		"s3://K:secret@host:9000", "redis://h?a=%zz", "mysql://u:secret@db/a%00b", "://secret",
	} {
		_, err := ParseAddress(text)
		if fault.ClassOf(err) != fault.Invalid || strings.Contains(err.Error(), "sec") {
			t.Errorf("%q: %v, want an error that does not repeat it", text, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"mysql://u:Gehe1m@h/d", "s3://K:Gehe1m@h:1/b?tls=false", "redis://:Gehe1m@h/0", "s3://b?endpoint=http://K:Gehe1m@h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{a.String(), fmt.Sprintf("%#v", a), fmt.Sprintf("%+v", struct{ A Address }{a}), string(written)} {
			password := a.Password()
			if len(password) > 4 && strings.Contains(shown, password) && !strings.Contains(strings.Replace(text, password, "", 1), password) {
				t.Errorf("%q shows its password as %s", text, shown)
			}
		}
	})
}
