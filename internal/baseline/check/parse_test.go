package check

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestParseRefusesWhatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "the file is empty"},
		{"no YAML", "checks: [", "did not find expected"},
		{"no version", "checks: [{name: a, request: GET /}]", `version is ""`},
		{"two documents", "version: landfall.dev/checks/v1\n---\nversion: x\n", "more than one document"},
		{"unknown field", "-\nurls: x\nchecks: []", `line 2: there is no field "urls" here, only addresses, allowHosts,`},
		{"unknown field of a step", "checks:\n- name: a\n  steps:\n  - {request: GET /, expects: {status: 200}}", `line 5: there is no field "expects" here, only capture, expect,`},
		{"unknown field of a condition", "checks: [{name: a, request: GET /, expect: {headers: {X: {equal: 1}}}}]", `there is no field "equal"`},
		{"unknown field of a body condition", "checks: [{name: a, request: GET /, expect: {body: [{containing: 1}]}}]", `there is no field "containing"`},
		{"wrong type", "checks: [{name: a, request: GET /, expect: []}]", "cannot unmarshal"},
		{"repeated field", "checks: []\nchecks: []", "already defined"},
		{"no checks", "checks: []", "there are no checks"},
		{"no name", "checks: [{request: GET /}]", "check 1 has no name"},
		{"same name", "checks: [{name: a, request: GET /}, {name: a, request: GET /}]", `two checks are called "a"`},
		{"no request", "checks: [{name: a}]", "neither a request nor steps"},
		{"request and steps", "checks: [{name: a, request: GET /, steps: [{request: GET /}]}]", "one or the other"},
		{"expectation beside steps", "checks: [{name: a, expect: {status: 200}, steps: [{request: GET /}]}]", "written with each of them"},
		{"short request", "checks: [{name: a, request: /}]", "METHOD PATH"},
		{"relative path", "checks: [{name: a, request: {path: x}}]", "does not begin with /"},
		{"path and URL", "checks: [{name: a, request: {path: /, url: 'http://x'}}]", "exactly one of path and url"},
		{"method", "checks: [{name: a, request: {method: 'GE T', path: /}}]", "is no method"},
		{"two bodies", "checks: [{name: a, request: {path: /, body: x, form: {a: b}}}]", "only one of body, form and json"},
		{"JSON keys", "checks: [{name: a, request: {path: /, json: {1: b}}}]", "keys of an object must be texts"},
		{"status", "checks: [{name: a, request: GET /, expect: {status: [200, 6xx]}}]", `status " 6xx" is no code`},
		{"pattern", "checks: [{name: a, request: GET /, expect: {body: [{matches: '('}]}}]", "matches: error parsing regexp"},
		{"CSS", "checks: [{name: a, request: GET /, expect: {body: [{css: '['}]}}]", `css "["`},
		{"JSONPath", "checks: [{name: a, request: GET /, expect: {body: [{json: 'items'}]}}]", "json: "},
		{"number", "checks: [{name: a, request: GET /, expect: {body: [{json: $.a, number: many}]}}]", "no number"},
		{"asks nothing", "checks: [{name: a, request: GET /, expect: {body: [{}]}}]", "asks for nothing"},
		{"count of the body", "checks: [{name: a, request: GET /, expect: {body: [{contains: x, count: 2}]}}]", "count is of what json or css finds"},
		{"attribute", "checks: [{name: a, request: GET /, expect: {body: [{attribute: x}]}}]", "needs css"},
		{"unknown name", "checks: [{name: a, request: 'GET /${none}'}]", "${none}: no variable, secret or earlier capture"},
		{"name of a later capture", "checks: [{name: a, steps: [{request: 'GET /${x}', capture: {x: {header: X}}}]}]", "${x}: no variable"},
		{"capture of two", "checks: [{name: a, request: GET /, capture: {x: {header: X, cookie: y}}}]", "exactly one of header"},
		{"capture name", "checks: [{name: a, request: GET /, capture: {'x y': {header: X}}}]", "not a name"},
		{"secret", "secrets: {p: {env: A, file: b}}\nchecks: [{name: a, request: GET /}]", "exactly one of env and file"},
		{"secret in the URL", "url: 'http://${p}'\nsecrets: {p: {env: A}}\nchecks: [{name: a, request: GET /}]", "url and host: ${p}"},
		{"retry", "checks: [{name: a, request: GET /, retry: {attempts: 1000}}]", "not 1 to 100"},
		{"duration", "checks: [{name: a, request: GET /, timeout: 10}]", "no duration"},
		{"size", "checks: [{name: a, request: GET /, maxBody: 1TiB}]", "no size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if !strings.Contains(text, "version") && text != "" && tt.name != "no version" {
				text = "version: " + Version + "\n" + strings.TrimPrefix(text, "-\n")
			}
			_, err := Parse(strings.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.ClassOf(err) != fault.Invalid {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDocumentsSurviveWriting(t *testing.T) {
	text, err := os.ReadFile("testdata/all-fields.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := doc.Encode(&written); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(bytes.NewReader(written.Bytes()))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, &written)
	}
	if diff := cmp.Diff(doc, again); diff != "" {
		t.Errorf("read again (-first +second):\n%s", diff)
	}
	if got := time.Duration(doc.Defaults.Timeout); got != 90*time.Second {
		t.Errorf("timeout %s", got)
	}
	if got := doc.Defaults.MaxBody; got != 2<<20 || got.String() != "2MiB" {
		t.Errorf("maxBody %s", got)
	}
}

func TestAliasesDoNotExplode(t *testing.T) {
	var text strings.Builder
	text.WriteString("version: " + Version + "\nvariables: {a: &a x}\nchecks:\n- name: a\n  request:\n    path: /\n    json:\n      l0: &l0 [x, x]\n")
	for i := 1; i < 40; i++ {
		text.WriteString(strings.ReplaceAll("      lN: &lN [*lM, *lM]\n", "N", string(rune('0'+i%10))+string(rune('a'+i/10))))
	}
	started := time.Now()
	if _, err := Parse(strings.NewReader(strings.ReplaceAll(text.String(), "*lM", "*l0"))); err != nil && !strings.Contains(err.Error(), "alias") {
		t.Logf("refused: %v", err)
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/all-fields.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("version: " + Version + "\nchecks: [{name: a, request: GET /, expect: {status: 2xx}}]"))
	f.Add([]byte("version: " + Version + "\nchecks: &a\n- *a\n"))
	f.Add([]byte("version: " + Version + "\nchecks: [{name: a, request: &r {path: '/${x', json: *r}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		var written bytes.Buffer
		if err := doc.Encode(&written); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(&written); err != nil {
			t.Errorf("what was written is refused: %v", err)
		}
	})
}
