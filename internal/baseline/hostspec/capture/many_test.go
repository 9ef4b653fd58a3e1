package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/progress"
)

// counted is a target that answers, or fails, and counts how many are under way.
type counted struct {
	name      string
	fails     bool
	now, most *atomic.Int64
}

func (c counted) Name() string   { return c.name }
func (c counted) Compress() bool { return false }
func (c counted) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	time.Sleep(10 * time.Millisecond)
	if c.fails {
		return errors.New("it is down")
	}
	return saying(func(_ context.Context, nonce string, w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s plain\n\n%s user 0 root\x00\n%s host %s\x00\n%s done\x00", nonce, nonce, nonce, c.name, nonce)
		return err
	}).Run(ctx, script, stdout)
}

func crowdOf(n int, now, most *atomic.Int64) []target.Target {
	var targets []target.Target
	for i := range n {
		targets = append(targets, counted{name: fmt.Sprintf("web%d", i), fails: i%5 == 3, now: now, most: most})
	}
	return targets
}

func TestManyTargetsSomeOfThemDown(t *testing.T) {
	var now, most atomic.Int64
	targets := crowdOf(20, &now, &most)
	seen, salts := map[int]bool{}, map[string]bool{}
	err := Many(t.Context(), targets, 4, Options{Kinds: []hostspec.Kind{hostspec.OS}}, progress.Discard, func(i int, spec *hostspec.Spec, err error) error {
		if seen[i] {
			t.Errorf("%d came twice", i)
		}
		seen[i] = true
		if fails := i%5 == 3; fails != (err != nil) {
			t.Errorf("%d: %v", i, err)
		}
		if err == nil {
			salts[spec.Salt] = true
			if spec.Host != targets[i].Name() {
				t.Errorf("%d is %s", i, spec.Host)
			}
		} else if !strings.Contains(err.Error(), "capturing "+targets[i].Name()+": it is down") {
			t.Error(err)
		}
		return nil
	})
	if err != nil || len(seen) != 20 || len(salts) != 1 {
		t.Errorf("%v, %d seen, %d salts", err, len(seen), len(salts))
	}
	if most.Load() > 4 || most.Load() < 2 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestManyStopsWhenTold(t *testing.T) {
	var now, most atomic.Int64
	full := errors.New("the disk is full")
	calls := 0
	err := Many(t.Context(), crowdOf(50, &now, &most), 2, Options{}, progress.Discard, func(int, *hostspec.Spec, error) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls > 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = Many(ctx, crowdOf(5, &now, &most), 2, Options{}, progress.Discard, func(int, *hostspec.Spec, error) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestABrokenSourceTakesOnlyItsOwnKinds(t *testing.T) {
	sources := []Source{
		{Name: "broken", Kinds: []hostspec.Kind{hostspec.Sysctl}, Parse: func(_ *Input, out *Builder) {
			out.Value(hostspec.Sysctl, "half", hostspec.Int(1))
			panic("index out of range")
		}},
		{Name: "whole", Kinds: []hostspec.Kind{hostspec.OS}, Parse: func(_ *Input, out *Builder) { out.Value(hostspec.OS, "id", hostspec.Text("debian")) }},
	}
	spec := assemble(&Input{}, sources, Options{})
	if got := items(spec); len(got) != 1 || got[0] != "os/id: value=debian" {
		t.Errorf("%q", got)
	}
	if want := "source broken could not read it: index out of range"; spec.Unknown[hostspec.Sysctl] != want {
		t.Errorf("%q", spec.Unknown)
	}
}

// The sources must be fit for the script, which quotes nothing but commands.
func TestSourcesAreWellFormed(t *testing.T) {
	names, kinds := map[string]bool{}, map[hostspec.Kind]bool{}
	for _, source := range Sources() {
		if names[source.Name] || strings.ContainsAny(source.Name, " /'") || source.Parse == nil || len(source.Kinds) == 0 {
			t.Errorf("source %q: its name is taken or unfit, or it is not complete", source.Name)
		}
		names[source.Name] = true
		for _, kind := range source.Kinds {
			kinds[kind] = true
		}
		for _, glob := range append(source.Files, source.ImageFiles...) {
			if !strings.HasPrefix(glob, "/") || strings.Trim(glob, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-*?[]+@") != "" {
				t.Errorf("source %s: glob %q", source.Name, glob)
			}
		}
	}
	for _, kind := range hostspec.Kinds {
		if !kinds[kind] {
			t.Errorf("no source says that it fills %s", kind)
		}
	}
	for name := range firstHalf {
		if !names[name] {
			t.Errorf("firstHalf names %s, which is no source", name)
		}
	}
}
