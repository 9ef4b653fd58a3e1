package triage

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

func shop(t testing.TB) *hostspec.Spec {
	t.Helper()
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := hostspec.Decode(data, "testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestEveryItemOfTheShop(t *testing.T) {
	var text strings.Builder
	for _, f := range Run(shop(t), BuiltIn()).Findings {
		by := f.Rule
		if f.Decided {
			by = "decided: " + f.Reason
		}
		fmt.Fprintf(&text, "%-8s %s  (%s)\n", f.Class, f.Key, by)
	}
	golden.Assert(t, text.String(), "shop.classes")
}

func TestNoItemOfTheShopIsUnknownToTheRules(t *testing.T) {
	for _, f := range Run(shop(t), BuiltIn()).Findings {
		if f.Rule == "no-rule" {
			t.Errorf("%s: no rule knows it", f.Key)
		}
	}
}

func TestEveryKindHasARule(t *testing.T) {
	rules := BuiltIn()
	for _, kind := range hostspec.Kinds {
		item := hostspec.Item{Key: hostspec.Key{Kind: kind, Name: "/something nobody ever named so"}}
		if f := rules.classify(item); f.Rule == "no-rule" {
			t.Errorf("%s: no rule for the kind", kind)
		}
	}
}

func TestBuiltInRulesAreWritten(t *testing.T) {
	known := map[hostspec.Kind]bool{}
	for _, kind := range hostspec.Kinds {
		known[kind] = true
	}
	for _, rule := range BuiltIn().list {
		for _, item := range rule.Items {
			if kind, _, _ := strings.Cut(item, "/"); !known[hostspec.Kind(kind)] {
				t.Errorf("%s: %s is of no kind that is captured", rule.Name, item)
			}
		}
		if rule.Source != "" && !strings.HasPrefix(rule.Source, "https://") {
			t.Errorf("%s: source %q", rule.Name, rule.Source)
		}
		if rule.Class == Decide && rule.Remedy == "" {
			t.Errorf("%s: asks and does not say what can be done", rule.Name)
		}
	}
}

func TestSysctlsByWhatPodsMaySet(t *testing.T) {
	tests := map[string]string{
		"net.ipv4.tcp_fin_timeout": "safe-sysctl", "net.ipv4.ip_local_port_range": "safe-sysctl",
		"net.core.somaxconn": "unsafe-sysctl", "kernel.msgmax": "unsafe-sysctl", "fs.mqueue.msg_max": "unsafe-sysctl",
		"vm.swappiness": "declared-sysctl", "fs.file-max": "declared-sysctl", "kernel.pid_max": "declared-sysctl",
		"net.netfilter.nf_conntrack_max": "node-network-sysctl", "net.core.rmem_max": "node-network-sysctl",
	}
	rules := BuiltIn()
	for name, want := range tests {
		item := hostspec.Item{Key: hostspec.Key{Kind: hostspec.Sysctl, Name: name}, Attributes: []hostspec.Attribute{
			{Name: "value", Value: hostspec.Int(1)}, {Name: "declared", Value: hostspec.Text("/etc/sysctl.conf")},
		}}
		if f := rules.classify(item); f.Rule != want || f.Class != Node || f.Quiet {
			t.Errorf("%s: %s (%s), want %s", name, f.Rule, f.Class, want)
		}
		item.Attributes = item.Attributes[:1]
		if f := rules.classify(item); !f.Quiet {
			t.Errorf("%s: %s makes noise although nobody declared it", name, f.Rule)
		}
	}
}

func TestOwnRulesComeLast(t *testing.T) {
	rules, err := BuiltIn().With([]byte(`rules:
  - name: our-vendor
    items: ["file//opt/vendor*"]
    class: image
    reason: ours
  - name: host-entry
    items: ["host-entry/10.*"]
    where: {value: "/db[0-9]/"}
    class: store
    reason: the database
`), "ours.yaml")
	if err != nil {
		t.Fatal(err)
	}
	report := Run(shop(t), rules)
	for key, want := range map[string]Class{"file//opt/vendor": Image, "host-entry/10.40.0.20": Store, "host-entry/127.0.0.1": Platform} {
		k, _ := hostspec.ParseKey(key)
		if got := report.Class(k); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if BuiltIn().classify(hostspec.Item{Key: hostspec.Key{Kind: hostspec.File, Name: "/opt/vendor"}}).Class != Decide {
		t.Error("the built-in rules changed")
	}
}

func TestBadRules(t *testing.T) {
	tests := map[string]string{
		"no class":      "rules: [{name: a, items: [os/*], reason: r}]",
		"no reason":     "rules: [{name: a, items: [os/*], class: drop}]",
		"no items":      "rules: [{name: a, class: drop, reason: r}]",
		"no name":       "rules: [{items: [os/*], class: drop, reason: r}]",
		"kind left out": "rules: [{name: a, items: ['*/x'], class: drop, reason: r}]",
		"bad regexp":    "rules: [{name: a, items: [os/*], where: {value: '/(/'}, class: drop, reason: r}]",
		"unknown field": "rules: [{name: a, items: [os/*], class: drop, reason: r, severity: 3}]",
		"twice":         "rules: [{name: a, items: [os/*], class: drop, reason: r}, {name: a, items: [os/*], class: drop, reason: r}]",
		"empty rule":    "rules: [null]",
		"no YAML":       "rules: [",
	}
	for name, text := range tests {
		if _, err := BuiltIn().With([]byte(text), "x.yaml"); fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "x.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecisionsAreKeptAndAskedOnce(t *testing.T) {
	spec := shop(t)
	before := len(Run(spec, BuiltIn()).Open())
	d, err := ParseDecision("cron/www-data */invoices.php=platform: locks in the database")
	if err != nil {
		t.Fatal(err)
	}
	if err := Keep(spec, d); err != nil {
		t.Fatal(err)
	}
	report := Run(spec, BuiltIn())
	if after := len(report.Open()); after != before-1 {
		t.Errorf("%d open, were %d", after, before)
	}
	key, _ := hostspec.ParseKey("cron/www-data /usr/bin/flock -n /tmp/invoices.lock php /var/www/shop/current/bin/invoices.php")
	f, _ := report.Find(key)
	if f.Class != Platform || !f.Decided || f.Reason != "locks in the database" || f.Question == "" {
		t.Errorf("%+v", f)
	}
	d.Class = "drop"
	if err := Keep(spec, d); err != nil {
		t.Fatal(err)
	}
	if len(spec.Decisions) != 2 || Run(spec, BuiltIn()).Class(key) != Drop {
		t.Errorf("a second decision does not replace the first: %+v", spec.Decisions)
	}
	spec.Decisions = append(spec.Decisions, hostspec.Decision{Item: "service/gone", Class: "drop"})
	if stale := Run(spec, BuiltIn()).Stale; len(stale) != 1 || stale[0].Item != "service/gone" {
		t.Errorf("stale: %+v", stale)
	}
}

func TestParseDecision(t *testing.T) {
	tests := []struct{ text, item, class, reason string }{
		{"cron/root*=platform", "cron/root*", "platform", ""},
		{"cron/a FOO=bar baz=drop: old = gone", "cron/a FOO=bar baz", "drop", "old = gone"},
		{"cron/x", "", "", ""},
		{"cron/x=decide", "", "", ""},
		{"x=drop", "", "", ""},
		{"=drop", "", "", ""},
	}
	for _, tt := range tests {
		d, err := ParseDecision(tt.text)
		if tt.class == "" {
			if fault.ClassOf(err) != fault.Invalid {
				t.Errorf("%q: %+v, %v", tt.text, d, err)
			}
			continue
		}
		if want := (hostspec.Decision{Item: tt.item, Class: tt.class, Reason: tt.reason}); d != want || err != nil {
			t.Errorf("%q: %+v, %v", tt.text, d, err)
		}
	}
	if err := Keep(shop(t), hostspec.Decision{Item: "cron/nobody*", Class: "drop"}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("a decision on nothing: %v", err)
	}
}

func TestWhatIsInAFolderGoesWithIt(t *testing.T) {
	file := func(spec *hostspec.Spec, name, kind string) {
		spec.Add(hostspec.File, name, hostspec.Attribute{Name: "state", Value: hostspec.Text("unmanaged")}, hostspec.Attribute{Name: "type", Value: hostspec.Text(kind)})
	}
	spec := &hostspec.Spec{Decisions: []hostspec.Decision{{Item: "file//opt/tool", Class: "image", Reason: "ours"}, {Item: "file//opt/tool/secret", Class: "drop"}}}
	for _, name := range []string{"/opt/tool", "/var/www/shop/shared/public/uploads"} {
		file(spec, name, "directory")
	}
	for _, name := range []string{"/opt/tool/run", "/opt/tool/secret", "/opt/tool-old", "/var/www/shop/shared/public/uploads/a.gif", "/var/www/shop/shared/public/uploads-of-2019.txt"} {
		file(spec, name, "file")
	}
	spec.Sort()
	report := Run(spec, BuiltIn())
	for name, want := range map[string]Class{
		"/opt/tool/run": Image, "/opt/tool/secret": Drop, "/opt/tool-old": Decide,
		"/var/www/shop/shared/public/uploads/a.gif": Store, "/var/www/shop/shared/public/uploads-of-2019.txt": Image,
	} {
		if got := report.Class(hostspec.Key{Kind: hostspec.File, Name: name}); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestGroupsJoinWhatSaysTheSame(t *testing.T) {
	report := Run(shop(t), BuiltIn())
	total := 0
	for _, class := range Classes {
		quiet := false
		for _, group := range report.Groups(class) {
			total += len(group.Items)
			if quiet && !group.Quiet {
				t.Errorf("%s: %s comes after the quiet ones", class, group.Rule)
			}
			quiet = cmp.Or(quiet, group.Quiet)
		}
	}
	if total != len(report.Findings) {
		t.Errorf("%d items in groups, %d findings", total, len(report.Findings))
	}
}

func BenchmarkRun(b *testing.B) {
	spec := shop(b)
	for i := range 5000 {
		spec.Add(hostspec.File, fmt.Sprintf("/etc/some/folder/file%d", i), hostspec.Attribute{Name: "state", Value: hostspec.Text("unmanaged")})
	}
	spec.Sort()
	rules := BuiltIn()
	for b.Loop() {
		Run(spec, rules)
	}
}
