package transfer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// envKill tells the test program that it is the child of TestKilledAtEveryStep:
// corpus, step and count at which it kills itself.
const envKill = "LANDFALL_TEST_TRANSFER_KILL"

// TestKilledAtEveryStep has a child process transfer the corpus that is killed
// in each step, early and late, and then one that is not: nothing is missing,
// nothing is there twice, nothing differs.
func TestKilledAtEveryStep(t *testing.T) {
	if os.Getenv(envKill) != "" {
		t.Skip("is the child")
	}
	p := newPair(t)
	for _, moment := range []string{
		"reading blue:0", "comparing with green:0", "namespaces and kinds:0", "namespaces and kinds:1", "namespaces and kinds:1",
		"checking before anything is written:20", "objects:1", "objects:7", "objects:12", "objects:19", "owners:0",
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTransferUntilKilled$", "-test.v")
		child.Env = append(os.Environ(), envKill+"="+p.name+":"+moment)
		output, err := child.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: the child was not killed there: %v\n%s", moment, err, output)
		}
	}
	if result, err := p.plan(Options{}).Execute(t.Context(), Execution{}, progress.Discard); err != nil {
		t.Fatalf("%v\n%+v", err, result)
	}
	p.done()
	p.owners()
}

// TestTransferUntilKilled is the child.
func TestTransferUntilKilled(t *testing.T) {
	name, moment, ok := strings.Cut(os.Getenv(envKill), ":")
	if !ok {
		t.Skip("is run by TestKilledAtEveryStep")
	}
	step, count, _ := strings.Cut(moment, ":")
	at, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{t: t, name: name, from: connect(t, "blue", kubetest.Config(t)), to: connect(t, "green", kubetest.SecondConfig(t))}
	plan, err := Make(t.Context(), p.from, p.to, p.only(), Options{}, killer{step, at})
	if err != nil {
		t.Fatal(err)
	}
	_, err = plan.Execute(t.Context(), Execution{}, killer{step, at})
	fmt.Println("it came to its end:", err)
}

// killer is a Reporter that kills the process when a step has counted so far.
type killer struct {
	step string
	at   int64
}

func (k killer) Note(string, ...any) {}

func (k killer) Step(name string) progress.Step {
	if name == k.step && k.at == 0 {
		k.kill()
	}
	return killerStep{progress.Discard.Step(name), k, name == k.step}
}

func (k killer) kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until it is felt
}

type killerStep struct {
	progress.Step
	killer killer
	meant  bool
}

func (s killerStep) Count(done, _ int64, _ string) {
	if s.meant && done == s.killer.at {
		s.killer.kill()
	}
}
