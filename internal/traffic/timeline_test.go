package traffic

import (
	"bytes"
	"testing"
	"time"

	"gotest.tools/v3/golden"
)

func TestATimelineTellsStepsAndTheWayBack(t *testing.T) {
	d := shop()
	d.Steps = []Step{
		{Weight: 0, Hold: time.Minute, Approval: true},
		{Weight: 5, Hold: 10 * time.Minute},
		{Weight: 50, Hold: 30 * time.Minute, Approval: true},
		{Weight: 100, Hold: time.Hour},
	}
	d.Interval = 5 * time.Second
	d.DeadMan = 30 * time.Second
	d.Guards = []GuardRule{{Name: "errors", Failures: 3}, {Name: "p95", Every: 2 * time.Minute, UnknownFor: -1}}
	router := newSimulated(1)
	router.description = Description{
		Kind: "route53", Place: "zone Z123", Takes: 30 * time.Second, Residual: time.Minute,
		ZeroIsNotNone: "Route 53 uses records of weight 0 when all others are unhealthy",
	}
	var text bytes.Buffer
	if err := Plan(d, router).WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "timeline.txt")
}

func TestATimelineCountsEveryWait(t *testing.T) {
	router := newSimulated(1)
	router.description.Takes, router.description.Residual = time.Second, 10*time.Second
	line := Plan(shop(), router)
	if want := 3 * (5 + 1 + 10) * time.Second; line.Earliest != want {
		t.Errorf("it ends after %s at the earliest, want %s", line.Earliest, want)
	}
	if got := line.Back.Notice[0].Failing; got != 500*time.Millisecond {
		t.Errorf("the guard fails after %s, want its interval", got)
	}
}
