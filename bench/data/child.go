package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/engines"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Each copy is a process of its own, as other tools are, so that its time has
// the start of the program in it and its work can be told from the servers'.
const (
	childFrom = "LANDFALL_BENCH_FROM"
	childTo   = "LANDFALL_BENCH_TO"
	childMode = "LANDFALL_BENCH_MODE"
	childMask = "LANDFALL_BENCH_MASK"
	// childReadBy is how a Redis is read; "" leaves it to the plan.
	childReadBy = "LANDFALL_BENCH_READ_BY"
	// childProfile is where the process writes its profile of CPU time.
	childProfile = "LANDFALL_BENCH_PROFILE"
)

// profiles is the folder for the profiles of copies, "" for none.
var profiles string

// init is the whole program of such a process.
func init() {
	if os.Getenv(childFrom) == "" {
		return
	}
	stop, err := startProfile(os.Getenv(childProfile))
	if err == nil {
		err = childCopy(context.Background())
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "copying:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

// startProfile begins a profile of CPU time in a file, where one is named.
func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return pprof.StopCPUProfile, pprof.StartCPUProfile(file)
}

func childCopy(ctx context.Context) error {
	from, err := datacopy.ParseAddress(os.Getenv(childFrom))
	if err != nil {
		return err
	}
	to, err := datacopy.ParseAddress(os.Getenv(childTo))
	if err != nil {
		return err
	}
	engine, err := engines.For(from.Kind())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "landfall-bench-journal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	journal, err := datacopy.OpenJournal(filepath.Join(dir, "journal"))
	if err != nil {
		return err
	}
	defer journal.Close()
	req := datacopy.Request{From: from, To: to, Mode: datacopy.Mode(os.Getenv(childMode))}
	if way := os.Getenv(childReadBy); way != "" {
		req.Options = map[string]string{"read-by": way}
	}
	if req.Mask, err = childMasking(from.Kind()); err != nil {
		return err
	}
	plan, err := engine.Plan(ctx, req)
	if err != nil {
		return err
	}
	if err := journal.Begin(plan); err != nil {
		return err
	}
	defer func() { fmt.Println(mostMemory()) }()
	if from.Kind() != datacopy.MySQL {
		_, err = engine.Copy(ctx, req, plan, journal, progress.Discard)
		return err
	}
	// The bars of MySQL are those of a verified copy.
	_, report, err := datacopy.Prove(ctx, engine, req, plan, journal, progress.Discard, func() {})
	if err != nil {
		return err
	}
	return report.Err()
}

// mostMemory is the most that this process held, in KiB. What the system tells
// its parent counts the parent's own from before the program began.
func mostMemory() (kib int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

// childMasking gives the mask of the rules in the environment, nil without.
func childMasking(kind datacopy.Kind) (datacopy.Mask, error) {
	text := os.Getenv(childMask)
	if text == "" {
		return nil, nil
	}
	rules, err := mask.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	key, err := mask.NewKey([]byte("the key of the benchmark"))
	if err != nil {
		return nil, err
	}
	return rules.For("store", kind, key)
}

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	// servers is what the servers took of the processor meanwhile, each what
	// every one of them did.
	servers time.Duration
	each    []time.Duration
	// memory is the most it held, in bytes; 0 of other tools.
	memory int64
	// printed is what it wrote.
	printed string
}

// landfallCopy copies with Landfall.
func landfallCopy(ctx context.Context, from, to string, mode datacopy.Mode, servers ...*os.Process) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childFrom+"="+from, childTo+"="+to, childMode+"="+string(mode))
	if profiles != "" {
		cmd.Env = append(cmd.Env, childProfile+"="+filepath.Join(profiles, fmt.Sprintf("%s-%d.pprof", mode, time.Now().UnixMilli())))
	}
	took, err := measured(cmd, servers...)
	_, _ = fmt.Sscan(took.printed, &took.memory)
	took.memory <<= 10
	return took, err
}

// measured runs a command and says what it took, and what it cost servers.
func measured(cmd *exec.Cmd, servers ...*os.Process) (usage, error) {
	before := make([]time.Duration, len(servers))
	for i, server := range servers {
		before[i] = cpuOf(server)
	}
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := usage{wall: time.Since(began), printed: string(out)}
	for i, server := range servers {
		took.each = append(took.each, cpuOf(server)-before[i])
		took.servers += took.each[i]
	}
	if err != nil {
		return took, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, out)
	}
	took.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return took, nil
}
