package data

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/data/record"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/datacopy/engines"
	"github.com/landfall-dev/landfall/internal/fault"
)

// newRun makes the command that the Job of a DataCopy runs.
func newRun(c *command.Context) *cobra.Command {
	var file, name, copied string
	cmd := &cobra.Command{
		Use:   "run --job FILE --record NAME",
		Short: "Do the work of a DataCopy, in its pod",
		Long: `Carry out the job in a file, and keep journal and state in the ConfigMaps that the
controller made for it. This is what the Job of a DataCopy runs.`,
		Example: "  landfall data run --job /etc/landfall/job.json --record staging-to-pr-1-copy --copy staging-to-pr-1",
		Args:    command.Args(cobra.NoArgs),
		Hidden:  true,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runJob(cmd.Context(), c, file, name, copied) },
	}
	cmd.Flags().StringVar(&file, "job", "", "`file` with the job, addresses and mask key included")
	cmd.Flags().StringVar(&copied, "copy", "", "`name` of the DataCopy, which says when to cut over")
	cmd.Flags().StringVar(&name, "record", "", "`name` of the ConfigMaps, in the namespace of -n")
	return cmd
}

func runJob(ctx context.Context, c *command.Context, file, name, copied string) error {
	job, err := readJob(file)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	kept, err := record.Open(ctx, cl, c.Namespace(), name)
	if err != nil {
		return command.Explain(err)
	}
	track := &batch.Tracker{}
	stop := publish(ctx, kept, track)
	options := batch.Options{Engines: engines.For, Journal: kept.Journal, Reporter: c.Progress(), Clock: c.Clock, Track: track}
	if job.Follow {
		options.Cutover = cutoverOf(ctx, cl, client.ObjectKey{Namespace: c.Namespace(), Name: copied})
	}
	state, err := batch.Run(ctx, job, options)
	stop()
	if ctx.Err() != nil {
		return fmt.Errorf("ended from outside, the journal stays: %w", context.Canceled)
	}
	if publishing := conclude(ctx, kept, state); err == nil {
		err = publishing
	}
	return err
}

// askEvery is how often a DataCopy is asked whether to cut over.
const askEvery = time.Second

// cutoverOf gives a channel that is closed when the DataCopy asks for it. An API
// server that does not answer delays that, and ends nothing.
func cutoverOf(ctx context.Context, cl client.Client, copied client.ObjectKey) <-chan struct{} {
	now := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			dc := &v1alpha1.DataCopy{}
			if err := cl.Get(ctx, copied, dc); err == nil && dc.Annotations[v1alpha1.AnnotationCutoverRequested] != "" {
				close(now)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(askEvery):
			}
		}
	}()
	return now
}

func readJob(file string) (batch.Job, error) {
	var job batch.Job
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &job)
	}
	if err != nil {
		return job, fault.New(fault.Invalid, "", "reading the job: %w", err)
	}
	return job, nil
}

// publishEvery is how often the state is written while the copy runs.
const publishEvery = time.Second

// publish writes the state now and then, until the function that it gives is
// called.
func publish(ctx context.Context, kept *record.Record, track *batch.Tracker) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := ""
		for {
			state := track.State()
			state.Ended = time.Time{}
			if text, err := json.Marshal(state); err == nil && string(text) != last && len(state.Stores) > 0 {
				if kept.Publish(ctx, map[string]string{batch.StateFile: string(text)}, false) == nil {
					last = string(text)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(publishEvery):
			}
		}
	}()
	return func() { cancel(); <-done }
}

// maxRecord is what a ConfigMap may hold of state and evidence together.
const maxRecord = 900 << 10

// conclude writes the final state and the evidence. What is too large for a
// ConfigMap is left out, the page first.
func conclude(ctx context.Context, kept *record.Record, state batch.State) error {
	slim(&state)
	var page, document bytes.Buffer
	err := errors.Join(state.Evidence().WriteHTML(&page), state.Evidence().WriteJSON(&document))
	if err != nil {
		return fmt.Errorf("writing evidence: %w", err)
	}
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	data := map[string]string{batch.StateFile: string(text)}
	room := maxRecord - len(text)
	for _, part := range []struct{ name, text string }{{batch.EvidenceJSON, document.String()}, {batch.EvidenceHTML, page.String()}} {
		if room -= len(part.text); room > 0 {
			data[part.name] = strings.ToValidUTF8(part.text, "�")
		}
	}
	return kept.Publish(ctx, data, true)
}

// slim leaves out what only the engine needs, and long lists of differences.
func slim(state *batch.State) {
	for i := range state.Stores {
		outcome := state.Stores[i].Outcome
		if outcome == nil {
			continue
		}
		shown := *outcome
		if outcome.Plan != nil {
			plan := *outcome.Plan
			plan.Detail = nil
			shown.Plan = &plan
		}
		if outcome.Report != nil {
			report := *outcome.Report
			report.Units = append([]datacopy.UnitReport(nil), report.Units...)
			for j := range report.Units {
				if unit := &report.Units[j]; len(unit.Differences) > differencesShown {
					unit.More += int64(len(unit.Differences) - differencesShown)
					unit.Differences = unit.Differences[:differencesShown]
				}
			}
			shown.Report = &report
		}
		state.Stores[i].Outcome = &shown
	}
}
