package traffic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// chaos is a world in which anything happens: it draws from a source of chance,
// does what Next says, and watches that no rule is broken.
type chaos struct {
	*rand.Rand
	t       *testing.T
	d       Definition
	p       Progress
	journal Progress
	world   World
	now     time.Time

	weights []Weight
	said    int64
	log     []string
}

// newChaos draws a definition.
func newChaos(t *testing.T, seed1, seed2 uint64) *chaos {
	c := &chaos{Rand: rand.New(rand.NewPCG(seed1, seed2)), t: t, now: storyBegins}
	c.d = storyShop()
	c.d.Steps = nil
	for w := Weight(c.IntN(30)); w < All; w += Weight(1 + c.IntN(60)) {
		c.d.Steps = append(c.d.Steps, Step{Weight: w, Hold: time.Duration(c.IntN(20)) * time.Second, Approval: c.IntN(4) == 0})
	}
	c.d.Steps = append(c.d.Steps, Step{Weight: All, Hold: time.Duration(c.IntN(20)) * time.Second})
	c.d.OnFailure = []OnFailure{Revert, Pause}[c.IntN(2)]
	c.d.OnForeignChange = []OnForeignChange{Restore, PauseThere}[c.IntN(2)]
	c.d.DeadMan = []time.Duration{0, 30 * time.Second}[c.IntN(2)]
	c.world = World{Health: map[Side]Health{}, Drains: c.IntN(2) == 0}
	c.world.Router.Residual = time.Duration(c.IntN(2)*c.IntN(15)) * time.Second
	c.weights = make([]Weight, 1+c.IntN(3))
	if err := c.d.Validate(); err != nil {
		t.Fatalf("a drawn definition is not valid: %v", err)
	}
	return c
}

// happen lets something happen between two looks.
func (c *chaos) happen() {
	c.now = c.now.Add(time.Duration(c.IntN(6000)) * time.Millisecond)
	switch c.IntN(60) {
	case 0:
		c.now = c.now.Add(time.Duration(c.IntN(7200)-3600) * time.Second)
	case 1:
		c.p = c.journal.TakeOver() // killed; what was not saved is lost
		c.world.Preparation, c.world.Drained = nil, false
	case 2:
		c.weights[c.IntN(len(c.weights))] = Weight(c.IntN(101))
	case 3, 4, 5, 6, 7, 8:
		verbs := []Verb{SayPause, SayResume, SayResume, SayResume, SayResume, SayApprove, SayApprove, SayApprove, SayFinish, "nonsense"}
		c.say(verbs[c.IntN(len(verbs))])
	}
	c.look()
	c.world.Readings = nil
	for _, rule := range c.d.Guards {
		if c.p.asks(rule) && c.IntN(5) > 0 {
			answer := result.Holds
			if bad := c.IntN(60); bad < 2 {
				answer = []result.Answer{result.Fails, result.Unknown}[bad]
			}
			c.world.Readings = append(c.world.Readings, Reading{Guard: rule.Name, At: c.now, Answer: answer})
		}
	}
	c.world.Armed = c.IntN(8) > 0
	c.world.Health[New] = Health{Known: true, Healthy: c.IntN(10) > 0}
	c.world.Health[Old] = Health{Known: true, Healthy: c.IntN(2) > 0}
}

func (c *chaos) say(verb Verb) {
	c.said++
	c.world.Words = append(c.world.Words, Word{Serial: c.said, Verb: verb, Step: c.p.Step})
}

// look reads the weights, or garbage, or nothing.
func (c *chaos) look() {
	c.world.Weights, c.world.WeightsErr = &State{}, nil
	for i, w := range c.weights {
		read := Instance{Name: fmt.Sprint(i), Old: int(All - w), New: int(w), Settled: c.IntN(6) > 0, Residual: c.IntN(3) - 1}
		switch c.IntN(25) {
		case 0:
			read = Instance{Name: fmt.Sprint(i), Err: errors.New("connection refused")}
		case 1:
			read.Old, read.New = -c.IntN(300), c.IntN(2)*-5
		}
		c.world.Weights.Instances = append(c.world.Weights.Instances, read)
	}
	switch c.IntN(25) {
	case 0:
		c.world.Weights, c.world.WeightsErr = nil, errors.New("half an answer")
	case 1:
		c.world.Weights = &State{}
	}
}

// turn asks Next and does what it says.
func (c *chaos) turn() {
	c.world.Now = c.now
	before := c.p
	next, decision := Next(c.d, before, c.world)
	c.log = append(c.log, fmt.Sprintf("%s %-9s step %d %v %s %d %s", c.now.Format("15:04:05.000"), next.Phase, next.Step+1, c.weights, decision.Action, decision.Weight, decision.Reason))
	c.check(before, next, decision)
	c.p = next
	if decision.Raise || c.IntN(2) == 0 {
		c.journal = next
	}
	if decision.Raise && c.IntN(4) == 0 {
		c.p = c.journal.TakeOver() // killed between journal and write
		return
	}
	switch decision.Action {
	case DoPrepare:
		c.world.Preparation, c.world.PreparedAt = &Preparation{Done: c.IntN(3) > 0}, c.now
	case DoWrite:
		c.write(decision.Weight)
	case DoDrain:
		c.world.Drained = true
	case DoFinish:
		c.world.LetGo = c.IntN(3) > 0
	}
}

