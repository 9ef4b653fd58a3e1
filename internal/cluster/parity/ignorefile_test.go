package parity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestReadIgnore(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []v1alpha1.ParityIgnore
		wrong      string
	}{
		{name: "nothing"},
		{name: "no rules", text: "# none yet\n[]\n"},
		{name: "null", text: "null"},
		{
			name: "rules",
			text: "- kind: Ingress.networking.k8s.io\n  path: spec.ingressClassName\n  reason: green has another controller\n- name: 'debug-*'\n  reason: tools\n",
			want: []v1alpha1.ParityIgnore{
				{Kind: "Ingress.networking.k8s.io", Path: "spec.ingressClassName", Reason: "green has another controller"},
				{Name: "debug-*", Reason: "tools"},
			},
		},
		{name: "no list", text: "kind: Pod\nreason: x", wrong: "line 1: a list of rules is wanted"},
		{name: "no reason", text: "- {kind: A, reason: x}\n- kind: Pod\n", wrong: "line 2: the rule has no reason"},
		{name: "blank reason", text: "- {kind: A, reason: ' '}\n", wrong: "line 1: the rule has no reason"},
		{name: "everything", text: "\n- reason: never mind\n", wrong: "line 2: the rule (never mind) would ignore everything"},
		{name: "unknown field", text: "- kind: A\n  field: x\n", wrong: `line 2: a rule has no field "field"`},
		{name: "twice", text: "- kind: A\n  kind: B\n", wrong: "line 2: kind is given twice"},
		{name: "a map for a text", text: "- kind: {a: b}\n", wrong: "line 1: kind is a text"},
		{name: "a text for a rule", text: "- x\n", wrong: "line 1: a rule has fields"},
		{name: "two documents", text: "[]\n---\n[]\n", wrong: "more than one document"},
		{name: "no YAML", text: "- {", wrong: "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadIgnore(strings.NewReader(c.text))
			switch {
			case c.wrong == "" && err != nil:
				t.Fatal(err)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || fault.ClassOf(err) != fault.Invalid):
				t.Fatalf("got %v, want %q", err, c.wrong)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever is in the file: an error or rules that can be used.
func FuzzReadIgnore(f *testing.F) {
	f.Add("- kind: Pod\n  path: spec.containers[*].image\n  reason: x\n")
	f.Add("- &a {name: 'a*b', reason: x}\n- *a\n")
	f.Add("- path: '[[]..a'\n  reason: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ReadIgnore(strings.NewReader(text))
		if err != nil {
			return
		}
		if _, err := compile(rules); err != nil {
			t.Errorf("was read, but cannot be used: %v", err)
		}
	})
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*", "", true}, {"*b", "ab", true}, {"a*c*e", "abcde", true},
		{"a*c*e", "abde", false}, {"a*a", "a", false}, {"*.example.com/*", "x.example.com/y/z", true},
	} {
		if like(c.pattern, c.text) != c.want {
			t.Errorf("%q is like %q: want %v", c.text, c.pattern, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	for path, want := range map[string][]string{
		"":                                       nil,
		"spec.replicas":                          {"spec", "replicas"},
		"spec.containers[web].image":             {"spec", "containers", "web", "image"},
		"spec.containers[*]":                     {"spec", "containers", "*"},
		"metadata.annotations[example.com/a.b]":  {"metadata", "annotations", "example.com/a.b"},
		"metadata.annotations[example.com/a][0]": {"metadata", "annotations", "example.com/a", "0"},
		"a[":                                     {"a", "["},
		"a..b":                                   {"a", ".b"},
	} {
		if diff := cmp.Diff(want, tokens(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// Every built-in rule says why, where that is written down, and is about
// something.
func TestBuiltinRules(t *testing.T) {
	for _, r := range builtins() {
		if r.Reason == "" || r.source == "" || len(r.path) == 0 {
			t.Errorf("%+v lacks a reason, a source or a path", r.ParityIgnore)
		}
	}
}
