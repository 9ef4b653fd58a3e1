package load

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// Evidence says what visitors met, for the page of what went on meanwhile:
// every request is accounted for.
func (s *Summary) Evidence() ([]evidence.Figure, []evidence.Section) {
	lost := result.Holds
	if s.Total.Lost > 0 {
		lost = result.Fails
	}
	figures := []evidence.Figure{
		{Name: "requests sent", Value: strconv.FormatInt(s.Total.Requests, 10), Note: "by the load, at a constant rate; each one is accounted for"},
		{Name: "requests lost", Value: strconv.FormatInt(s.Total.Lost, 10), Note: "got no whole answer", Answer: evidence.Judged(lost)},
		{Name: "answers with an error", Value: strconv.FormatInt(s.Total.Errors, 10), Note: "status from 400 on"},
	}
	return figures, []evidence.Section{s.sides(), s.perSecond(), s.lostRequests()}
}

// sides tells what each side answered.
func (s *Summary) sides() evidence.Section {
	table := &evidence.Table{Columns: []string{"side", "requests", "errors", "lost", "p50", "p95", "p99"}}
	for _, name := range slices.Sorted(maps.Keys(s.Sides)) {
		f := s.Sides[name]
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{
			name, strconv.FormatInt(f.Requests, 10), strconv.FormatInt(f.Errors, 10), strconv.FormatInt(f.Lost, 10),
			Short(f.Latency.P50), Short(f.Latency.P95), Short(f.Latency.P99),
		}})
	}
	return evidence.Section{Title: "What visitors met", Text: fmt.Sprintf("%s %d addresses, from %s on.", s.Method, len(s.URLs), s.Started.UTC().Format("15:04:05")), Table: table}
}

// perSecond shows what came of the requests of each second.
func (s *Summary) perSecond() evidence.Section {
	good, bad := evidence.Series{Name: "answered", Color: evidence.NewSide}, evidence.Series{Name: "errors and lost", Color: evidence.Bad}
	for _, second := range s.Seconds {
		var requests, failed int64
		for _, m := range second.Sides {
			requests += m.Requests
			failed += m.Errors + m.Lost
		}
		good.Points = append(good.Points, evidence.Point{At: second.At, Value: float64(requests - failed)})
		bad.Points = append(bad.Points, evidence.Point{At: second.At, Value: float64(failed)})
	}
	return evidence.Section{Title: "Visitors a second", Chart: &evidence.Chart{Unit: "requests/s", Series: []evidence.Series{good, bad}}}
}

// lostRequests names those that got no answer.
func (s *Summary) lostRequests() evidence.Section {
	if s.Total.Lost == 0 {
		return evidence.Section{Title: "Lost requests", Text: fmt.Sprintf("None of %d.", s.Total.Requests)}
	}
	table := &evidence.Table{Columns: []string{"due", "address", "how", "cause"}}
	for _, lost := range s.Lost {
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{lost.Due.UTC().Format("15:04:05.000"), lost.URL, string(lost.Loss), lost.Cause}, Answer: evidence.Judged(result.Fails)})
	}
	return evidence.Section{Title: "Lost requests", Text: fmt.Sprintf("%d of %d; the first of them:", s.Total.Lost, s.Total.Requests), Table: table}
}
