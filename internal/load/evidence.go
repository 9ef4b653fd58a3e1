package load

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// Evidence says what visitors met, for the page of what went on meanwhile from
// began to ended, where that is known: every request is accounted for.
func (s *Summary) Evidence(began, ended time.Time) ([]evidence.Figure, []evidence.Section) {
	lost := result.Holds
	if s.Total.Lost > 0 {
		lost = result.Fails
	}
	figures := []evidence.Figure{
		{Name: "requests sent", Value: strconv.FormatInt(s.Total.Requests, 10), Note: "by the load, at a constant rate; each one is accounted for"},
		{Name: "requests lost", Value: strconv.FormatInt(s.Total.Lost, 10), Note: "got no whole answer", Answer: evidence.Judged(lost)},
		{Name: "answers with an error", Value: strconv.FormatInt(s.Total.Errors, 10), Note: "status from 400 on"},
	}
	sections := []evidence.Section{s.sides()}
	if !began.IsZero() {
		sections = append(sections, s.around(began, ended))
	}
	return figures, append(sections, s.perSecond(), s.lostRequests())
}

// around compares what visitors met before, during and after what went on; it
// goes on still where ended is zero.
func (s *Summary) around(began, ended time.Time) evidence.Section {
	periods := []period{{name: "before"}, {name: "during"}, {name: "after"}}
	for _, second := range s.Seconds {
		switch {
		case second.At.Before(began.Truncate(time.Second)):
			periods[0].add(second)
		case ended.IsZero() || !second.At.After(ended):
			periods[1].add(second)
		default:
			periods[2].add(second)
		}
	}
	table := &evidence.Table{Columns: []string{"when", "seconds", "requests", "errors", "lost", "p50", "p95", "slowest"}}
	for i := range periods {
		if periods[i].seconds > 0 {
			table.Rows = append(table.Rows, periods[i].row())
		}
	}
	return evidence.Section{
		Title: "Before, during and after", Table: table,
		Text: fmt.Sprintf("By when requests were due; traffic moved from %s. p50 and p95 are those of the median second.", span(began, ended)),
	}
}

func span(began, ended time.Time) string {
	const clock = "15:04:05"
	if ended.IsZero() {
		return began.UTC().Format(clock) + " on"
	}
	return began.UTC().Format(clock) + " to " + ended.UTC().Format(clock)
}

// period sums up some seconds.
type period struct {
	name                            string
	seconds, requests, errors, lost int64
	p50, p95                        []time.Duration
	slowest                         time.Duration
}

func (p *period) add(s Second) {
	p.seconds++
	for _, m := range s.Sides {
		p.requests, p.errors, p.lost = p.requests+m.Requests, p.errors+m.Errors, p.lost+m.Lost
		p.p50, p.p95, p.slowest = append(p.p50, m.P50), append(p.p95, m.P95), max(p.slowest, m.Max)
	}
}

func (p *period) row() evidence.Row {
	answer := result.Holds
	if p.lost > 0 {
		answer = result.Fails
	}
	return evidence.Row{Answer: evidence.Judged(answer), Cells: []string{
		p.name, strconv.FormatInt(p.seconds, 10), strconv.FormatInt(p.requests, 10), strconv.FormatInt(p.errors, 10), strconv.FormatInt(p.lost, 10),
		Short(median(p.p50)), Short(median(p.p95)), Short(p.slowest),
	}}
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
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
