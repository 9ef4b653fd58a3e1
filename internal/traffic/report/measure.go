package report

import (
	"math"
	"time"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// measured is what can be computed from the events.
type measured struct {
	// highest weight that was read back.
	highest traffic.Weight
	weights []evidence.Point
	counted bool
	total   map[traffic.Side]traffic.Counters
	// rates by side, per second between two counts.
	requests, errors map[traffic.Side][]evidence.Point
	steps            map[int]stepTimes
	// firstBad response that led to the way back; returned is when the router
	// was seen to send nothing more to the new side.
	firstBad, returned time.Time
	// lastNew is the end of the last interval in which the new side was asked.
	lastNew time.Time
}

// stepTimes of one step: when its weight was written, in effect, and left.
type stepTimes struct{ written, settled, left time.Time }

func measure(r Record) measured {
	m := measured{
		total:    map[traffic.Side]traffic.Counters{},
		requests: map[traffic.Side][]evidence.Point{}, errors: map[traffic.Side][]evidence.Point{},
		steps: map[int]stepTimes{},
	}
	var before traffic.Event
	for _, event := range r.Events {
		m.addWeights(event)
		m.addStep(r.Definition, event)
		m.addFailure(event)
		if event.Counters != nil {
			m.addCounters(before, event)
			before = event
		}
	}
	if n := len(r.Events); n > 0 {
		m.leave(r.Events[n-1].At)
	}
	return m
}

// addWeights takes the highest share of all instances: that is what users met.
func (m *measured) addWeights(event traffic.Event) {
	if event.Weights == nil {
		return
	}
	share := -1.0
	for _, instance := range event.Weights.Instances {
		if instance.Err == nil {
			share = max(share, instance.Share())
		}
	}
	if share < 0 {
		return
	}
	m.weights = append(m.weights, evidence.Point{At: event.At, Value: 100 * share})
	m.highest = max(m.highest, traffic.Weight(math.Round(100*share)))
	if share == 0 && !m.firstBad.IsZero() && m.returned.IsZero() {
		m.returned = event.At
	}
}

// addStep follows one step from the decision to write its weight to the next
// decision to write another.
func (m *measured) addStep(d traffic.Definition, event traffic.Event) {
	if event.Step < 0 || event.Step >= len(d.Steps) {
		return
	}
	if write := event.Decision; write != nil && write.Action == traffic.DoWrite {
		_, before := m.steps[event.Step]
		again := before && write.Weight == d.Steps[event.Step].Weight // what was lost is written anew
		if !again {
			m.leave(event.At)
		}
		if !before && write.Weight == d.Steps[event.Step].Weight {
			m.steps[event.Step] = stepTimes{written: event.At}
		}
	}
	times, begun := m.steps[event.Step]
	if begun && times.settled.IsZero() && event.Phase == traffic.Holding {
		times.settled = event.At
		m.steps[event.Step] = times
	}
}

// leave ends the steps that are under way.
func (m *measured) leave(at time.Time) {
	for i, times := range m.steps {
		if times.left.IsZero() {
			times.left = at
			m.steps[i] = times
		}
	}
}

// addFailure notes the first bad response of the failure that is not over.
func (m *measured) addFailure(event traffic.Event) {
	reading := event.Reading
	if reading == nil || reading.Answer != result.Fails || !m.firstBad.IsZero() {
		return
	}
	m.firstBad = reading.FirstBad
	if m.firstBad.IsZero() {
		m.firstBad = reading.At
	}
}

// addCounters adds what was counted since before. A total that has fallen means
// that the router started anew: all of it is new.
func (m *measured) addCounters(before, event traffic.Event) {
	m.counted = true
	if before.Counters == nil {
		return
	}
	seconds := event.At.Sub(before.At).Seconds()
	for side, now := range event.Counters {
		then := before.Counters[side]
		if now.Requests < then.Requests || now.Errors < then.Errors {
			then = traffic.Counters{}
		}
		requests, failed := now.Requests-then.Requests, now.Errors-then.Errors
		sum := m.total[side]
		sum.Requests += requests
		sum.Errors += failed
		m.total[side] = sum
		if side == traffic.New && requests > 0 {
			m.lastNew = event.At
		}
		if seconds > 0 {
			m.requests[side] = append(m.requests[side], evidence.Point{At: event.At, Value: float64(requests) / seconds})
			m.errors[side] = append(m.errors[side], evidence.Point{At: event.At, Value: float64(failed) / seconds})
		}
	}
}

// weightChart shows the weight, marked with what failed and what people said.
func weightChart(r Record, m measured) evidence.Section {
	chart := &evidence.Chart{Unit: "% of new requests", Max: 100, Series: []evidence.Series{{Name: r.Definition.To.Name, Color: evidence.NewSide, Steps: true, Points: m.weights}}}
	var phase traffic.Phase
	for _, event := range r.Events {
		if w := event.Word; w != nil {
			chart.Marks = append(chart.Marks, evidence.Mark{At: w.At, Text: w.By + ": " + said(*w), Color: evidence.Neutral})
		}
		if d := event.Decision; d != nil && event.Phase == traffic.Reverting && phase != traffic.Reverting {
			chart.Marks = append(chart.Marks, evidence.Mark{At: event.At, Text: d.Reason, Color: evidence.Bad})
		}
		if event.Phase != "" {
			phase = event.Phase
		}
	}
	return evidence.Section{Title: "Weight", Chart: chart}
}

// trafficCharts show requests and errors of both sides, where the router counts.
func (m measured) trafficCharts(r Record) []evidence.Section {
	if !m.counted {
		return nil
	}
	sides := func(points map[traffic.Side][]evidence.Point) []evidence.Series {
		return []evidence.Series{
			{Name: r.Definition.From.Name, Color: evidence.OldSide, Points: points[traffic.Old]},
			{Name: r.Definition.To.Name, Color: evidence.NewSide, Points: points[traffic.New]},
		}
	}
	return []evidence.Section{
		{Title: "Requests", Chart: &evidence.Chart{Unit: "requests/s", Series: sides(m.requests)}},
		{Title: "Failed requests", Chart: &evidence.Chart{Unit: "requests/s with status 5xx or no answer", Series: sides(m.errors)}},
	}
}
