package traffictest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// flawed names what is wrong with the router that TestFlawed runs.
const flawed = "LANDFALL_TEST_FLAW"

// mutant is a memory with one flaw.
type mutant struct {
	*memory
	flaw    string
	written traffic.Weight
}

func (m *mutant) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	p, err := m.memory.Prepare(ctx, f)
	switch m.flaw {
	case "preparing moves traffic":
		m.with(func() { m.weight = 50 })
	case "accepts what is not there":
		return traffic.Preparation{Done: true}, nil
	}
	return p, err
}

func (m *mutant) Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error {
	m.written = w
	switch m.flaw {
	case "writes nothing":
		return nil
	case "rounds":
		w = w / 5 * 5
	case "fence ignored":
		f = &Fence{Number: f.Epoch()}
	case "epoch ignored":
		f = &Fence{Number: 1 << 40, Gone: f.Check()}
	case "context ignored":
		ctx = context.WithoutCancel(ctx)
	case "passes zero":
		m.with(func() { m.zero = true })
		time.Sleep(2 * time.Millisecond)
		defer m.with(func() { m.zero = false })
	}
	err := m.memory.Write(ctx, w, f)
	var throttled *traffic.Throttled
	switch {
	case m.flaw == "denied is a failure" && fault.ClassOf(err) == fault.Refused && !errors.Is(err, errFenced):
		return errors.New("failed")
	case m.flaw == "throttled is a failure" && errors.As(err, &throttled):
		return errors.New("failed")
	case m.flaw == "hides errors":
		return nil
	}
	return err
}

func (m *mutant) Read(ctx context.Context) (traffic.State, error) {
	state, err := m.memory.Read(ctx)
	switch {
	case m.flaw == "believes itself" && err == nil:
		state.Instances[0].New, state.Instances[0].Old = int(m.written), int(traffic.All-m.written)
	case m.flaw == "reads garbage" && err != nil && ctx.Err() == nil:
		return traffic.State{Instances: []traffic.Instance{{Name: "here", Old: 100, Settled: true}}}, nil
	}
	return state, err
}

func (m *mutant) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	if m.flaw == "always healthy" {
		return traffic.Health{Known: true, Healthy: true, Reason: "so it is"}, nil
	}
	return m.memory.Health(ctx, side)
}

func (m *mutant) Finish(ctx context.Context, f traffic.Fence) error {
	err := m.memory.Finish(ctx, f)
	if m.flaw == "finishing returns" && err == nil {
		m.with(func() { m.weight = traffic.None })
	}
	return err
}

func (m *mutant) Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error {
	if m.flaw == "drains what has weight" {
		return f.Check()
	}
	return m.memory.Drain(ctx, side, f)
}

func (m *mutant) Counters(ctx context.Context) (map[traffic.Side]traffic.Counters, error) {
	counters, err := m.memory.Counters(ctx)
	if m.flaw == "counts too many" && err == nil {
		c := counters[traffic.New]
		c.Requests += c.Requests / 10
		counters[traffic.New] = c
	}
	return counters, err
}

func (m *mutant) Arm(ctx context.Context, silence time.Duration, f traffic.Fence) error {
	if m.flaw == "watches nobody" {
		return f.Check()
	}
	return m.memory.Arm(ctx, silence, f)
}

// caught says for each flaw which part of the suite must see it.
var caught = map[string]string{
	"preparing moves traffic":   "preparing_moves_no_traffic",
	"accepts what is not there": "unknown_backend",
	"writes nothing":            "every_percent_is_exact",
	"rounds":                    "every_percent_is_exact",
	"passes zero":               "never_both_sides_at_zero",
	"believes itself":           "foreign_change_is_seen_and_overwritten",
	"denied is a failure":       "permission_denied",
	"throttled is a failure":    "throttled",
	"hides errors":              "connection_cut_in_mid-write",
	"reads garbage":             "garbage_is_no_weight",
	"context ignored":           "cancelled",
	"fence ignored":             "fenced",
	"epoch ignored":             "older_epoch",
	"always healthy":            "health",
	"finishing returns":         "finish",
	"one percent too much":      "requests_follow_the_weight",
	"counts too many":           "counts_by_side",
	"drains what has weight":    "drains",
	"pins nobody":               "pinned_requests",
	"watches nobody":            "returns_when_nobody_watches",
}

// TestFlawed runs the suite over the router of the flaw that the environment
// names; only TestFlawsAreCaught starts it.
func TestFlawed(t *testing.T) {
	flaw := os.Getenv(flawed)
	if flaw == "" {
		t.Skip("started by TestFlawsAreCaught")
	}
	Run(t, Harness{Patience: 300 * time.Millisecond, New: func(t *testing.T) *Pair {
		p := newPair(t)
		world := p.Router.(*memory).place
		if flaw == "hides errors" { // and the cut write is lost
			p.Cut = func() { world.with(func() { world.trouble = errors.New("connection reset") }) }
		}
		if flaw == "one percent too much" {
			p.Serve = func(n int) (map[traffic.Side]int, error) {
				world.with(func() { world.weight += 2 })
				defer world.with(func() { world.weight -= 2 })
				return world.serve(n, "")
			}
		}
		if flaw == "pins nobody" {
			p.ServePinned = func(n int, _ traffic.Side) (map[traffic.Side]int, error) { return world.serve(n, "") }
		}
		flaws := func(r traffic.Router) traffic.Router { return &mutant{memory: r.(*memory), flaw: flaw} }
		again, unknown := p.Again, p.Unknown
		p.Router = flaws(p.Router)
		p.Again = func() traffic.Router { return flaws(again()) }
		p.Unknown = func() traffic.Router { return flaws(unknown()) }
		return p
	}})
}

func TestFlawsAreCaught(t *testing.T) {
	for flaw, part := range caught {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFlawed$/^"+part+"$")
			cmd.Env = append(os.Environ(), flawed+"="+flaw)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFlawed/"+part) || strings.Contains(string(out), "panic") {
				t.Errorf("%q passes %q (%v):\n%s", flaw, part, err, out)
			}
		})
	}
}