// write reaches some of the instances.
func (c *chaos) write(weight Weight) {
	c.world.WriteErr, c.world.Drained = nil, false
	for i := range c.weights {
		if c.IntN(6) == 0 {
			c.world.WriteErr = errors.New("connection reset")
			continue
		}
		c.weights[i] = weight
	}
}

// check holds a decision against the rules.
func (c *chaos) check(before, next Progress, decision Decision) {
	fail := func(format string, args ...any) {
		for _, line := range c.log[max(0, len(c.log)-15):] {
			c.t.Log(line)
		}
		c.t.Fatalf(format, args...)
	}
	if next.Step < len(c.d.Steps) && next.Wanted > c.d.Steps[next.Step].Weight {
		fail("%d %% is wanted at step %d, which has %d %%", next.Wanted, next.Step+1, c.d.Steps[next.Step].Weight)
	}
	if next.Wanted > before.Wanted && (next.Step > before.Step+1 || !decision.Raise) {
		fail("from step %d (%d %%) to step %d (%d %%) at once, raise %t", before.Step+1, before.Wanted, next.Step+1, next.Wanted, decision.Raise)
	}
	if decision.Action != DoWrite {
		return
	}
	if decision.Weight != next.Wanted {
		fail("%d %% is written, %d %% is in the journal", decision.Weight, next.Wanted)
	}
	higher := false
	for _, w := range c.weights {
		higher = higher || decision.Weight > w
	}
	if higher && !decision.Raise {
		fail("a raise is not said to be one")
	}
	if decision.Raise {
		c.checkRaise(before, next, fail)
	}
}

// checkRaise: what must be so before any weight goes up.
func (c *chaos) checkRaise(before, next Progress, fail func(string, ...any)) {
	for _, rule := range c.d.Guards {
		if rule.Idle && before.Wanted == None {
			continue
		}
		last := next.Guards[rule.Name].Last
		if age := c.now.Sub(last.At); last.Answer != result.Holds || age > c.d.readingLasts(rule) || age < -15*time.Second {
			fail("raised while guard %s is %v, read %s ago", rule.Name, last.Answer, age)
		}
	}
	switch {
	case before.Phase == Paused && before.HeardWords == next.HeardWords:
		fail("raised while paused")
	case before.Phase == Reverting, before.Phase == Reverted:
		fail("raised while %s", before.Phase)
	case c.d.DeadMan > 0 && !c.world.Armed:
		fail("raised without the dead man")
	case !c.world.Health[New].Healthy:
		fail("raised while the new side is unhealthy")
	case next.Step > before.Step && before.Step < len(c.d.Steps) && c.d.Steps[before.Step].Approval && next.Approved <= before.Step:
		fail("went past step %d without its approval", before.Step+1)
	case next.Step > before.Step && before.HeldFor+6*time.Second < c.d.Steps[before.Step].Hold:
		fail("went past step %d, which held for %s of %s", before.Step+1, before.HeldFor, c.d.Steps[before.Step].Hold)
	}
	for _, i := range c.world.Weights.Instances {
		if i.Err != nil || i.Share() < 0 {
			fail("raised while %s could not be read", i.Name)
		}
	}
}

// end aborts, lets every write succeed, and looks whether all traffic returns.
func (c *chaos) end() {
	completed := c.p.LettingGo || c.p.Phase == Finished
	c.world.Health[Old] = Health{Known: true}
	c.say(SayAbort)
	wrote := !c.p.WantedAt.IsZero()
	for range 200 {
		c.now = c.now.Add(time.Second)
		c.world.Weights, c.world.WeightsErr, c.world.WriteErr = &State{}, nil, nil
		for i, w := range c.weights {
			c.world.Weights.Instances = append(c.world.Weights.Instances, Instance{Name: fmt.Sprint(i), Old: int(All - w), New: int(w), Settled: true})
		}
		c.world.Readings, c.world.Now = nil, c.now
		next, decision := Next(c.d, c.p, c.world)
		c.p = next
		if decision.Action == DoWrite {
			for i := range c.weights {
				c.weights[i] = decision.Weight
			}
		}
		if next.Phase == Reverted && decision.Action == DoNothing {
			break
		}
	}
	if completed {
		return
	}
	if c.p.Phase != Reverted {
		c.t.Fatalf("after an abort it is %s: %s", c.p.Phase, c.p.Reason)
	}
	for i, w := range c.weights {
		if wrote && w != None && c.d.OnForeignChange == Restore {
			c.t.Fatalf("after an abort, instance %d has %d %%", i, w)
		}
	}
}

func runChaos(t *testing.T, seed1, seed2 uint64, turns int) Phase {
	c := newChaos(t, seed1, seed2)
	for range turns {
		c.happen()
		c.turn()
	}
	reached := c.p.Phase
	c.end()
	return reached
}

func TestNoWorldRaisesWhatGuardsDoNotAllow(t *testing.T) {
	reached := map[Phase]int{}
	for seed := range uint64(800) {
		reached[runChaos(t, seed, 7, 150)]++
	}
	for _, phase := range []Phase{Shifting, Holding, Paused, Reverted, Completed} {
		if reached[phase] == 0 {
			t.Errorf("no world got as far as %s: %v", phase, reached)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) { runChaos(t, seed1, seed2, 200) })
}
