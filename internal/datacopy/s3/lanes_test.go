package s3

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestLanesHandOutEverythingOnce has kinds in all orders and proportions, more
// large objects than their lane holds among them.
func TestLanesHandOutEverythingOnce(t *testing.T) {
	tests := []struct {
		small, large, workers int
		largeFirst            bool
	}{
		{small: 100, large: 10, workers: 8, largeFirst: true},
		{small: 100, large: 10, workers: 8},
		{small: lookAhead + 100, workers: 8},
		{large: 3 * pageSize, workers: 8},
		{small: 50, large: 2 * pageSize, workers: 1},
		{workers: 2},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			lanes := newLanes()
			var group errgroup.Group
			group.Go(func() error {
				defer lanes.close()
				for n := range tt.small + tt.large {
					o := &object{key: fmt.Sprint(n), size: 1}
					if (tt.largeFirst && n < tt.large) || (!tt.largeFirst && n >= tt.small) {
						o.size = largeObject
					}
					if err := lanes.add(t.Context(), work{match: match{source: o}}); err != nil {
						return err
					}
				}
				return nil
			})
			var seen sync.Map
			var count atomic.Int64
			for n := range tt.workers {
				group.Go(func() error {
					return lanes.each(n, func(w work) error {
						if _, twice := seen.LoadOrStore(w.source.key, true); twice {
							return fmt.Errorf("%s came twice", w.source.key)
						}
						count.Add(1)
						return nil
					})
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			if want := int64(tt.small + tt.large); count.Load() != want {
				t.Errorf("%d of %d came", count.Load(), want)
			}
		})
	}
}

// TestFewLargeOnesWhileThereAreSmallOnes has large ones take long.
func TestFewLargeOnesWhileThereAreSmallOnes(t *testing.T) {
	const large, small, workers = 20, 500, 16
	lanes := newLanes()
	for n := range large + small {
		o := &object{size: 1}
		if n < large {
			o.size = largeObject
		}
		if err := lanes.add(t.Context(), work{match: match{source: o}}); err != nil {
			t.Fatal(err)
		}
	}
	lanes.close()
	var busy, most, left atomic.Int64
	left.Store(small)
	var group errgroup.Group
	for n := range workers {
		group.Go(func() error {
			return lanes.each(n, func(w work) error {
				if !w.large() {
					time.Sleep(time.Millisecond)
					left.Add(-1)
					return nil
				}
				now := busy.Add(1)
				defer busy.Add(-1)
				if left.Load() > workers && now > most.Load() {
					most.Store(now)
				}
				time.Sleep(20 * time.Millisecond)
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := most.Load(); got != largeLane {
		t.Errorf("%d large objects at once while small ones waited, want %d", got, largeLane)
	}
}
