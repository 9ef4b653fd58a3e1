package chart

import (
	"testing"
	"time"
)

// LimitTime changes how long a chart may take, for one test.
func LimitTime(t *testing.T, d time.Duration) {
	before := limits.Time
	limits.Time = d
	t.Cleanup(func() { limits.Time = before })
}
