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
	figures, sections := s.Evidence()
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
	if figures, _ := s.Evidence(); *figures[1].Answer != result.Holds {
		t.Error("nothing was lost, and that does not hold")
	}
}
