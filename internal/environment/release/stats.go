package release

import (
	"slices"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Stats says how well deploys go, in the terms of the DORA reports.
type Stats struct {
	// Deployments that finished, well or badly. Rollbacks are not deployments
	// but answers to one; superseded releases never arrived.
	Deployments int `json:"deployments"`
	// Failed deployments: those that did not become ready and those that were
	// rolled back.
	Failed int `json:"failed"`
	// PerDay is Deployments over the days from the first one until now, at
	// least one day.
	PerDay float64 `json:"perDay"`
	// ChangeFailureRate is Failed over Deployments, 0 to 1.
	ChangeFailureRate float64 `json:"changeFailureRate"`
	// Restored counts failures that a later release put an end to.
	Restored int `json:"restored"`
	// TimeToRestore is the median time from a failed deployment's end to the
	// end of the release that put it right; 0 without any.
	TimeToRestore time.Duration `json:"timeToRestoreNanoseconds"`
}

// Measure computes the figures over the given releases of one environment, in
// any order. Releases that are under way count for nothing.
func Measure(releases []v1alpha1.Release, now time.Time) Stats {
	finished := finishedInOrder(releases)
	var stats Stats
	var first, broken time.Time // broken: since when it has not worked
	var restores []time.Duration
	for i, r := range finished {
		isRollback := r.Spec.Cause == v1alpha1.CauseRollback
		failed := r.Status.Phase == v1alpha1.ReleaseFailed || (!isRollback && rolledBack(finished[i+1:]))
		if !isRollback {
			stats.Deployments++
			if failed {
				stats.Failed++
			}
			if first.IsZero() {
				first = r.Status.FinishedAt.Time
			}
		}
		switch {
		case failed && broken.IsZero():
			broken = r.Status.FinishedAt.Time
		case !failed && !broken.IsZero():
			restores = append(restores, r.Status.FinishedAt.Sub(broken))
			broken = time.Time{}
		}
	}
	if stats.Deployments > 0 {
		stats.ChangeFailureRate = float64(stats.Failed) / float64(stats.Deployments)
		days := max(now.Sub(first).Hours()/24, 1)
		stats.PerDay = float64(stats.Deployments) / days
	}
	stats.Restored, stats.TimeToRestore = len(restores), median(restores)
	return stats
}

// rolledBack says whether what came next was a rollback.
func rolledBack(later []v1alpha1.Release) bool {
	return len(later) > 0 && later[0].Spec.Cause == v1alpha1.CauseRollback
}

func finishedInOrder(releases []v1alpha1.Release) []v1alpha1.Release {
	var finished []v1alpha1.Release
	for _, r := range releases {
		arrived := r.Status.Phase == v1alpha1.ReleaseSucceeded || r.Status.Phase == v1alpha1.ReleaseFailed
		if arrived && r.Status.FinishedAt != nil {
			finished = append(finished, r)
		}
	}
	slices.SortFunc(finished, func(a, b v1alpha1.Release) int { return int(a.Spec.Number) - int(b.Spec.Number) })
	return finished
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	middle := len(d) / 2
	if len(d)%2 == 1 {
		return d[middle]
	}
	return (d[middle-1] + d[middle]) / 2
}
