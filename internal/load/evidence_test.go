package load

import (
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

func TestEvidenceAccountsForEveryRequest(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := &Summary{
		Method: "GET", URLs: []string{"http://shop.example/"}, Started: noon,
		Total:   Figures{Requests: 100, Answered: 98, Errors: 3, Lost: 2},
		Sides:   map[string]Figures{"ec2": {Requests: 98, Errors: 3}, NoSide: {Requests: 2, Lost: 2}},
		Seconds: []Second{{At: noon, Sides: map[string]Moment{"ec2": {Requests: 98, Errors: 3}, NoSide: {Requests: 2, Lost: 2}}}},
		Lost:    []LostRequest{{Due: noon, URL: "http://shop.example/", Loss: Closed, Cause: "EOF"}},
	}
	figures, sections := s.Evidence(time.Time{}, time.Time{})
	var page strings.Builder
	if err := (evidence.Document{Figures: figures, Sections: sections}).WriteMarkdown(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| requests sent | 100 |", "| fails | requests lost | 2 |", "| ec2 | 98 | 3 | 0 |", "2 of 100", "closed | EOF"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in\n%s", want, page.String())
		}
	}
	chart := sections[1].Chart
	if good, bad := chart.Series[0].Points[0].Value, chart.Series[1].Points[0].Value; good != 95 || bad != 5 {
		t.Errorf("%v answered and %v bad, want 95 and 5", good, bad)
	}
	s.Total.Lost = 0
	if figures, _ := s.Evidence(time.Time{}, time.Time{}); *figures[1].Answer != result.Holds {
		t.Error("nothing was lost, and that does not hold")
	}
}

func TestBeforeDuringAndAfter(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	second := func(i int, m Moment) Second {
		return Second{At: noon.Add(time.Duration(i) * time.Second), Sides: map[string]Moment{"blue": m}}
	}
	ms := time.Millisecond
	s := &Summary{Seconds: []Second{
		second(0, Moment{Requests: 10, P50: 2 * ms, P95: 4 * ms, Max: 5 * ms}),
		second(1, Moment{Requests: 10, Errors: 1, P50: 3 * ms, P95: 9 * ms, Max: 30 * ms}),
		second(2, Moment{Requests: 11, Lost: 1, P50: 3 * ms, P95: 8 * ms, Max: 20 * ms}),
		second(3, Moment{Requests: 12, P50: 1 * ms, P95: 2 * ms, Max: 3 * ms}),
	}}
	for _, tt := range []struct {
		name         string
		began, ended time.Time
		want         []string
	}{
		{"over", noon.Add(1500 * ms), noon.Add(2 * time.Second), []string{"| holds | before | 1 | 10 | 0 | 0 | 2ms | 4ms | 5ms |", "| fails | during | 2 | 21 | 1 | 1 | 3ms | 9ms | 30ms |", "| holds | after | 1 | 12 |", "12:00:01 to 12:00:02"}},
		{"under way", noon, time.Time{}, []string{"| fails | during | 4 | 43 | 1 | 1 |", "12:00:00 on"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, sections := s.Evidence(tt.began, tt.ended)
			var page strings.Builder
			if err := (evidence.Document{Sections: sections}).WriteMarkdown(&page); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(page.String(), want) {
					t.Errorf("%q is missing in\n%s", want, page.String())
				}
			}
		})
	}
}
