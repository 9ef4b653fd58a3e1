package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/livetest"
	"k8s.io/apimachinery/pkg/types"
)

var quick = Timing{
	Answer: time.Second, Probe: 100 * time.Millisecond, Retry: 20 * time.Millisecond,
	MaxRetry: 100 * time.Millisecond, Status: 50 * time.Millisecond,
}

var web = map[string]string{v1alpha1.LabelEnvironment: "staging", v1alpha1.LabelComponent: "web"}

// start is a recent time at the beginning of a second.
var start = time.Now().Add(-time.Minute).Truncate(time.Second)

// collected is a sink that tests wait on.
type collected struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (c *collected) Write(lines []logs.Line) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range lines {
		l := &lines[i]
		text := string(l.Text)
		if l.Mark != "" {
			text = string(l.Mark) + ": " + text
		}
		c.lines = append(c.lines, text)
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
	return nil
}
func (c *collected) Flush() error    { return nil }
func (c *collected) CaughtUp() error { return nil }

func (c *collected) have() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// wait waits until the lines are as wanted.
func (c *collected) wait(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(8 * time.Second)
	for !slices.Equal(c.have(), want) {
		select {
		case <-c.more:
		case <-deadline:
			t.Fatalf("lines (-want +got):\n%s", cmp.Diff(want, c.have()))
		}
	}
}

// waitUnordered waits until the lines are as wanted, in any order: remarks
// have the time of their making, which the fake's lines do not have.
func (c *collected) waitUnordered(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	deadline := time.Now().Add(8 * time.Second)
	for {
		got := c.have()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("lines (-want +got):\n%s", cmp.Diff(want, got))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// waitFor waits for one line.
func (c *collected) waitFor(t *testing.T, line string) {
	t.Helper()
	deadline := time.Now().Add(8 * time.Second)
	for !slices.Contains(c.have(), line) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in %q", line, c.have())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func newClient(t *testing.T, f *livetest.Cluster) *Client {
	t.Helper()
	c, err := New(f.Config(), quick)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// follow follows the fake cluster until the test ends.
func follow(t *testing.T, f *livetest.Cluster, opts Options) *collected {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	opts.Namespace, opts.Follow = "shop", true
	session, err := newClient(t, f).Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	m := logs.NewMerger(logs.MergeOptions{Window: 10 * time.Millisecond, Patience: 300 * time.Millisecond})
	for _, s := range session.Initial {
		m.Add("pod "+s.Origin.Pod, s)
	}
	sink := &collected{more: make(chan struct{}, 1)}
	var done sync.WaitGroup
	done.Go(func() { session.Run(ctx, func(s Stream) { m.Add("pod "+s.Origin.Pod, s) }) })
	done.Go(func() { m.Run(ctx, sink) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return sink
}

func TestOnceReadsAllContainersInOrder(t *testing.T) {
	f := livetest.New(t)
	for pod := range 60 { // more than any cap on streams
		f.Run(fmt.Sprint("web-", pod), "n1", web)
	}
	var want []string
	for i := range 240 {
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		f.Write(fmt.Sprint("web-", i%60), start.Add(time.Duration(i)*time.Millisecond), text)
	}
	session, err := newClient(t, f).Open(t.Context(), Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	m := logs.NewMerger(logs.MergeOptions{})
	for _, s := range session.Initial {
		m.Add("pod "+s.Origin.Pod, s)
		if got := s.Origin.String(); !strings.HasPrefix(got, "web/") {
			t.Errorf("origin %s", got)
		}
	}
	m.Close()
	sink := &collected{}
	if err := m.Run(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, sink.lines); diff != "" {
		t.Error(diff)
	}
}

func TestOnceGoesOnWithoutDeadNode(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Run("web-2", "n2", web)
	f.Write("web-1", start, "alive")
	f.Write("web-2", start, "unheard")
	f.Do(func() { f.Dead["n2"] = true })
	session, err := newClient(t, f).Open(t.Context(), Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	m := logs.NewMerger(logs.MergeOptions{})
	for _, s := range session.Initial {
		m.Add("pod "+s.Origin.Pod, s)
	}
	m.Close()
	sink := &collected{}
	began := time.Now()
	err = m.Run(t.Context(), sink)
	if err == nil || !strings.Contains(err.Error(), "node n2 does not answer: no answer in time") {
		t.Errorf("error %v does not name the node", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	want := []string{"alive", "stalled: cannot be read: node n2 does not answer: no answer in time"}
	if diff := cmp.Diff(want, sink.lines); diff != "" {
		t.Error(diff)
	}
}

func TestFollowResumesBrokenStreams(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "line 0")
	f.Do(func() { f.CutAt = 100 }) // every third line or so
	sink := follow(t, f, Options{})
	want := []string{"line 0"}
	for i := 1; i < 60; i++ {
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		f.Write("web-1", start.Add(time.Duration(i/5)*300*time.Millisecond), text) // five share a nanosecond
		if i%7 == 0 {
			time.Sleep(3 * time.Millisecond)
		}
	}
	sink.wait(t, want...)
}

func TestFollowMarksRestartAndLosesNothing(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "one")
	sink := follow(t, f, Options{})
	sink.wait(t, "one")
	f.Write("web-1", start.Add(1), "last words")
	f.Restart("web-1", 3)
	f.Write("web-1", start.Add(2), "two")
	sink.waitUnordered(t, "one", "last words", "two", "restart: container restarted (exit code 3, Error), restart 1")
}

func TestFollowSaysWhenInstancesWereMissed(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "one")
	sink := follow(t, f, Options{})
	sink.wait(t, "one")
	f.Do(func() { f.Dead["n1"], f.CutAt = true, 1 })
	f.Write("web-1", start.Add(1), "two")
	f.Restart("web-1", 1)
	f.Write("web-1", start.Add(2), "unheard")
	f.Restart("web-1", 1)
	f.Write("web-1", start.Add(3), "previous")
	f.Restart("web-1", 1)
	f.Write("web-1", start.Add(4), "current")
	f.Do(func() { f.Dead["n1"], f.CutAt = false, 0 })
	deadline := time.Now().Add(5 * time.Second)
	for !slices.Contains(sink.have(), "current") && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	got := sink.have()
	if slices.Contains(got, "unheard") || !slices.Contains(got, "previous") || !slices.Contains(got, "current") {
		t.Errorf("got %q", got)
	}
	if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "gap: restarted ") }) {
		t.Errorf("no gap is marked in %q", got)
	}
}

func TestFollowPodsComeAndGo(t *testing.T) {
	f := livetest.New(t)
	sink := follow(t, f, Options{})
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "hello")
	sink.wait(t, "hello")
	f.Write("web-1", start.Add(1), "goodbye")
	f.End("web-1")
	sink.wait(t, "hello", "goodbye")
	f.Remove("web-1")
	f.Run("web-2", "n1", web)
	f.Write("web-2", start.Add(2), "successor")
	sink.wait(t, "hello", "goodbye", "successor")
}

func TestFollowMarksRotation(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "one")
	f.Do(func() { f.Refuse["n1"] = true })
	sink := follow(t, f, Options{})
	sink.wait(t, "stalled: node n1 does not answer: Get https://n:10250: dial tcp: connection refused; trying again")
	f.Do(func() { delete(f.Refuse, "n1") })
	sink.waitUnordered(t, "one",
		"stalled: node n1 does not answer: Get https://n:10250: dial tcp: connection refused; trying again",
		"resumed: node n1 answers again")
	f.Do(func() { f.CutAt = 1 })
	f.Write("web-1", start.Add(time.Second), "lost in rotation")
	f.Rotate("web-1")
	f.Write("web-1", start.Add(2*time.Second), "two")
	f.Do(func() { f.CutAt = 0 })
	deadline := time.Now().Add(5 * time.Second)
	for !slices.Contains(sink.have(), "two") && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if got := sink.have(); !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "gap: lines may be missing") }) && !slices.Contains(got, "lost in rotation") {
		t.Errorf("neither the line nor a gap in %q", got)
	}
}

