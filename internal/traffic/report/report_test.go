package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// reverted is the record of a migration whose guard failed at 5 %.
func reverted() Record {
	weights := func(share int) *traffic.State {
		return &traffic.State{Instances: []traffic.Instance{{Name: "a", Old: 100 - share, New: share, Settled: true}}}
	}
	counters := func(old, fresh, bad int64) map[traffic.Side]traffic.Counters {
		return map[traffic.Side]traffic.Counters{traffic.Old: {Requests: old}, traffic.New: {Requests: fresh, Errors: bad}}
	}
	write := func(w traffic.Weight, why string) *traffic.Decision {
		return &traffic.Decision{Action: traffic.DoWrite, Weight: w, Reason: why}
	}
	return Record{
		Definition: traffic.Definition{
			Name: "shop", Hostname: "shop.example", From: traffic.Backend{Name: "ec2"}, To: traffic.Backend{Name: "kubernetes"},
			Steps:    []traffic.Step{{Weight: 1, Hold: 10 * time.Second}, {Weight: 5, Hold: 10 * time.Second, Approval: true}, {Weight: 100}},
			Guards:   []traffic.GuardRule{{Name: "errors", Failures: 1}, {Name: "log-in", Failures: 1}},
			Contacts: []traffic.Contact{{Name: "Aiko", Role: "operator", Address: "+81 3 0000 0000"}},
		},
		Progress: traffic.Progress{Phase: traffic.Reverted, Started: noon, Ended: at(22), Reason: "errors failed"},
		Events: []traffic.Event{
			{At: at(0), Phase: traffic.Preparing, Weights: weights(0), Counters: counters(1000, 0, 0)},
			{At: at(1), Phase: traffic.Shifting, Step: 0, Decision: write(1, "guards hold")},
			{At: at(1.2), Phase: traffic.Holding, Step: 0, Weights: weights(1)},
			{At: at(2), Phase: traffic.Holding, Step: 0, Reading: &traffic.Reading{Guard: "errors", At: at(2), Answer: result.Holds, Value: "0 %", Bound: "at most 1 %"}, Counters: counters(1990, 10, 0)},
			{At: at(11.2), Phase: traffic.Shifting, Step: 1, Decision: write(5, "held for 10s")},
			{At: at(11.3), Phase: traffic.Shifting, Step: 1, Decision: write(5, "written again: an instance did not answer")},
			{At: at(11.4), Phase: traffic.Holding, Step: 1, Weights: weights(5)},
			{At: at(12), Phase: traffic.Holding, Step: 1, Word: &traffic.Word{Verb: traffic.SayApprove, Step: 1, By: "aiko", At: at(12), Why: "looks <b>fine</b>"}},
			{At: at(20.5), Phase: traffic.Holding, Step: 1, Reading: &traffic.Reading{Guard: "errors", At: at(20.5), Answer: result.Fails, Value: "20 %", Bound: "at most 1 %", Reason: "10 of 50", FirstBad: at(20)}, Counters: counters(10_000, 500, 10)},
			{At: at(20.6), Phase: traffic.Reverting, Step: 1, Decision: write(0, "errors 20 %, at most 1 %")},
			{At: at(20.7), Phase: traffic.Reverting, Step: 1, Weights: weights(0)},
			{At: at(21.5), Phase: traffic.Reverted, Step: 1, Counters: counters(10_500, 510, 12)},
			{At: at(22), Phase: traffic.Reverted, Step: 1, Counters: counters(11_000, 510, 12)},
		},
	}
}

func TestStory(t *testing.T) {
	var got bytes.Buffer
	if err := Migration(reverted()).WriteMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, got.String(), "reverted.md")
}

// A router that starts anew counts from zero: nothing is lost or counted twice.
func TestCountersThatStartAnew(t *testing.T) {
	r := reverted()
	r.Events = []traffic.Event{
		{At: at(0), Counters: map[traffic.Side]traffic.Counters{traffic.New: {Requests: 100}}},
		{At: at(1), Counters: map[traffic.Side]traffic.Counters{traffic.New: {Requests: 150}}},
		{At: at(2), Counters: map[traffic.Side]traffic.Counters{traffic.New: {Requests: 20, Errors: 1}}},
	}
	got := measure(r).total[traffic.New]
	if got.Requests != 70 || got.Errors != 1 {
		t.Errorf("got %d requests and %d errors, want 70 and 1", got.Requests, got.Errors)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 12345678: "12,345,678"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// Nothing was recorded, as after a crash in the first second: still a page.
func TestEmptyRecord(t *testing.T) {
	var b strings.Builder
	d := Migration(Record{Definition: reverted().Definition, Progress: traffic.Progress{Phase: traffic.Pending}})
	if err := d.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if d.Answer != result.Unknown {
		t.Errorf("got %v, want unknown", d.Answer)
	}
}
