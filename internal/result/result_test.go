package result

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
)

var sample = Report{Results: []Result{
	{Group: "package", Name: "nginx", Target: "web1", Answer: Holds, Duration: 1200 * time.Microsecond},
	{Group: "php-setting", Name: "fpm memory_limit", Target: "web1", Answer: Fails, Expected: "128M", Actual: "512M"},
	{Group: "sudo", Name: "deploy", Target: "web1", Answer: Unknown, Reason: "sudo -l was refused"},
	{Group: "login", Name: "sign in # TODO", Target: "web2", Answer: Fails, Reason: "the body is another\n- Welcome\n+ Bad Gateway", Duration: 2 * time.Second},
	{Group: "file", Name: "/tmp/\x1b[2Jevil\nok 9", Target: "web2", Answer: Fails, Expected: "absent", Actual: "\u202egnp.exe \x9b1m \u009b2J 😀\U000E0001"},
}}

func TestWriters(t *testing.T) {
	for _, format := range Formats {
		t.Run(string(format), func(t *testing.T) {
			var out bytes.Buffer
			opts := Options{All: true, Took: func() time.Duration { return 3*time.Second + 141*time.Millisecond }}
			if err := sample.Write(&out, format, opts); err != nil {
				t.Fatal(err)
			}
			if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }); i >= 0 {
				t.Errorf("the output holds the control character %q", out.Bytes()[i])
			}
			golden.Assert(t, out.String(), string(format)+".golden")
		})
	}
}

func TestMachineFormatsAreWellFormed(t *testing.T) {
	for name, report := range map[string]Report{"none": {}, "sample": sample} {
		t.Run(name, func(t *testing.T) {
			var text, document bytes.Buffer
			if err := report.Write(&text, JSON, Options{}); err != nil {
				t.Fatal(err)
			}
			var read Document
			if err := json.Unmarshal(text.Bytes(), &read); err != nil {
				t.Fatal(err)
			}
			if read.Counts != report.Counts() || len(read.Results) != len(report.Results) || read.Answer != report.Counts().Answer() {
				t.Errorf("read back %+v, want %+v", read.Counts, report.Counts())
			}
			if err := report.Write(&document, JUnit, Options{Name: `a "name" & more`}); err != nil {
				t.Fatal(err)
			}
			if err := xml.Unmarshal(document.Bytes(), new(struct{})); err != nil {
				t.Errorf("JUnit: %v", err)
			}
		})
	}
}

func TestTableHidesWhatHoldsUnlessAsked(t *testing.T) {
	var out bytes.Buffer
	if err := sample.Write(&out, Table, Options{Color: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "nginx") {
		t.Errorf("what holds is shown:\n%s", &out)
	}
	if !strings.Contains(out.String(), "\x1b[31;1m3 fail, 1 unknown, 1 holds") {
		t.Errorf("no counts in colour:\n%s", &out)
	}
}

func TestTableSumsUpWhatIsUnknownForOneReason(t *testing.T) {
	report := Report{}
	for i := range 200 {
		report.Add(Result{Group: "file", Name: fmt.Sprint("/etc/", i), Answer: Unknown, Reason: "hashing took too long"})
	}
	report.Add(Result{Group: "sudo", Name: "deploy", Answer: Unknown, Reason: "needs root"})
	var out bytes.Buffer
	if err := report.Write(&out, Table, Options{}); err != nil {
		t.Fatal(err)
	}
	want := "? unknown  file › /etc/0\n    hashing took too long\n  … and 199 more of file, for the same reason\n? unknown  sudo › deploy\n    needs root\n\n201 unknown\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCountsDecideTheOutcome(t *testing.T) {
	tests := []struct {
		counts Counts
		answer Answer
		code   int
		text   string
	}{
		{Counts{}, Unknown, fault.ExitFailed, "nothing was compared"},
		{Counts{Holds: 3}, Holds, fault.ExitOK, "3 hold"},
		{Counts{Holds: 3, Unknown: 1}, Unknown, fault.ExitFailed, "1 unknown, 3 hold"},
		{Counts{Unknown: 2}, Unknown, fault.ExitFailed, "2 unknown"},
		{Counts{Holds: 1, Unknown: 1, Fails: 1}, Fails, fault.ExitNotHolding, "1 fails, 1 unknown, 1 holds"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			if got := tt.counts.Answer(); got != tt.answer {
				t.Errorf("answer %v, want %v", got, tt.answer)
			}
			if got := fault.ExitCode(tt.counts.Err()); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if got := tt.counts.String(); got != tt.text {
				t.Errorf("text %q, want %q", got, tt.text)
			}
		})
	}
}

func TestAnswersAreWords(t *testing.T) {
	for _, answer := range Answers {
		text, err := answer.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		read := Holds
		if err := read.UnmarshalText(text); err != nil || read != answer {
			t.Errorf("%s reads as %v, %v", text, read, err)
		}
	}
	if err := new(Answer).UnmarshalText([]byte("maybe")); err == nil {
		t.Error("maybe is an answer")
	}
}

func TestFormatsRefuseOthers(t *testing.T) {
	var f Format
	if f.String() != "table" || f.Set("tap") != nil || f != TAP || f.Set("html") == nil {
		t.Errorf("format is %q", f)
	}
}
