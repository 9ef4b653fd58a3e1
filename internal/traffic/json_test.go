package traffic_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/internal/traffic"
)

func TestEventsCanBeReadAgain(t *testing.T) {
	want := traffic.Event{
		At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Phase: traffic.Holding, Step: 1,
		Weights:  &traffic.State{Instances: []traffic.Instance{{Name: "a", Old: 99, New: 1, Settled: true, Residual: 3}, {Name: "b", Err: errors.New("connection refused")}}},
		Counters: map[traffic.Side]traffic.Counters{traffic.New: {Requests: 7, Errors: 1}},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got traffic.Event
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	sameText := cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) })
	if diff := cmp.Diff(want, got, sameText); diff != "" {
		t.Error(diff)
	}
}
