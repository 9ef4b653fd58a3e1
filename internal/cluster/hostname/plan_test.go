package hostname

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
)

const zoneName = "example.org"

func owns(id, resource, name string) Record {
	return Record{Name: name, Type: TXT, TTL: 300, Values: []string{owner{id, resource}.text()}}
}

func a(name string, values ...string) Record {
	return Record{Name: name, Type: A, TTL: 60, Values: values}
}

func want(host string, values ...string) Wanted {
	return Wanted{Hostname: host, Resource: "environment/shop/staging", Target: Target{Values: values, TTL: 60}}
}

var balancer = &Alias{DNSName: "lb.elb.amazonaws.com", HostedZoneID: "ZELB"}

// story is a zone, what is wanted of it, and what becomes of it.
type story struct {
	name     string
	zone     []Record
	wanted   []Wanted
	settings Settings
}

var ours = Settings{Owner: "landfall"}

var stories = []story{
	{"a new hostname", nil, []Wanted{want("web.example.org", "192.0.2.1", "2001:db8::1")}, ours},
	{"a load balancer", nil, []Wanted{{Hostname: "web.example.org", Resource: "environment/shop/staging", Target: Target{Alias: balancer, IPv6: true}}}, ours},
	{"a wildcard", nil, []Wanted{{Hostname: "*.example.org", Resource: "cluster/blue", Target: Target{Alias: balancer}}}, ours},
	{"a host name", nil, []Wanted{want("web.example.org", "lb.example.net")}, ours},
	{"a host name at the zone's own name", nil, []Wanted{want("example.org", "lb.example.net")}, ours},
	{"a host name beside mail", []Record{{Name: "web.example.org", Type: "MX", TTL: 60, Values: []string{"10 mail."}}}, []Wanted{want("web.example.org", "lb.example.net")}, ours},
	{"as it should be", []Record{a("web.example.org", "192.0.2.2", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org")}, []Wanted{want("web.example.org", "192.0.2.1", "192.0.2.2")}, ours},
	{"another address", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org")}, []Wanted{want("web.example.org", "192.0.2.9")}, ours},
	{"from a CNAME to addresses", []Record{{Name: "web.example.org", Type: CNAME, TTL: 60, Values: []string{"lb.example.net"}}, owns("landfall", "environment/shop/staging", "cname-web.example.org")}, []Wanted{want("web.example.org", "192.0.2.9")}, ours},
	{"a record made by hand", []Record{a("web.example.org", "192.0.2.1")}, []Wanted{want("web.example.org", "192.0.2.1")}, ours},
	{"another type made by hand", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), {Name: "web.example.org", Type: AAAA, TTL: 60, Values: []string{"2001:db8::1"}}}, []Wanted{want("web.example.org", "192.0.2.9")}, ours},
	{"external-dns's", []Record{a("web.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/web", "a-web.example.org")}, []Wanted{want("web.example.org", "192.0.2.1")}, ours},
	{
		"taken over from external-dns, all its forms", []Record{
			{Name: "web.example.org", Type: A, Alias: balancer}, owns("cluster-1", "ingress/shop/web", "web.example.org"), owns("cluster-1", "ingress/shop/web", "cname-web.example.org"),
		}, []Wanted{{Hostname: "web.example.org", Resource: "environment/shop/staging", Target: Target{Alias: balancer}}}, Settings{Owner: "landfall", TakeOver: []string{"cluster-1"}},
	},
	{"taken over only where it is wanted", []Record{a("api.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/api", "a-api.example.org")}, nil, Settings{Owner: "landfall", TakeOver: []string{"cluster-1"}}},
	{"handed over", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), a("api.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/api", "a-api.example.org")}, nil, Settings{Owner: "landfall", HandOver: "cluster-1"}},
	{"not wanted any more", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), a("api.example.org", "192.0.2.1"), {Name: "example.org", Type: "NS", TTL: 1, Values: []string{"ns."}}}, nil, ours},
	{"not wanted, and another type by hand", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), {Name: "web.example.org", Type: AAAA, TTL: 60, Values: []string{"2001:db8::1"}}}, nil, ours},
	{"a Migration moves it", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), {Name: "_landfall.web.example.org", Type: TXT, TTL: 60, Values: []string{`"heritage=landfall,migration=shop/move"`}}}, []Wanted{want("web.example.org", "192.0.2.9")}, ours},
	{"it has weights", []Record{{Name: "web.example.org", Type: A, TTL: 60, Values: []string{"192.0.2.1"}, Routed: true}, owns("landfall", "environment/shop/staging", "a-web.example.org")}, nil, ours},
	{"its environment moves", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), a("old.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-old.example.org")}, []Wanted{want("web.example.org", "192.0.2.9"), want("new.example.org", "192.0.2.9")}, Settings{Owner: "landfall", Moving: []string{"environment/shop/staging"}}},
	{"two want it", nil, []Wanted{want("web.example.org", "192.0.2.1"), {Hostname: "web.example.org", Resource: "environment/shop/later", Target: Target{Values: []string{"192.0.2.2"}}}}, ours},
	{"the zone's own name", nil, []Wanted{want("example.org", "192.0.2.1")}, ours},
	{
		"taken over from an external-dns with a prefix, both its forms", []Record{
			a("web.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/web", "edns.a-web.example.org"), owns("cluster-1", "ingress/shop/web", "edns.web.example.org"),
		}, []Wanted{want("web.example.org", "192.0.2.1")}, Settings{Owner: "landfall", TakeOver: []string{"cluster-1"}, Affixes: Affixes{Prefix: "edns."}},
	},
	{
		"taken over from an external-dns with the type in its suffix", []Record{a("web.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/web", "web-a-owner.example.org")},
		[]Wanted{want("web.example.org", "192.0.2.1")}, Settings{Owner: "landfall", TakeOver: []string{"cluster-1"}, Affixes: Affixes{Suffix: "-%{record_type}-owner"}},
	},
	{"of an external-dns with a prefix, not taken over", []Record{a("web.example.org", "192.0.2.1"), owns("cluster-1", "ingress/shop/web", "edns.a-web.example.org")}, []Wanted{want("web.example.org", "192.0.2.9")}, Settings{Owner: "landfall", Affixes: Affixes{Prefix: "edns."}}},
	{
		"a wildcard handed over to an external-dns with a suffix", []Record{{Name: "*.example.org", Type: A, Alias: balancer}, owns("landfall", "cluster/blue", "cname-*.example.org")},
		nil, Settings{Owner: "landfall", HandOver: "cluster-1", Affixes: Affixes{Suffix: "-owner", Wildcard: "any"}},
	},
	{
		"handed over, where another record is", []Record{a("web.example.org", "192.0.2.1"), owns("landfall", "environment/shop/staging", "a-web.example.org"), {Name: "edns-a-web.example.org", Type: TXT, TTL: 60, Values: []string{`"v=1"`}}},
		nil, Settings{Owner: "landfall", HandOver: "cluster-1", Affixes: Affixes{Prefix: "edns-"}},
	},
	{"only its ownership is left", []Record{owns("landfall", "environment/shop/staging", "a-web.example.org")}, nil, ours},
}

