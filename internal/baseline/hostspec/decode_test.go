package hostspec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

const head = "version: landfall.dev/hostspec/v1\nhost: web1\n"

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct{ document, says string }{
		"nothing":                   {"", "the document is empty"},
		"no version":                {"host: web1\n", `version is ""`},
		"another version":           {"version: landfall.dev/hostspec/v9\n", `want "landfall.dev/hostspec/v1"`},
		"no YAML":                   {head + "items: {a: [}\n", "line 2"},
		"a field of another tool":   {head + "nodes: []\n", "field nodes not found"},
		"a second document":         {head + "---\n" + head, "one document"},
		"a field twice":             {head + "host: web2\n", "already defined"},
		"an item twice":             {head + "items: {package: {a: {}, a: {}}}\n", "given twice"},
		"an item without a value":   {head + "items: {package: {nginx: }}\n", "package/nginx: has no value"},
		"a kind with a slash":       {head + "items: {a/b: {c: d}}\n", `"a/b" is no kind`},
		"an alias":                  {head + "items: {package: {a: &x {version: '1'}, b: *x}}\n", "aliases are not allowed"},
		"a merge":                   {head + "items: {package: {<<: {a: b}}}\n", "plain text"},
		"a mapping as a name":       {head + "items: {package: {{a: b}: c}}\n", "plain text"},
		"an unknown operator":       {head + "items: {sysctl: {a: {value: {above: 3}}}}\n", "one of the operators"},
		"two operators":             {head + "items: {sysctl: {a: {value: {number: '> 3', matches: b}}}}\n", "one of the operators"},
		"a broken pattern":          {head + "items: {sysctl: {a: {matches: '('}}}\n", "missing closing )"},
		"a broken range":            {head + "items: {package: {a: {version: {versions: '>= 1 < 2'}}}}\n", "bounds such as"},
		"a range without numbers":   {head + "items: {sysctl: {a: {number: '> many'}}}\n", `"many" is no number`},
		"exists of a word":          {head + "items: {package: {a: {exists: maybe}}}\n", "true or false"},
		"one of nothing":            {head + "items: {sysctl: {a: {oneOf: []}}}\n", "takes a list"},
		"contains nothing":          {head + "items: {sysctl: {a: {contains: []}}}\n", "at least one"},
		"not not":                   {head + "items: {sysctl: {a: {not: {not: b}}}}\n", "cannot be negated"},
		"not unknown":               {head + "items: {sysctl: {a: {not: {unknown: b}}}}\n", "cannot be negated"},
		"a mode that is a number":   {head + "items: {file: {/a: {mode: 0644}}}\n", "write 0644 in quotes"},
		"a version that is a float": {head + "items: {package: {a: {version: 1.10}}}\n", "write 1.10 in quotes"},
		"a huge number":             {head + "items: {file: {/a: {size: 99999999999999999999}}}\n", "in quotes"},
		"a rule of both":            {head + "rules: [{exclude: a/b, include: c/d}]\n", "rules[0]: want exclude or include"},
		"a rule without a kind":     {head + "rules: [{exclude: nginx}]\n", "is no pattern"},
		"a decision of nothing":     {head + "decisions: [{class: drop}]\n", "decisions[0]"},
		"a salt of letters":         {head + "salt: pepper\n", "hexadecimal"},
		"a list in a list":          {head + "items: {user: {a: {groups: [[b]]}}}\n", "a list holds plain texts"},
		"too many values":           {head + "items: {a: {b: [" + strings.Repeat("a,", maxNodes) + "]}}\n", "values are more than"},
		"too many bytes":            {head + "#" + strings.Repeat(" ", MaxDocument), "bytes are more than"},
		"a deep document":           {head + "items: " + strings.Repeat("[", 20_000), "exceeded max depth"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(tt.document), "web1.yaml")
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v, want one that says %q", err, tt.says)
			}
			if fault.ExitCode(err) != fault.ExitUsage || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "web1.yaml") {
				t.Errorf("not an error of the document with a next step: %v", err)
			}
		})
	}
}

