package report

import (
	"bytes"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// whole is the record of a migration that went to its end and was then aborted.
func whole() Record {
	r := reverted()
	weights := func(share int) *traffic.State {
		return &traffic.State{Instances: []traffic.Instance{{Name: "a", Old: 100 - share, New: share, Settled: true}}}
	}
	write := func(w traffic.Weight) *traffic.Decision { return &traffic.Decision{Action: traffic.DoWrite, Weight: w} }
	r.Progress = traffic.Progress{Phase: traffic.Reverted, Started: noon, Ended: at(40)}
	r.Events = []traffic.Event{
		{At: at(1), Phase: traffic.Shifting, Step: 0, Decision: write(1)},
		{At: at(1.2), Phase: traffic.Holding, Step: 0, Weights: weights(1)},
		{At: at(11.2), Phase: traffic.Shifting, Step: 1, Decision: write(5)},
		{At: at(11.4), Phase: traffic.Holding, Step: 1, Weights: weights(5)},
		{At: at(21.4), Phase: traffic.Shifting, Step: 2, Decision: write(100)},
		{At: at(21.7), Phase: traffic.Holding, Step: 2, Weights: weights(100)},
		{At: at(30), Phase: traffic.Reverting, Step: 2, Word: &traffic.Word{Verb: traffic.SayAbort, By: "rehearsal", At: at(30)}},
		{At: at(30.1), Phase: traffic.Reverting, Step: 2, Decision: write(0)},
		{At: at(30.3), Phase: traffic.Reverting, Step: 2, Weights: weights(0)},
	}
	return r
}

func TestRunbook(t *testing.T) {
	d := reverted().Definition
	d.Guards[0].Every, d.Guards[1].Every = time.Second, 5*time.Second
	plan := traffic.Plan(d, described{})
	rehearsal := Rehearsal{Hostname: "office.shop.example", From: "ec2", To: "staging", BrokenAt: 1, BrokenTime: at(19.9), Broken: reverted(), Whole: whole()}
	if answer, why := rehearsal.Answer(); answer != result.Holds {
		t.Errorf("got %v: %s", answer, why)
	}
	var got bytes.Buffer
	if err := Runbook(plan, d, rehearsal, "echo 'set server shop/new1 weight 0' | socat stdio /run/haproxy/admin.sock\n").WriteMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, got.String(), "runbook.md")
}

// A rehearsal that did not return, or did not arrive, is no rehearsal.
func TestRehearsalThatFails(t *testing.T) {
	stayed := Rehearsal{Broken: reverted(), Whole: whole()}
	stayed.Broken.Progress.Phase = traffic.Completed
	short := Rehearsal{Broken: reverted(), Whole: reverted()}
	untried := Rehearsal{Broken: reverted()}
	for name, r := range map[string]Rehearsal{"did not return": stayed, "did not arrive": short, "only half": untried} {
		if answer, _ := r.Answer(); answer != result.Fails {
			t.Errorf("%s: got %v", name, answer)
		}
	}
}

// described is a router that only says what it can do.
type described struct{ traffic.Router }

func (described) Describe() traffic.Description {
	return traffic.Description{Kind: "haproxy", Place: "unix:///run/haproxy/admin.sock", Takes: 200 * time.Millisecond}
}