// TestStories plans each story, carries it out on a model of the zone, and finds
// nothing to do afterwards.
func TestStories(t *testing.T) {
	var text bytes.Buffer
	for _, s := range stories {
		zone := Zone{ID: "Z1", Name: zoneName, Records: s.zone}
		plan := Make(zone, s.wanted, s.settings)
		fmt.Fprintf(&text, "== %s\n", s.name)
		for _, step := range plan.Steps {
			fmt.Fprintf(&text, "%s\n", strings.TrimSpace(step.Action+" "+step.Hostname+" "+step.Why))
			for _, c := range step.Changes {
				fmt.Fprintf(&text, "  %s %s\n", map[bool]string{true: "+", false: "-"}[c.Create], c.Record)
			}
		}
		for _, r := range plan.Refused {
			fmt.Fprintf(&text, "%s: %s\n", r.Hostname, r.Reason)
		}
		for _, name := range plan.Unchanged {
			fmt.Fprintf(&text, "%s is as it should be\n", name)
		}
		zone.Records = carried(t, zone.Records, plan)
		if again := Make(zone, s.wanted, s.settings); len(again.Steps) > 0 {
			t.Errorf("%s: there is more to do afterwards: %+v", s.name, again.Steps)
		}
	}
	golden.Assert(t, text.String(), "stories.txt")
}