func TestDecodeCleansWhatATerminalWouldObey(t *testing.T) {
	spec, err := Decode([]byte(head+`items: {"file": {"/tmp/\e[2J\u202e": {"ow\u200bner": "a\nb", groups: ["\a"]}}}`), "web1")
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{{Key: Key{File, `/tmp/\x1b[2J\xe2\x80\xae`}, Attributes: []Attribute{
		{`ow\xe2\x80\x8bner`, Text("a\nb")}, {"groups", List(`\x07`)},
	}}}
	if diff := cmp.Diff(want, spec.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTextsStayTexts holds the writer to what YAML makes of plain words.
func TestTextsStayTexts(t *testing.T) {
	texts := []string{
		"", " ", "a ", " a", "~", "null", "Null", "yes", "No", "on", "y", "true", "1", "-1", "+1", "1.5", "1e3", "1E-3", "0x1f", "0o7", "0644", "1_000",
		"12:30:45", "1:2.3", "2001-01-01", "2001-01-01T00:00:00Z", ".5", ".inf", "-.INF", ".NaN", "=", "<<", "a: b", "a:", "a #b", "#a", "a?b", "a, b", "[a]", "{a}",
		"*a", "&a", "!a", "|", ">", "-", "- a", "?", "? a", "@a", "`a", "%a", "a]b", "a}b", `a"b`, `a'b`, `a\b`, "1.22.1-9+deb12u1", "tcp 0.0.0.0:80", "ünïcödé 日本",
		"12e4", "5a", strings.Repeat("long ", 400), "a\u00a0b", "\ufeffa", "---", "...", "1.2.3", "192.168.0.1", "::1", "a  b", "deadbeef", "0", "1 ", "Y", "$x", "(a)",
	}
	spec := &Spec{Host: "~", Salt: "00"}
	for i, text := range texts {
		spec.Add(File, fmt.Sprintf("n%03d", i), Attribute{"text", Text(text)}, Attribute{"list", List(text, text)})
		if text != "" {
			spec.Add(Cron, text, Attribute{ValueAttribute, Text(text)})
		}
	}
	spec.Sort()
	var out bytes.Buffer
	if err := spec.Encode(&out); err != nil {
		t.Fatal(err)
	}
	read, err := Decode(out.Bytes(), "texts")
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if diff := cmp.Diff(spec, read); diff != "" {
		t.Errorf("(-written +read):\n%s\n%s", diff, &out)
	}
}

// TestWhatIsWrittenIsReadByLines makes sure that the fast way is taken, for all
// that Encode writes but very long names.
func TestWhatIsWrittenIsReadByLines(t *testing.T) {
	for name, spec := range map[string]*Spec{"example": example(), "big": big(100), "bare": {Host: "web1", Items: []Item{{Key: Key{Package, "a"}}}}} {
		var out bytes.Buffer
		if err := spec.Encode(&out); err != nil {
			t.Fatal(err)
		}
		read, ok := decodeLines(out.Bytes())
		if !ok {
			t.Errorf("%s is not read by lines:\n%s", name, &out)
			continue
		}
		slow, err := decodeYAML(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slow, read); diff != "" {
			t.Errorf("%s (-YAML +lines):\n%s", name, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var whole bytes.Buffer
	if err := example().Encode(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	for _, seed := range []string{
		"", head, head + "items: {}", head + "items: {package: {a: {version: {not: {secret: ab}}}, '? b': {}}}",
		head + "items:\n  sysctl:\n    ? \"a: b\"\n    : {value: -5}\n", head + "rules: [{include: 'a/*', where: {manual: false}, reason: \"\"}]",
		head + "items: {x: {a: !!binary aGk=, b: !!str 5, c: \"\\ud800\"}}", "version: &v landfall.dev/hostspec/v1\nhost: *v\n",
	} {
		f.Add([]byte(seed))
	}
	for _, name := range []string{"items:\n  a:\n    b: {not: {not: c}}\n", "items:\n  a:\n    b: {c: 1, c: 2}\n", "items:\n  a:\n    b: [1]\n", "items:\n  a:\n    \"\\\"\": \"\\\\\"\n    b: {c: {d: e}}\n"} {
		f.Add([]byte(head + name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := Decode(data, "fuzz")
		if fast, ok := decodeLines(data); ok {
			slow, err := decodeYAML(data)
			if err != nil {
				t.Fatalf("read by lines what is no document: %v", err)
			}
			if diff := cmp.Diff(slow, fast); diff != "" {
				t.Fatalf("read by lines differently (-YAML +lines):\n%s", diff)
			}
		}
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := spec.Encode(&first); err != nil {
			t.Fatal(err)
		}
		again, err := Decode(first.Bytes(), "fuzz")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, &first)
		}
		if err := again.Encode(&second); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("written twice:\n%s\n%s", &first, &second)
		}
	})
}
