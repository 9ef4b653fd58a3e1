package batch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// Evidence is what a job leaves behind: what was copied, how fast, what was
// masked, and what verifying found.
func (s State) Evidence() evidence.Document {
	doc := evidence.Document{
		Kind: "copy", Name: s.Name, Title: fmt.Sprintf("Data copied from %s to %s", s.From, s.To),
		Answer: judged(s.Answer()), Outcome: s.outcome(), Started: s.Started, Ended: s.Ended,
		Figures: s.figures(),
	}
	for _, store := range s.Stores {
		doc.Sections = append(doc.Sections, store.sections()...)
	}
	return doc
}

func judged(answer datacopy.Answer) result.Answer {
	switch answer {
	case datacopy.Equal:
		return result.Holds
	case datacopy.Different:
		return result.Fails
	}
	return result.Unknown
}

func (s State) outcome() string {
	switch s.Phase {
	case PhaseSucceeded:
		return "Everything was copied, and both sides are equal."
	case PhaseDifferent:
		return "Everything was copied, and both sides differ: " + s.Message
	case PhaseRunning:
		return "The copy is under way."
	}
	return "The copy failed: " + s.Message
}

// figures sum up all stores.
func (s State) figures() []evidence.Figure {
	var bytes, retries, repeated int64
	chunks, masked := 0, 0
	nouns := map[string]int64{}
	for _, store := range s.Stores {
		if store.Masked {
			masked++
		}
		outcome := store.outcome()
		retries += outcome.Result.Retries
		for _, unit := range outcome.Result.Units {
			bytes, chunks, repeated = bytes+unit.Bytes, chunks+unit.Chunks, repeated+int64(unit.Repeated)
		}
		for _, unit := range outcome.Report.Units {
			nouns[unit.Noun] += unit.Count
		}
	}
	answer := evidence.Judged(judged(s.Answer()))
	figures := []evidence.Figure{{Name: "Verified", Value: string(s.Answer()), Note: "counts and checksums of both sides", Answer: answer}}
	for _, noun := range []string{"rows", "keys", "objects"} {
		if n, known := nouns[noun]; known {
			figures = append(figures, evidence.Figure{Name: noun, Value: humanize.Comma(n)})
		}
	}
	took := s.Ended.Sub(s.Started)
	return append(figures,
		evidence.Figure{Name: "Sent", Value: humanize.Bytes(uint64(max(bytes, 0))), Note: rate(bytes, took)},
		evidence.Figure{Name: "Took", Value: took.Round(100 * time.Millisecond).String(), Note: "planning and verifying included"},
		evidence.Figure{Name: "Chunks", Value: strconv.Itoa(chunks), Note: fmt.Sprintf("%d repeated, %d retries", repeated, retries)},
		evidence.Figure{Name: "Masked", Value: fmt.Sprintf("%d of %d stores", masked, len(s.Stores))})
}

func rate(bytes int64, took time.Duration) string {
	if took <= 0 {
		return ""
	}
	return humanize.Bytes(uint64(float64(max(bytes, 0))/took.Seconds())) + "/s"
}

// outcome never lacks a part, so that tables need not ask.
func (s StoreState) outcome() datacopy.Outcome {
	full := datacopy.Outcome{Plan: &datacopy.Plan{}, Result: &datacopy.Result{}, Report: &datacopy.Report{}}
	if o := s.Outcome; o != nil {
		if o.Plan != nil {
			full.Plan = o.Plan
		}
		if o.Result != nil {
			full.Result = o.Result
		}
		if o.Report != nil {
			full.Report = o.Report
		}
	}
	return full
}

func (s StoreState) sections() []evidence.Section {
	outcome := s.outcome()
	text := fmt.Sprintf("%s, from %s to %s.", s.Kind, s.From, s.To)
	if s.Message != "" {
		text += " " + s.Message
	}
	if s.Outcome != nil && s.Outcome.Result != nil {
		text += fmt.Sprintf(" %d workers, %d retries.", outcome.Result.Workers, outcome.Result.Retries)
	}
	sections := []evidence.Section{{Title: "Store " + s.Name, Text: text, Table: unitTable(outcome)}}
	if masked := maskedTable(outcome.Plan); len(masked.Rows) > 0 {
		sections = append(sections, evidence.Section{Title: "Masked in " + s.Name, Text: "Real values of these never reached the target.", Table: masked})
	}
	if differences := differenceTable(outcome.Report); len(differences.Rows) > 0 {
		sections = append(sections, evidence.Section{Title: "Differences in " + s.Name, Table: differences})
	}
	if notes := append(append([]string(nil), outcome.Plan.Warnings...), append(outcome.Plan.NotKept, outcome.Result.NotKept...)...); len(notes) > 0 {
		sections = append(sections, evidence.Section{Title: "Worth knowing about " + s.Name, Text: strings.Join(notes, "\n")})
	}
	return sections
}

// unitTable has a row for each table, database or bucket.
func unitTable(outcome datacopy.Outcome) *evidence.Table {
	table := &evidence.Table{Columns: []string{"what", "source", "target", "bytes sent", "chunks", "skipped", "repeated", "digest", "verified"}}
	sent := map[string]datacopy.UnitResult{}
	for _, unit := range outcome.Result.Units {
		sent[unit.Name] = unit
	}
	for _, unit := range outcome.Report.Units {
		copied := sent[unit.Name]
		digest := shortDigest(unit.Digest)
		if unit.Digest != unit.TargetDigest {
			digest += " / " + shortDigest(unit.TargetDigest)
		}
		table.Rows = append(table.Rows, evidence.Row{Answer: evidence.Judged(judged(unit.Answer)), Cells: []string{
			unit.Name, datacopy.Counted(unit.Count, unit.Noun), datacopy.Counted(unit.TargetCount, unit.Noun),
			humanize.Bytes(uint64(max(copied.Bytes, 0))), strconv.Itoa(copied.Chunks), strconv.Itoa(copied.Skipped), strconv.Itoa(copied.Repeated),
			digest, strings.TrimSpace(string(unit.Answer) + " " + unit.Cause),
		}})
	}
	return table
}

func shortDigest(digest string) string {
	const shown = 16
	if len(digest) > shown {
		return digest[:shown]
	}
	return digest
}

func maskedTable(plan *datacopy.Plan) *evidence.Table {
	table := &evidence.Table{Columns: []string{"what", "masked"}}
	for _, unit := range plan.Units {
		if len(unit.Masked) > 0 {
			table.Rows = append(table.Rows, evidence.Row{Cells: []string{unit.Name, strings.Join(unit.Masked, ", ")}})
		}
	}
	return table
}

func differenceTable(report *datacopy.Report) *evidence.Table {
	table := &evidence.Table{Columns: []string{"what", "key", "difference"}}
	fails := evidence.Judged(result.Fails)
	for _, unit := range report.Units {
		for _, difference := range unit.Differences {
			table.Rows = append(table.Rows, evidence.Row{Cells: []string{unit.Name, difference.Key, difference.What}, Answer: fails})
		}
		if unit.More > 0 {
			table.Rows = append(table.Rows, evidence.Row{Cells: []string{unit.Name, "", fmt.Sprintf("%d more", unit.More)}, Answer: fails})
		}
	}
	return table
}
