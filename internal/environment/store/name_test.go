package store

import (
	"regexp"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestNameIsReadableUniqueAndBounded(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	seen := map[string]Request{}
	for _, req := range []Request{
		{Project: "p", Environment: "staging", UID: "1", Store: "db"},
		{Project: "p", Environment: "staging", UID: "2", Store: "db"},
		{Project: "q", Environment: "staging", UID: "1", Store: "db"},
		{Project: "p", Environment: "staging-db", UID: "1", Store: "x"},
		{Project: "p", Environment: strings.Repeat("e", 300), UID: "1", Store: "db"},
		{Project: "p", Environment: "`'\"", UID: "1", Store: "--"},
	} {
		name := req.Name('-', 32)
		if !shape.MatchString(name) {
			t.Errorf("%+v: name %q", req, name)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%+v and %+v are both %q", req, other, name)
		}
		seen[name] = req
	}
	name := Request{Project: "p", Environment: "staging", UID: "1", Store: "db"}.Name('_', 32)
	if !strings.HasPrefix(name, "staging_db_") {
		t.Errorf("name %q does not tell what it is", name)
	}
}

func TestParseServerNeverRepeatsThePassword(t *testing.T) {
	for _, address := range []string{"mysql://root:hunter2@ho st/", "hunter2", "mysql://root:hunter2%zz@host", ""} {
		_, err := ParseServer(address)
		if fault.ClassOf(err) != fault.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestPasswordIsFreshUnlessKept(t *testing.T) {
	a, err := Request{}.Password(KeyPassword)
	if err != nil || len(a) < 24 {
		t.Fatalf("%q, %v", a, err)
	}
	if b, _ := (Request{}).Password(KeyPassword); a == b {
		t.Error("the same password twice")
	}
	if kept, _ := (Request{Existing: Settings{KeyPassword: a}}).Password(KeyPassword); kept != a {
		t.Error("the existing password was not kept")
	}
	if _, err := (Request{Existing: Settings{KeyPassword: "a\nb"}}).Password(KeyPassword); err == nil {
		t.Error("a password with a line break was accepted")
	}
}
