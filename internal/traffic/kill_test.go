package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

const killFolder = "LANDFALL_TRAFFIC_KILL_FOLDER"

// fileRouter keeps the weight of each of its instances in a file, and writes one
// after the other, so that a death finds them apart.
type fileRouter struct {
	Router
	folder string
}

const fileInstances = 3

func (r fileRouter) path(i int) string { return filepath.Join(r.folder, fmt.Sprintf("instance-%d", i)) }

func (r fileRouter) Describe() Description { return Description{Kind: "file", Place: r.folder} }

func (r fileRouter) Prepare(context.Context, Fence) (Preparation, error) {
	return Preparation{Done: true}, nil
}

func (r fileRouter) Health(context.Context, Side) (Health, error) { return Health{}, nil }

func (r fileRouter) weight(i int) (Weight, error) {
	text, err := os.ReadFile(r.path(i))
	if errors.Is(err, os.ErrNotExist) {
		return None, nil
	}
	if err != nil {
		return None, err
	}
	w, err := strconv.Atoi(string(text))
	return Weight(w), err
}

func (r fileRouter) Read(context.Context) (State, error) {
	var state State
	for i := range fileInstances {
		w, err := r.weight(i)
		state.Instances = append(state.Instances, Instance{Name: fmt.Sprint(i), Old: int(All - w), New: int(w), Settled: true, Err: err})
	}
	return state, nil
}

func (r fileRouter) Write(ctx context.Context, w Weight, f Fence) error {
	for i := range fileInstances {
		if err := errors.Join(f.Check(), ctx.Err()); err != nil {
			return err
		}
		temporary := fmt.Sprintf("%s.%d", r.path(i), os.Getpid())
		if err := os.WriteFile(temporary, []byte(strconv.Itoa(int(w))), 0o600); err != nil {
			return err
		}
		if err := os.Rename(temporary, r.path(i)); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func (r fileRouter) bad() string { return filepath.Join(r.folder, "bad") }

// fileGuard fails once a file is there.
type fileGuard struct{ path string }

func (g fileGuard) Rule() GuardRule { return GuardRule{Name: "file"} }

func (g fileGuard) Read(context.Context, time.Time) Reading {
	if _, err := os.Stat(g.path); err == nil {
		return Reading{Answer: result.Fails, Reason: "the file is there"}
	}
	return Reading{Answer: result.Holds}
}

func killDefinition() Definition {
	d := shop()
	d.Steps = nil
	for w := Weight(10); w <= All; w += 10 {
		d.Steps = append(d.Steps, Step{Weight: w, Hold: 150 * time.Millisecond})
	}
	d.Guards, d.Interval = []GuardRule{{Name: "file"}}, MinInterval
	return d
}

// TestKilledProcess is what is killed; alone it does nothing.
func TestKilledProcess(t *testing.T) {
	folder := os.Getenv(killFolder)
	if folder == "" {
		t.Skip("run by TestAProcessKilledAnywhere")
	}
	journal, err := OpenFileJournal(filepath.Join(folder, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	router := fileRouter{folder: folder}
	executor := &Executor{
		Definition: killDefinition(), Router: router, Guards: []Guard{fileGuard{router.bad()}}, Journal: journal,
		Until: func(p Progress) bool { return p.ended() },
	}
	if _, err := executor.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAProcessKilledAnywhere kills a process that works on a migration, again
// and again at any moment, and lets another take over.
func TestAProcessKilledAnywhere(t *testing.T) {
	tests := []struct {
		name string
		// turn is what happens once half of the kills are done.
		turn func(t *testing.T, router fileRouter, journal *FileJournal)
		want Phase
	}{
		{"and nothing else goes wrong", func(*testing.T, fileRouter, *FileJournal) {}, Completed},
		{"and a guard fails", func(t *testing.T, router fileRouter, _ *FileJournal) {
			if err := os.WriteFile(router.bad(), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, Reverted},
		{"and a person aborts", func(t *testing.T, _ fileRouter, journal *FileJournal) {
			if err := journal.Say(Word{Verb: SayAbort, By: "ada"}); err != nil {
				t.Fatal(err)
			}
		}, Reverted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			router := fileRouter{folder: t.TempDir()}
			journal, err := OpenFileJournal(filepath.Join(router.folder, "journal"))
			if err != nil {
				t.Fatal(err)
			}
			const kills = 20
			turned := Weight(-1)
			for i := range kills {
				if i == kills/2 {
					tt.turn(t, router, journal)
					turned = highestOf(t, router)
					t.Logf("half of the kills are done at %d %%", turned)
				}
				killSoon(t, router.folder)
				checkAfterDeath(t, router, journal)
				// What was raised before a reading or a word came is one step.
				if now := highestOf(t, router); tt.want == Reverted && turned >= 0 && now > turned+10 {
					t.Fatalf("from %d %% it was raised to %d %% after that", turned, now)
				}
			}
			if output, err := killed(t, router.folder).CombinedOutput(); err != nil {
				t.Fatalf("the last process: %v\n%s", err, output)
			}
			p, err := journal.Load(t.Context())
			if err != nil || p.Phase != tt.want {
				t.Errorf("it ends %s (%s), want %s: %v", p.Phase, p.Cause, tt.want, err)
			}
			want := map[Phase]Weight{Completed: All, Reverted: None}[tt.want]
			if got := highestOf(t, router); got != want {
				t.Errorf("it ends with %d %%, want %d %%", got, want)
			}
		})
	}
}

// checkAfterDeath: no instance has more than the journal says.
func checkAfterDeath(t *testing.T, router fileRouter, journal *FileJournal) {
	t.Helper()
	p, err := journal.Load(t.Context())
	if err != nil {
		t.Fatalf("a death left a journal that cannot be read: %v", err)
	}
	if highest := highestOf(t, router); highest > p.Wanted {
		t.Fatalf("an instance has %d %%, and the journal knows of %d %%", highest, p.Wanted)
	}
}

func highestOf(t *testing.T, router fileRouter) Weight {
	t.Helper()
	highest := None
	for i := range fileInstances {
		w, err := router.weight(i)
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, w)
	}
	return highest
}

func killed(t *testing.T, folder string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killFolder+"="+folder)
	return cmd
}

// killSoon starts a process and kills it -9 at a random moment, once it is at
// work.
func killSoon(t *testing.T, folder string) {
	t.Helper()
	cmd := killed(t, folder)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20*time.Millisecond + rand.N(350*time.Millisecond))
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process: %v\n%s", err, output.String())
	}
}

// TestAProcessThatWasStoppedCannotWrite stops a process in the middle, lets
// another one complete the migration, and lets the first go on in a world in
// which its guard fails.
func TestAProcessThatWasStoppedCannotWrite(t *testing.T) {
	t.Parallel()
	router := fileRouter{folder: t.TempDir()}
	old := killed(t, router.folder)
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	for highestOf(t, router) < 20 {
		time.Sleep(10 * time.Millisecond)
	}
	signal := func(s syscall.Signal) {
		if err := old.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	stopped := time.Now()
	if output, err := killed(t, router.folder).CombinedOutput(); err != nil {
		t.Fatalf("the process that took over: %v\n%s", err, output)
	}
	if err := os.WriteFile(router.bad(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(absentAfter + time.Second - time.Since(stopped))
	signal(syscall.SIGCONT)
	if err := old.Wait(); err == nil {
		t.Error("the process that was stopped ended well: it has not seen that it was taken over")
	}
	if highest := highestOf(t, router); highest != All {
		t.Errorf("it wrote %d %% over the other's 100 %%", highest)
	}
}
