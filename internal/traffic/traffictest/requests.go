package traffictest

import (
	"math"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// requests of a sample: enough that 1 % is told from 2 %.
const requests = 2000

// testDistribution sends real requests.
func testDistribution(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.Serve != nil, "Serve")
	for _, w := range []traffic.Weight{0, 1, 10, 50, 100} {
		r.write(w)
		counts := r.serve(requests)
		if low, high := Bounds(requests, w); counts[traffic.New] < low || counts[traffic.New] > high {
			t.Errorf("at %d %%: %d of %d requests reached the new side, want %d to %d", w, counts[traffic.New], requests, low, high)
		}
	}
}

// Bounds are the counts between which the number of n requests that reach the
// new side lies with a probability of at least 99.9 %, if each goes there by
// itself with w percent.
func Bounds(n int, w traffic.Weight) (low, high int) {
	const tail = 0.0005
	p := float64(w) / float64(traffic.All)
	if p == 0 || p == 1 {
		return int(p) * n, int(p) * n
	}
	low, high = 0, n
	below := 0.0
	for k := range n + 1 {
		probability := math.Exp(logBinomial(n, k, p))
		if below+probability > tail {
			low = k
			break
		}
		below += probability
	}
	above := 0.0
	for k := n; k >= 0; k-- {
		probability := math.Exp(logBinomial(n, k, p))
		if above+probability > tail {
			high = k
			break
		}
		above += probability
	}
	return low, high
}

// logBinomial is the logarithm of the probability of k successes of n.
func logBinomial(n, k int, p float64) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
}

func testCounter(t *testing.T, h Harness) {
	r := h.prepared(t)
	counter, ok := r.Router.(traffic.Counter)
	h.needs(t, ok, "Counter")
	h.needs(t, r.Serve != nil, "Serve")
	r.write(50)
	before, err := counter.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := r.serve(200)
	after, err := counter.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		if got := after[side].Requests - before[side].Requests; got != int64(counts[side]) {
			t.Errorf("%s side: %d requests counted, %d answered", side, got, counts[side])
		}
		if got := after[side].Errors - before[side].Errors; got != 0 {
			t.Errorf("%s side: %d errors counted, there was none", side, got)
		}
	}
}

func testDrainer(t *testing.T, h Harness) {
	r := h.prepared(t)
	drainer, ok := r.Router.(traffic.Drainer)
	h.needs(t, ok, "Drainer")
	r.write(30)
	if err := drainer.Drain(t.Context(), traffic.New, r.fence); err == nil || fault.ClassOf(err) != fault.Refused {
		t.Errorf("draining a side that has weight: %v", err)
	}
	r.write(traffic.None)
	if err := drainer.Drain(t.Context(), traffic.New, &Fence{Gone: errFenced}); err == nil {
		t.Error("a process that was declared dead drains")
	}
	for range 2 {
		if err := drainer.Drain(t.Context(), traffic.New, r.fence); err != nil {
			t.Errorf("Drain: %v", err)
		}
	}
	r.settled(traffic.None)
}

// testPinner asks for each side when the weights say the other.
func testPinner(t *testing.T, h Harness) {
	r := h.prepared(t)
	pinner, ok := r.Router.(traffic.Pinner)
	h.needs(t, ok, "Pinner")
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		if pinner.Pin(side) == "" {
			t.Errorf("it does not say how to ask for the %s side", side)
		}
	}
	h.needs(t, r.ServePinned != nil, "ServePinned")
	for w, side := range map[traffic.Weight]traffic.Side{traffic.None: traffic.New, traffic.All: traffic.Old} {
		r.write(w)
		counts, err := r.ServePinned(20, side)
		if counts := r.counted(20, counts, err); counts[side] != 20 {
			t.Errorf("at %d %%, requests that ask for the %s side: %v", w, side, counts)
		}
	}
}

func testWatched(t *testing.T, h Harness) {
	r := h.prepared(t)
	watched, ok := r.Router.(traffic.Watched)
	h.needs(t, ok, "Watched")
	h.needs(t, r.Silence != nil, "Silence")
	r.write(40)
	const deadMan = traffic.MinDeadMan
	for range 4 {
		r.arm(watched, deadMan)
		r.Silence(deadMan / 3)
		r.settled(40)
	}
	r.Silence(deadMan)
	r.settled(traffic.None)

	r.write(40)
	for _, silence := range []time.Duration{deadMan, 0} {
		r.arm(watched, silence)
	}
	r.Silence(2 * deadMan)
	r.settled(40)
}

// arm tries until it is done, as the executor does: what watches over Landfall
// may need a while to see that it lives.
func (r *run) arm(watched traffic.Watched, silence time.Duration) {
	r.t.Helper()
	deadline := time.Now().Add(r.h.patience())
	for {
		err := watched.Arm(r.t.Context(), silence, r.fence)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("Arm: %v", err)
		}
		r.pass(0)
	}
}
