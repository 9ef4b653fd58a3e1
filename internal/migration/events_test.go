package migration

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

func reading(at time.Time, answer result.Answer) traffic.Event {
	return traffic.Event{At: at, Reading: &traffic.Reading{Guard: "errors", At: at, Answer: answer}}
}

func TestWhatHappenedGoesOnInTheNextProcess(t *testing.T) {
	decision := traffic.Event{At: noon, Phase: traffic.Shifting, Decision: &traffic.Decision{Action: traffic.DoWrite, Weight: 5, Reason: "all guards hold"}}
	first := NewEvents(nil, 0, nil)
	first.Record(decision)
	packed, _, err := first.Pack()
	if err != nil {
		t.Fatal(err)
	}
	watched := 0
	second := NewEvents(packed, 0, func(traffic.Event) { watched++ })
	second.Record(reading(noon.Add(time.Second), result.Fails))
	packed, dropped, err := second.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	want := []traffic.Event{decision, reading(noon.Add(time.Second), result.Fails)}
	if diff := cmp.Diff(want, got); diff != "" || dropped != 0 || watched != 1 || second.Waiting() != 0 {
		t.Errorf("%d dropped, %d watched (-want +got):\n%s", dropped, watched, diff)
	}
}

// Days of readings stay within an object: what is left out is counted, and what
// people ask about later is not left out.
func TestEvidenceStaysSmallAndKeepsWhatMatters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	events := NewEvents(nil, 0, nil)
	kept, total := 0, 0
	for i := range 30_000 {
		at := noon.Add(time.Duration(i) * time.Second)
		event := reading(at, result.Holds)
		event.Reading.Value = fmt.Sprintf("%x", []int64{random.Int64(), random.Int64(), random.Int64()})
		if i%1000 == 7 {
			event.Reading.Answer = result.Fails
			kept++
		}
		events.Record(event)
		total++
		if i%2000 == 0 {
			if _, _, err := events.Pack(); err != nil {
				t.Fatal(err)
			}
		}
	}
	packed, dropped, err := events.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	failing := 0
	for _, event := range got {
		if event.Reading.Answer == result.Fails {
			failing++
		}
	}
	if len(packed) > maxCompressed || dropped == 0 || len(got)+dropped != total || failing != kept {
		t.Errorf("%d bytes, %d events and %d dropped of %d, %d of %d failing readings", len(packed), len(got), dropped, total, failing, kept)
	}
}

func TestEvidenceOfAttempts(t *testing.T) {
	m := shop()
	a := newAPI(t, m)
	for attempt := int64(1); attempt <= 2; attempt++ {
		m.Spec.Attempt = attempt
		if err := SetProgress(m, traffic.Progress{Phase: traffic.Reverted, Cause: fmt.Sprint("attempt ", attempt)}, "me"); err != nil {
			t.Fatal(err)
		}
		events := GoOn(t.Context(), a, m, nil)
		events.Record(reading(noon, result.Holds))
		if _, err := Keep(t.Context(), a, m, events); err != nil {
			t.Fatal(err)
		}
	}
	again := GoOn(t.Context(), a, m, nil) // another process, the same attempt
	again.Record(reading(noon.Add(time.Second), result.Fails))
	if _, err := Keep(t.Context(), a, m, again); err != nil {
		t.Fatal(err)
	}
	all, err := Evidence(t.Context(), client.Reader(a), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || len(all[0].Events) != 1 || len(all[1].Events) != 2 {
		t.Fatalf("got %+v", all)
	}
	if all[1].Progress.Cause != "attempt 2" || all[1].Definition.Hostname != "shop.example" || all[0].Attempt != 1 {
		t.Errorf("got %+v", all[1])
	}
}

func FuzzUnpack(f *testing.F) {
	events := NewEvents(nil, 0, nil)
	events.Record(reading(noon, result.Holds))
	packed, _, err := events.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:len(packed)/2])
	f.Add([]byte("not gzip"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if _, err := Unpack(packed); err == nil && len(packed) > 0 {
			next := NewEvents(packed, 0, nil)
			next.Record(reading(noon, result.Holds))
			if _, _, err := next.Pack(); err != nil {
				t.Errorf("what can be read cannot be gone on with: %v", err)
			}
		}
	})
}
