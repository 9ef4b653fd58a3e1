package hostspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLike(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"package/nginx", "package/nginx", true},
		{"package/nginx", "package/nginx-core", false},
		{"package/*-doc", "package/gcc-doc", true},
		{"package/*-doc", "package/gcc-docs", false},
		{"file/*", "file//etc/a/b", true},
		{"*", "", true},
		{"a*a", "a", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"**", "x", true},
		{"", "x", false},
	}
	for _, tt := range tests {
		if got := Like(tt.pattern, tt.text); got != tt.want {
			t.Errorf("Like(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
}

func TestRulesDecideWhatIsKept(t *testing.T) {
	spec := &Spec{
		Rules: []Rule{
			{Exclude: "package/*", Where: map[string]string{"manual": "false"}, Reason: "comes with others"},
			{Include: "package/lib-that-matters", Reason: "was missing once"},
			{Exclude: "file/*#size", Reason: "the checksum says it"},
			{Include: "file//etc/motd#size"},
			{Exclude: "firewall/*"},
		},
		Unknown: map[Kind]string{Firewall: "no nft", NTP: "no daemon"},
	}
	spec.Add(Package, "nginx", Attribute{"manual", Bool(true)})
	spec.Add(Package, "libc6", Attribute{"manual", Bool(false)})
	spec.Add(Package, "lib-that-matters")
	spec.Add(Package, "other")
	spec.Add(File, "/etc/motd", Attribute{"size", Int(1)})
	spec.Add(File, "/etc/a#size", Attribute{"mode", Text("0644")}, Attribute{"size", Int(1)})
	spec.Sort()
	kept := spec.Kept()
	var got []string
	for _, item := range kept.Items {
		name := item.Key.String()
		for _, a := range item.Attributes {
			name += " " + a.Name
		}
		got = append(got, name)
	}
	want := []string{"package/lib-that-matters", "package/nginx manual", "file//etc/a#size mode", "file//etc/motd size"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[Kind]string{NTP: "no daemon"}, kept.Unknown); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	if len(spec.Items) != 6 || len(spec.Items[2].Attributes) == 0 {
		t.Error("the spec itself was changed")
	}
}

func TestRange(t *testing.T) {
	bounds, err := ParseRange(">= 1.22, <2,!=1.23")
	want := []Bound{{">=", "1.22"}, {"<", "2"}, {"!=", "1.23"}}
	if diff := cmp.Diff(want, bounds); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", ">=", "1 2", ">= 1,", "=> 1"} {
		if got, err := ParseRange(bad); err == nil {
			t.Errorf("ParseRange(%q) = %v", bad, got)
		}
	}
	for text, want := range map[string]float64{"12": 12, "128M": 128 << 20, "-1": -1, "1.5k": 1536, "1e3": 1000} {
		if got, ok := ParseNumber(text); !ok || got != want {
			t.Errorf("ParseNumber(%q) = %v, %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "M", "NaN", "Inf", "0x10", "10s", "1 2"} {
		if got, ok := ParseNumber(bad); ok {
			t.Errorf("ParseNumber(%q) = %v", bad, got)
		}
	}
}
