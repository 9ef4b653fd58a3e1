package traffic

import (
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestADefinitionNamesTheFieldAtFault(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Definition)
		want   string
	}{
		{"no steps", func(d *Definition) { d.Steps = nil }, "steps: there is none"},
		{"not reaching 100", func(d *Definition) { d.Steps = d.Steps[:2] }, "steps[1].weight: the last one is 50, not 100"},
		{"backwards", func(d *Definition) { d.Steps[1].Weight = 4 }, "steps[1].weight: 4 does not go up from 5"},
		{"twice the same", func(d *Definition) { d.Steps[1].Weight = 5 }, "steps[1].weight: 5 does not go up from 5"},
		{"too much", func(d *Definition) { d.Steps[2].Weight = 101 }, "steps[2].weight: 101 is not between 0 and 100"},
		{"less than nothing", func(d *Definition) { d.Steps[0].Weight = -1 }, "steps[0].weight: -1 is not"},
		{"a hold in the past", func(d *Definition) { d.Steps[0].Hold = -time.Second }, "steps[0].hold: -1s is not between"},
		{"too many steps", func(d *Definition) { d.Steps = make([]Step, 1000) }, "steps: 1000 are more than 100"},
		{"no name", func(d *Definition) { d.Name = "" }, `name: "" is not a name`},
		{"no hostname", func(d *Definition) { d.Hostname = "" }, `hostname: "" is not a DNS name`},
		{"a hostname with a line end", func(d *Definition) { d.Hostname = "a.example\nset weight x 0" }, "hostname: \"a.example\\nset"},
		{"a hostname with an escape", func(d *Definition) { d.Hostname = "a\x1b[31m.example" }, `hostname: "a\x1b[31m.example"`},
		{"a hostname with a semicolon", func(d *Definition) { d.Hostname = "a;b" }, "hostname: "},
		{"a hostname that is too long", func(d *Definition) { d.Hostname = strings.Repeat("a.", 200) + "b" }, "hostname: "},
		{"an empty label", func(d *Definition) { d.Hostname = "a..b" }, "hostname: "},
		{"the same side twice", func(d *Definition) { d.To.Name = d.From.Name }, `to.name: both sides are called "legacy"`},
		{"a side with a newline", func(d *Definition) { d.To.Name = "x\ny" }, "to.name: "},
		{"a URL that is none", func(d *Definition) { d.To.URL = "ftp://x" }, "to.url: "},
		{"a URL with a password", func(d *Definition) { d.To.URL = "http://u:secret@x" }, "to.url: "},
		{"two guards of one name", func(d *Definition) { d.Guards = append(d.Guards, d.Guards[0]) }, `guards[1].name: there are two guards "errors"`},
		{"a guard without name", func(d *Definition) { d.Guards[0].Name = "" }, "guards[0].name: "},
		{"negative failures", func(d *Definition) { d.Guards[0].Failures = -1 }, "guards[0].failures: -1"},
		{"a guard read too often", func(d *Definition) { d.Guards[0].Every = time.Millisecond }, "guards[0].every: 1ms is not between 100ms and 10m"},
		{"an unknown onFailure", func(d *Definition) { d.OnFailure = "shrug" }, `onFailure: "shrug" is neither revert nor pause`},
		{"an unknown onForeignChange", func(d *Definition) { d.OnForeignChange = "shrug" }, `onForeignChange: "shrug"`},
		{"an interval too short", func(d *Definition) { d.Interval = time.Millisecond }, "interval: 1ms is not between 100ms and 10m"},
		{"unknown for less than an interval", func(d *Definition) { d.UnknownFor = time.Millisecond }, "unknownFor: 1ms"},
		{"a dead man too quick", func(d *Definition) { d.DeadMan = time.Second }, "deadMan: 1s is not between 15s and 720h"},
		{"a negative dead man", func(d *Definition) { d.DeadMan = -time.Second }, "deadMan: -1s"},
		{"a contact with an escape", func(d *Definition) { d.Contacts = []Contact{{Name: "\x1b]0;x\x07"}} }, "contacts[0]: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := shop()
			tt.change(&d)
			err := d.Validate()
			if fault.ClassOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v, want a fault that says %q", err, tt.want)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("the message is not safe to print: %q", err)
			}
		})
	}
}

func TestGoodDefinitionsAreValid(t *testing.T) {
	for name, change := range map[string]func(*Definition){
		"as it is":             func(*Definition) {},
		"one step":             func(d *Definition) { d.Steps = []Step{{Weight: All}} },
		"a step at nothing":    func(d *Definition) { d.Steps = append([]Step{{Approval: true}}, d.Steps...) },
		"any name below":       func(d *Definition) { d.Hostname = "*.example.com" },
		"service names":        func(d *Definition) { d.Hostname = "_sip._tcp.example.com" },
		"no guards":            func(d *Definition) { d.Guards = nil },
		"never unknown for so": func(d *Definition) { d.Guards[0].UnknownFor = -1 },
		"a dead man":           func(d *Definition) { d.DeadMan = MinDeadMan },
		"a name in Japanese":   func(d *Definition) { d.Contacts = []Contact{{Name: "山田 太郎", Address: "+81 3 0000"}} },
	} {
		d := shop()
		change(&d)
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignTextIsSafeToPrint gives the planner what an attacker, or a router's
// error page, may say.
func TestForeignTextIsSafeToPrint(t *testing.T) {
	s := newStory(shop(), "router")
	s.iterate()
	s.instances[0].deadMan = "\x1b[2J" + strings.Repeat("<html>", 1000)
	s.instances[0].weight = 40
	s.world.Words = []Word{{Serial: 1, Verb: "\x1b[31m", By: "eve\n"}, {Serial: 2, Verb: SayPause, By: "eve\r", Why: "\x00"}}
	s.iterate()
	for _, text := range append([]string{s.p.Reason, s.p.Cause, s.p.Drift, s.p.DeadMan}, s.text.String()) {
		if strings.ContainsAny(strings.ReplaceAll(text, "\n", ""), "\x1b\r\x00") {
			t.Errorf("not safe to print: %q", text)
		}
	}
	if len(s.p.Reason) > 2*longestText || len(s.p.Cause) > 2*longestText {
		t.Errorf("a reason of %d bytes is no reason", len(s.p.Reason))
	}
	if s.p.Phase != Paused {
		t.Errorf("it is %s, want Paused", s.p.Phase)
	}
}
