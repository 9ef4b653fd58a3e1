package redis

import (
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	tests := []struct {
		from, to string
		// knows says that the target takes payloads, fields that the source's
		// fields expire.
		knows, fields bool
	}{
		{"Redis 7.0", "Redis 7.0", true, false},
		{"Redis 7.4", "Redis 7.0", false, true},
		{"Redis 8.2", "Redis 8.10", true, true},
		{"Redis 8.10", "Redis 8.2", false, true},
		{"Redis 7.2", "Valkey 9.1", true, false},
		{"Redis 8.0", "Valkey 9.1", false, true},
		{"Valkey 8.1", "Redis 7.2", true, false},
		{"Valkey 8.1", "Redis 7.0", false, false},
		{"Valkey 9.1", "Redis 8.0", false, true},
		{"Valkey 9.1", "Valkey 8.1", false, true},
		{"Valkey 8.1", "Valkey 9.1", true, false},
	}
	parse := func(text string) *server {
		name, number, _ := strings.Cut(text, " ")
		s := &server{version: versionOf(number + ".3")}
		if name == "Valkey" {
			s.version, s.valkey = versionOf("7.2.4"), s.version
		}
		if s.product() != text {
			t.Errorf("%s is called %s", text, s.product())
		}
		return s
	}
	for _, tt := range tests {
		from, to := parse(tt.from), parse(tt.to)
		if got := to.knowsPayloads(from); got != tt.knows {
			t.Errorf("%s takes payloads of %s: %t, want %t", tt.to, tt.from, got, tt.knows)
		}
		if got := from.expiresFields(); got != tt.fields {
			t.Errorf("fields of %s expire: %t, want %t", tt.from, got, tt.fields)
		}
	}
	if got := versionOf("unstable"); got != 0 {
		t.Errorf("a version without numbers is %s", got)
	}
}