// carried is what the zone has after the plan; changes that do not fit what
// there is are errors, as they are in Route 53.
func carried(t *testing.T, records []Record, plan Plan) []Record {
	t.Helper()
	records = slices.Clone(records)
	for _, step := range plan.Steps {
		for _, c := range step.Changes {
			i := slices.IndexFunc(records, c.Record.same)
			switch {
			case c.Create && slices.ContainsFunc(records, func(r Record) bool { return r.Name == c.Record.Name && r.Type == c.Record.Type }):
				t.Errorf("%s exists already", c.Record)
			case c.Create:
				records = append(records, c.Record)
			case i < 0:
				t.Errorf("%s is not there", c.Record)
			default:
				records = slices.Delete(records, i, i+1)
			}
		}
	}
	return records
}

// Where external-dns v0.20 has its ownership records, by toTXTName of its
// registry/txt.go.
func TestPlacesOfExternalDNS(t *testing.T) {
	for _, c := range []struct {
		affixes          Affixes
		name, kind, want string
	}{
		{Affixes{}, "web.example.org", A, "a-web.example.org"},
		{Affixes{}, "web.example.org", "", "web.example.org"},
		{Affixes{}, "*.example.org", CNAME, "cname-*.example.org"},
		{Affixes{Prefix: "EDNS."}, "web.example.org", AAAA, "edns.aaaa-web.example.org"},
		{Affixes{Prefix: "edns."}, "web.example.org", "", "edns.web.example.org"},
		{Affixes{Prefix: "edns-%{record_type}."}, "example.org", A, "edns-a.example.org"},
		{Affixes{Prefix: "edns-%{record_type}."}, "example.org", "", "edns-.example.org"},
		{Affixes{Suffix: "-owner"}, "web.dev.example.org", A, "a-web-owner.dev.example.org"},
		{Affixes{Suffix: "-%{record_type}"}, "web.dev.example.org", A, "web-a.dev.example.org"},
		{Affixes{Suffix: "-owner", Wildcard: "any"}, "*.dev.example.org", A, "a-any-owner.dev.example.org"},
	} {
		if got := c.affixes.at(c.name, c.kind); got != c.want {
			t.Errorf("%+v: the record of %s %s is at %s, want %s", c.affixes, c.name, c.kind, got, c.want)
		}
	}
}

// TestBatches: steps stay whole, and both limits are kept to.
func TestBatches(t *testing.T) {
	var wanted []Wanted
	for i := range 2500 {
		wanted = append(wanted, want(fmt.Sprintf("web-%04d.example.org", i), "192.0.2.1", "2001:db8::1"))
	}
	for name, resource := range map[string]string{"by records": "environment/a/b", "by characters": "environment/" + strings.Repeat("x", 63) + "/" + strings.Repeat("y", 100)} {
		for i := range wanted {
			wanted[i].Resource = resource
		}
		plan := Make(Zone{ID: "Z1", Name: zoneName}, wanted, ours)
		batches, steps := plan.Batches(), 0
		for _, batch := range batches {
			var changes []Change
			for _, step := range batch {
				changes = append(changes, step.Changes...)
				steps++
			}
			if records, characters := size(changes); records > maxRecords || characters > maxCharacters {
				t.Errorf("%s: a batch of %d records and %d characters", name, records, characters)
			}
		}
		if steps != 2500 || len(batches) > 60 {
			t.Errorf("%s: %d steps in %d batches", name, steps, len(batches))
		}
	}
}

func TestTooLargeForABatchIsRefused(t *testing.T) {
	var values []string
	for i := range maxRecords {
		values = append(values, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	plan := Make(Zone{Name: zoneName}, []Wanted{want("web.example.org", values...)}, ours)
	if len(plan.Steps) != 0 || len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Reason, "at once") {
		t.Errorf("%+v", plan.Refused)
	}
}

// FuzzOwner: foreign texts are never taken for ours, and ours are read back.
func FuzzOwner(f *testing.F) {
	for _, seed := range []string{"", `"v=spf1 -all"`, `"heritage=external-dns,external-dns/owner=x,external-dns/resource=ingress/a/b"`, `heritage=external-dns,external-dns/owner=`, `"heritage=external-dns"`, `"heritage=landfall,migration=a/b"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, is := parseOwner(Record{Type: TXT, Values: []string{text}})
		if is != (o.id != "") || is && !strings.Contains(text, heritage) {
			t.Fatalf("%q: %+v", text, o)
		}
		if !is {
			return
		}
		if again, is := parseOwner(Record{Type: TXT, Values: []string{o.text()}}); !is || again != o {
			t.Fatalf("%+v became %+v", o, again)
		}
	})
}