func TestFollowHealsStreamThatFellSilent(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Write("web-1", start, "one")
	sink := follow(t, f, Options{})
	sink.wait(t, "one")
	f.Do(func() { f.Frozen = true })
	f.Write("web-1", start.Add(time.Second), "two")
	sink.wait(t, "one", "two") // over a new request: the stream brings nothing
}

func TestFollowOneDeadNodeDoesNotHoldTheRest(t *testing.T) {
	f := livetest.New(t)
	f.Do(func() { f.Dead["n2"] = true })
	f.Run("web-1", "n1", web)
	for i := range 20 {
		f.Run(fmt.Sprint("dead-", i), "n2", web)
	}
	sink := follow(t, f, Options{})
	f.Write("web-1", time.Now(), "alive")
	stalled := "stalled: node n2 does not answer: no answer in time; trying again"
	sink.waitFor(t, "alive")
	sink.waitFor(t, stalled)
	f.Do(func() { delete(f.Dead, "n2") })
	f.Write("dead-7", time.Now(), "back")
	sink.waitFor(t, "back")
	count := 0
	for _, l := range sink.have() {
		if l == stalled {
			count++
		}
	}
	if count != 1 {
		t.Errorf("the node's trouble was told %d times", count)
	}
}

func TestFromGoesOnAtPosition(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	var position logs.Position
	for i := range 9 {
		at := start.Add(time.Duration(i/3) * 10)
		f.Write("web-1", at, fmt.Sprint(i))
		if i < 5 {
			position.Note(at.UnixNano())
		}
	}
	f.Restart("web-1", 1)
	f.Write("web-1", start.Add(time.Second), "new instance")
	sink := follow(t, f, Options{From: func(types.UID, string) (int32, logs.Position, bool) { return 0, position, true }})
	sink.waitUnordered(t, "5", "6", "7", "8", "new instance", "restart: container restarted (exit code 1, Error), restart 1")
}

func TestFollowSaysOnceThatTheNodeLostALog(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	f.Do(func() { f.Lost = true })
	sink := follow(t, f, Options{})
	said := "gap: the node says: unable to retrieve container logs for containerd://0815"
	sink.wait(t, said)
	time.Sleep(5 * quick.Status) // it is asked again and again
	f.Do(func() { f.Lost = false })
	f.Write("web-1", start, "back")
	sink.waitUnordered(t, said, "back")
}
