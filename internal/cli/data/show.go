package data

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/result"
)

// showState writes what came of a job, for people.
func showState(w io.Writer, state batch.State) error {
	var text strings.Builder
	planned := false
	for _, store := range state.Stores {
		showStore(&text, store, state.Action)
		planned = planned || store.Outcome != nil && store.Outcome.Report == nil && store.Outcome.Result == nil
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	if state.Phase != batch.PhaseSucceeded || planned {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s: %s and %s are %s; took %s\n", state.Name, state.From, state.To, state.Answer(), state.Ended.Sub(state.Started).Round(10*time.Millisecond))
	return err
}

func withoutMessages(state batch.State) batch.State {
	state.Stores = slices.Clone(state.Stores)
	for i := range state.Stores {
		state.Stores[i].Message = ""
	}
	return state
}

func showStore(w *strings.Builder, store batch.StoreState, action batch.Action) {
	fmt.Fprintf(w, "%s (%s): %s → %s", store.Name, store.Kind, store.From, store.To)
	if store.Masked {
		w.WriteString(", masked")
	}
	w.WriteString("\n")
	outcome := store.Outcome
	switch {
	case outcome == nil:
	case outcome.Report != nil:
		_ = command.Rows(w, reportHead(outcome), reportRows(outcome))
	case outcome.Plan != nil && action != batch.Verify:
		_ = command.Rows(w, []string{"  what", "count", "size", "masked"}, planRows(outcome.Plan))
	}
	for _, line := range notes(store, action) {
		fmt.Fprintf(w, "  %s\n", result.Clean(line))
	}
	w.WriteString("\n")
}

// reportHead names the columns of a report; only a copy sent anything.
func reportHead(outcome *datacopy.Outcome) []string {
	if outcome.Result == nil {
		return []string{"  what", "source", "target", "answer"}
	}
	return []string{"  what", "source", "target", "sent", "answer"}
}

func reportRows(outcome *datacopy.Outcome) [][]string {
	sent := map[string]int64{}
	if outcome.Result != nil {
		for _, unit := range outcome.Result.Units {
			sent[unit.Name] = unit.Bytes
		}
	}
	rows := make([][]string, len(outcome.Report.Units))
	for i, unit := range outcome.Report.Units {
		row := []string{"  " + result.Clean(unit.Name), datacopy.Counted(unit.Count, unit.Noun), datacopy.Counted(unit.TargetCount, unit.Noun)}
		if outcome.Result != nil {
			row = append(row, humanize.Bytes(uint64(max(sent[unit.Name], 0))))
		}
		rows[i] = append(row, string(unit.Answer))
	}
	return rows
}

func planRows(plan *datacopy.Plan) [][]string {
	rows := make([][]string, len(plan.Units))
	for i, unit := range plan.Units {
		about := ""
		if unit.Estimate {
			about = "about "
		}
		rows[i] = []string{
			"  " + result.Clean(unit.Name), about + datacopy.Counted(unit.Count, unit.Noun), humanize.Bytes(uint64(max(unit.Bytes, 0))),
			command.OrDash(result.Clean(strings.Join(unit.Masked, ", "))),
		}
	}
	return rows
}

// differencesShown of a unit; -o json and the evidence have more.
const differencesShown = 10

// notes are the lines below a store's table.
func notes(store batch.StoreState, action batch.Action) []string {
	var lines []string
	if outcome := store.Outcome; outcome != nil {
		if plan := outcome.Plan; plan != nil {
			ahead := action != batch.Verify && outcome.Result == nil && outcome.Report == nil
			lines = append(lines, planNotes(plan, ahead)...)
		}
		if outcome.Report != nil {
			lines = append(lines, differences(outcome.Report)...)
		}
		if outcome.Result != nil {
			for _, lost := range outcome.Result.NotKept {
				lines = append(lines, "not kept: "+lost)
			}
		}
	}
	if store.Message != "" {
		lines = append(lines, store.Message)
	}
	return lines
}

// planNotes are what is worth knowing of a plan; of one not carried out yet
// (ahead) also how long it takes and what it would overwrite.
func planNotes(plan *datacopy.Plan, ahead bool) []string {
	var lines []string
	if ahead && plan.Estimate >= time.Second {
		lines = append(lines, "will take about "+plan.Estimate.Round(time.Second).String())
	}
	add := func(word string, texts []string) {
		for _, text := range texts {
			lines = append(lines, word+": "+text)
		}
	}
	if ahead {
		for _, unit := range plan.Units {
			if unit.How != "" {
				lines = append(lines, unit.Name+": "+unit.How)
			}
		}
		add("overwrites", plan.Overwrites)
		add("blocked", plan.Blockers)
	}
	add("warning", plan.Warnings)
	add("not kept", plan.NotKept)
	for _, unit := range plan.Units {
		for _, text := range unit.Warnings {
			lines = append(lines, "warning: "+unit.Name+": "+text)
		}
	}
	return lines
}

func differences(report *datacopy.Report) []string {
	var lines []string
	for _, unit := range report.Units {
		for i, difference := range unit.Differences {
			if i == differencesShown {
				lines = append(lines, fmt.Sprintf("%s: %d more differences", unit.Name, int64(len(unit.Differences)-i)+unit.More))
				break
			}
			lines = append(lines, fmt.Sprintf("%s: %s: %s", unit.Name, difference.Key, difference.What))
		}
		if unit.Cause != "" {
			lines = append(lines, unit.Name+": "+unit.Cause)
		}
	}
	return lines
}
