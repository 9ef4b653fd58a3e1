package batch

import (
	"context"
	"fmt"
	"sync"

	"github.com/dustin/go-humanize/english"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Samples to take of each table, and of keys and objects.
const (
	rowsSampled = 200
	keysSampled = 2000
)

// sample shows what is in the source of a task.
func sample(ctx context.Context, t task, see func(datacopy.Sample) error) error {
	sampler, ok := t.engine.(datacopy.Sampler)
	if !ok {
		return fault.New(fault.Failed, "", "looking for personal data: stores of kind %s cannot be sampled", t.engine.Kind())
	}
	most := rowsSampled
	if t.engine.Kind() != datacopy.MySQL {
		most = keysSampled
	}
	if err := sampler.Sample(ctx, t.request, most, see); err != nil {
		return fmt.Errorf("looking for personal data: %w", err)
	}
	return nil
}

// checkStore holds the rules against one store.
func checkStore(ctx context.Context, t task, opts Options) error {
	if t.mask == nil {
		return fault.New(fault.Invalid, "`landfall data mask suggest` drafts them.", "checking mask rules: there are none")
	}
	review := mask.NewReview(t.name, t.mask)
	err := sample(ctx, t, review.See)
	review.Conclude()
	if err == nil && len(review.Missing)+len(review.Problems) > 0 {
		err = fault.New(fault.NotHolding, "Write a rule for each; `keep` says that somebody has looked.",
			"checking mask rules: %s without a rule, %s",
			english.Plural(len(review.Missing), "place that looks personal", "places that look personal"), english.Plural(len(review.Problems), "problem", ""))
	}
	opts.Track.of(t.name, func(s *StoreState) { s.Review = review })
	opts.Track.concluded(t.name, nil, err)
	return err
}

// suggest drafts rules for all stores together.
func suggest(ctx context.Context, tasks []task, opts Options) error {
	var mu sync.Mutex
	var found []mask.Finding
	seen := map[mask.Finding]bool{}
	kinds := map[string]datacopy.Kind{}
	for _, t := range tasks {
		kinds[t.name] = t.engine.Kind()
	}
	err := each(tasks, func(t task) error {
		err := sample(ctx, t, func(one datacopy.Sample) error {
			mu.Lock()
			defer mu.Unlock()
			for _, finding := range mask.Find(t.name, one) {
				id := finding
				id.Why = ""
				if !seen[id] {
					seen[id] = true
					found = append(found, finding)
				}
			}
			return nil
		})
		opts.Track.concluded(t.name, nil, err)
		return err
	})
	if err != nil {
		return err
	}
	draft, err := mask.Draft(found, kinds)
	opts.Track.draft(string(draft))
	return err
}
