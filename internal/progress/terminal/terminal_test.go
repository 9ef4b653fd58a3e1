package terminal

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock moves only when told.
type clock struct{ now time.Time }

func (c *clock) read() time.Time         { return c.now }
func (c *clock) forward(d time.Duration) { c.now = c.now.Add(d) }

func TestPlainSaysWhatIsNewAndNotTooOften(t *testing.T) {
	var out bytes.Buffer
	time0 := &clock{now: time.Unix(1000, 0)}
	r := New(&out, Options{Clock: time0.read})
	push := r.Step("push web")
	push.Count(0, 2_500_000, "bytes")
	time0.forward(3 * time.Second)
	push.Count(1_000_000, 2_500_000, "bytes")
	push.Count(1_500_000, 2_500_000, "bytes")
	time0.forward(9 * time.Second)
	push.Count(1_000_000, 2_500_000, "bytes")
	r.Note("a note")
	push.Done("sha256:%s", "abc")
	push.Done("again")
	broken := r.Step("apply")
	time0.forward(75 * time.Second)
	broken.Fail(errors.New("no"))
	broken.Update("late")
	want := `  push web  1.0 MB of 2.5 MB
· a note
✓ push web  sha256:abc  12s
✗ apply  no  1m15s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestColorsOnlyWhereAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		var out bytes.Buffer
		New(&out, Options{Color: allowed}).Step("x").Done("")
		if got := strings.Contains(out.String(), "\x1b["); got != allowed {
			t.Errorf("colour allowed %v, got %q", allowed, out.String())
		}
	}
}

func TestLiveLeavesALineForEachStepAndIsQuietBetween(t *testing.T) {
	var out lockedBuffer
	r := New(&out, Options{Live: true})
	var steps sync.WaitGroup
	for _, name := range []string{"schema", "web", "worker"} {
		steps.Go(func() {
			s := r.Step(name)
			s.Count(1, 2, "ready")
			time.Sleep(20 * time.Millisecond)
			s.Done("2 ready")
			s.Fail(errors.New("too late"))
		})
	}
	steps.Wait()
	drawn := out.String()
	time.Sleep(150 * time.Millisecond)
	if out.String() != drawn {
		t.Error("it goes on drawing although no step is under way")
	}
	for _, name := range []string{"schema", "web", "worker"} {
		if !strings.Contains(drawn, "✓ "+name+"  2 ready") {
			t.Errorf("no line for %s in %q", name, drawn)
		}
	}
	r.Note("after")
	if got := strings.TrimPrefix(out.String(), drawn); got != "· after\n" {
		t.Errorf("a note with nothing under way is %q", got)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAmount(t *testing.T) {
	tests := map[string]string{
		amount(3, 5, "ready"):                 "3 of 5 ready",
		amount(3, 0, ""):                      "3",
		amount(999, 0, "bytes"):               "999 B",
		amount(1_234_567, 2e9, "bytes"):       "1.2 MB of 2.0 GB",
		shortDuration(400 * time.Millisecond): "0.4s",
		shortDuration(59 * time.Second):       "59s",
		shortDuration(185 * time.Second):      "3m05s",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
