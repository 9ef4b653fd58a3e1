package gather

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/live"
	"github.com/landfall-dev/landfall/internal/logs/livetest"
)

var quick = Options{Timing: live.Timing{
	Answer: 300 * time.Millisecond, Probe: 100 * time.Millisecond, Retry: 20 * time.Millisecond,
	MaxRetry: 100 * time.Millisecond, Status: 50 * time.Millisecond,
}}

var web = map[string]string{v1alpha1.LabelEnvironment: "staging", v1alpha1.LabelComponent: "web"}

// process is one life of what gathers.
type process struct {
	archive  *archive.Archive
	gatherer *Gatherer
	stop     func()
}

func start(t *testing.T, f *livetest.Cluster, dir string) *process {
	t.Helper()
	a, err := archive.Open(dir, archive.Options{FlushAfter: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go a.Run(ctx)
	g := New(a, quick)
	g.Set(ctx, []Environment{{Project: "default", Name: "staging", Namespace: "shop", Config: f.Config()}})
	p := &process{archive: a, gatherer: g, stop: func() { cancel(); g.Wait(); a.Close() }}
	t.Cleanup(p.stop)
	return p
}

func (p *process) texts(t *testing.T) (texts []string) {
	t.Helper()
	r, err := p.archive.Read(t.Context(), logs.Query{Project: "default", Environment: "staging"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		texts = append(texts, string(l.Text))
	}
	return texts
}

func (p *process) wait(t *testing.T, want []string) {
	t.Helper()
	deadline := time.Now().Add(8 * time.Second)
	for !slices.Equal(p.texts(t), want) {
		if time.Now().After(deadline) {
			t.Fatalf("gathered (-want +got):\n%s", cmp.Diff(want, p.texts(t)))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestCrashesLoseAndRepeatNothing takes copies of the archive's files at any
// moment, as a crash would leave them, and goes on from each.
func TestCrashesLoseAndRepeatNothing(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	base := time.Now().Add(-time.Minute)
	dir := t.TempDir()
	p := start(t, f, dir)
	var want []string
	for life := range 12 {
		for i := range 40 {
			n := life*40 + i
			text := fmt.Sprint("line ", n)
			want = append(want, text)
			f.Write("web-1", base.Add(time.Duration(n/4)*37*time.Millisecond), text) // four share a nanosecond
			if i%10 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
		crashed := t.TempDir()
		if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		p.stop()
		dir = crashed
		p = start(t, f, dir)
	}
	p.wait(t, want)
}

func TestOutputOfPodsThatAreGoneStays(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	base := time.Now().Add(-time.Minute)
	f.Write("web-1", base, "first")
	p := start(t, f, t.TempDir())
	p.wait(t, []string{"first"})
	f.Write("web-1", base.Add(1), "last")
	f.End("web-1")
	p.wait(t, []string{"first", "last"})
	f.Remove("web-1")
	f.Run("web-2", "n1", web)
	f.Write("web-2", base.Add(2), "successor")
	p.wait(t, []string{"first", "last", "successor"})
}

func TestInstanceBeforeTheFirstLookIsGathered(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	base := time.Now().Add(-time.Minute)
	f.Write("web-1", base, "why it crashed")
	f.Restart("web-1", 1)
	f.Write("web-1", base.Add(time.Second), "second instance")
	p := start(t, f, t.TempDir())
	p.wait(t, []string{"why it crashed", "container restarted (exit code 1, Error), restart 1", "second instance"})
}

func TestEnvironmentsComeAndGo(t *testing.T) {
	f := livetest.New(t)
	f.Run("web-1", "n1", web)
	base := time.Now().Add(-time.Minute)
	f.Write("web-1", base, "one")
	p := start(t, f, t.TempDir())
	p.wait(t, []string{"one"})
	p.gatherer.Set(t.Context(), nil)
	p.gatherer.Wait()
	f.Write("web-1", base.Add(1), "two")
	if got := p.texts(t); len(got) != 1 {
		t.Errorf("gathered %q of an environment that was let go", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer p.gatherer.Wait()
	defer cancel()
	p.gatherer.Set(ctx, []Environment{{Project: "default", Name: "staging", Namespace: "shop", Config: f.Config()}})
	p.wait(t, []string{"one", "two"})
}
