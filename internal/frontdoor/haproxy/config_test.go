package haproxy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/frontdoor"
)

func table(servers ...string) frontdoor.Table {
	return frontdoor.Table{
		Routes: []frontdoor.Route{
			{Host: "web.staging.localhost", Path: "/", Backend: "staging_web_80"},
			{Host: "web.staging.localhost", Path: "/api/", Backend: "staging_api_80"},
			{Host: "web.staging.localhost", Path: "/health", Exact: true, Backend: "staging_api_80"},
			{Host: "*.wild.localhost", Path: "/", Backend: "staging_web_80"},
			{Host: "", Path: "/any/", Backend: "staging_web_80"},
		},
		Backends: []frontdoor.Backend{{Name: "staging_api_80"}, {Name: "staging_web_80", Servers: servers}},
	}
}

func TestRender(t *testing.T) {
	options := Options{Dir: "/run/front-door", Listen: ":8080", Pages: "127.0.0.1:8404"}
	shop := table("10.1.0.4:8080", "10.1.0.5:8080")
	rendered := render(options, shop, assign(nil, shop))
	var all strings.Builder
	for _, name := range []string{configFile, exactMap, prefixMap} {
		all.WriteString("==> " + name + "\n" + rendered[name])
	}
	golden.Assert(t, all.String(), "shop.golden")
}

func TestServersKeepTheirSlots(t *testing.T) {
	first := assign(nil, table("a:1", "b:1", "c:1"))
	second := assign(first, table("b:1", "c:1", "d:1"))
	if diff := cmp.Diff([]string{"", "b:1", "c:1", "d:1", "", "", "", ""}, second["staging_web_80"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	commands, ok := changes(first, second)
	want := []string{
		"set server staging_web_80/s3 state maint",
		"set server staging_web_80/s3 addr d port 1",
		"set server staging_web_80/s3 state ready",
		"set server staging_web_80/s0 state maint",
	}
	if diff := cmp.Diff(want, commands); diff != "" || !ok {
		t.Errorf("ok %v (-want +got)\n%s", ok, diff)
	}
	gone, ok := changes(second, assign(second, table()))
	if !ok || len(gone) != 3 || gone[0] != "set server staging_web_80/s1 state maint" {
		t.Errorf("removal: %v %v", ok, gone)
	}
}

func TestGrowthBeyondTheSlotsNeedsReload(t *testing.T) {
	first := assign(nil, table("a:1"))
	many := assign(first, table("a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1"))
	if _, ok := changes(first, many); ok || len(many["staging_web_80"]) != 16 {
		t.Errorf("ok %v, %d slots", ok, len(many["staging_web_80"]))
	}
	if back := assign(many, table("a:1")); len(back["staging_web_80"]) != 16 {
		t.Error("slots shrank: that would need a reload for nothing")
	}
	other := table("a:1")
	other.Backends[0].Name = "other_80"
	if _, ok := changes(first, assign(first, other)); ok {
		t.Error("another backend without a reload")
	}
}
