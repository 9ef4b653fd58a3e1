package verify

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

func TestNoiseRulesAreWhole(t *testing.T) {
	for _, rule := range noiseRules() {
		kind, _, _ := strings.Cut(rule.Pattern(), "/")
		if !hostspec.Kind(kind).Known() || rule.Reason == "" || !strings.HasPrefix(rule.Source, "https://") {
			t.Errorf("%+v: want a known kind, a reason and a source", rule)
		}
		if (rule.Exclude == "") == (rule.Include == "") || (rule.Class == Keep) != (rule.Include != "") {
			t.Errorf("%+v: keep includes, the others exclude", rule)
		}
	}
}

const captured = `package: {nginx: {version: 1.22.1-9, manual: true}, libc6: {version: "2.36"}, libssl3: {version: "3"}, php8.2-apcu: {version: "5"}, gcc-doc: {version: "12", manual: true}},
	process: {root nginx: {command: nginx}},
	sysctl: {net.core.somaxconn: "4096", kernel.acct: "4", vm.overcommit_memory: {value: "1", declared: true}},
	file: {/etc/nginx/nginx.conf: {state: changed, mode: "0644", size: 12}}`

func TestSuggestKeepsWhatPeopleSay(t *testing.T) {
	spec := read(t, "web1", `
unknown: {firewall: needs root}
rules: [{include: package/libc6, reason: was missing once}]`, strings.ReplaceAll(captured, "\t", ""))
	suggestions := Suggest(spec)
	taken := Take(spec, suggestions)
	var names []string
	for _, item := range taken.Kept().Items {
		names = append(names, item.Key.String())
	}
	want := []string{"package/libc6", "package/nginx", "package/php8.2-apcu", "sysctl/net.core.somaxconn", "sysctl/vm.overcommit_memory", "file//etc/nginx/nginx.conf"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if item, _ := taken.Kept().Find(hostspec.Key{Kind: hostspec.File, Name: "/etc/nginx/nginx.conf"}); len(item.Attributes) != 2 {
		t.Errorf("the size is noise beside a checksum: %+v", item)
	}
	if len(taken.Kept().Unknown) != 0 {
		t.Errorf("what could not be read is left out by a rule that says so: %v", taken.Kept().Unknown)
	}
	if again := Suggest(taken); len(again) != 0 {
		t.Errorf("suggested again: %+v", again)
	}
	var document bytes.Buffer
	if err := taken.Encode(&document); err != nil {
		t.Fatal(err)
	}
	read, err := hostspec.Decode(document.Bytes(), "taken")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(taken.Rules, read.Rules); diff != "" {
		t.Errorf("rules in the document (-want +got):\n%s", diff)
	}
}

func TestSuggestNeedsTheMarkThatItTellsApart(t *testing.T) {
	spec := read(t, "web1", "", `package: {nginx: {version: "1"}, libc6: {version: "2"}}`)
	for _, s := range Suggest(spec) {
		t.Errorf("no package is marked as asked for, so that none can be told to be a dependency: %+v", s)
	}
}
