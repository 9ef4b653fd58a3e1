package traffic

import (
	"fmt"
	"maps"
	"time"
)

// Next says what to do next and how the journal reads then. It computes only:
// the same arguments give the same answer, and a caller may ask "what if".
//
// It never raises a weight, and never puts one back up, unless every guard holds
// now and has been read since the weight last changed, every instance of the
// router was read, the new side is not known to be unhealthy, and the dead man is
// armed if there is one. It counts a step as held only for time between two looks
// at which all of that was so; time that nobody watched, or that a clock jumped
// over, does not count. Returning to the old side waits for nothing.
//
// A raise (an unfinished one, too) must be in the journal before it is written; a
// return is written first.
func Next(d Definition, p Progress, w World) (Progress, Decision) {
	n := &planner{d: d.WithDefaults(), p: p, w: w}
	n.p.Guards = maps.Clone(p.Guards)
	if n.p.Guards == nil {
		n.p.Guards = map[string]GuardProgress{}
	}
	n.p.Phase = Phase(or(string(p.Phase), string(Pending)))
	n.passTime()
	n.takeReadings()
	n.hear()
	decision := n.decide()
	decision.Reason, decision.Remarks = printable(decision.Reason), n.remarks
	n.p.Reason, n.p.Cause, n.p.Drift = decision.Reason, printable(n.p.Cause), printable(n.p.Drift)
	return n.p, decision
}

// TakeOver is the progress as another process goes on with it: nobody watched
// since, and no guard has spoken to it yet.
func (p Progress) TakeOver() Progress {
	p.Epoch++
	p.SeenAt, p.CountedAt = time.Time{}, time.Time{}
	guards := make(map[string]GuardProgress, len(p.Guards))
	for name, guard := range p.Guards {
		guards[name] = GuardProgress{Bad: guard.Bad}
	}
	p.Guards = guards
	return p
}

// ended: the migration is over, though the way back may still be open.
func (p Progress) ended() bool {
	return p.Phase == Completed || p.Phase == Reverted || p.Phase == Finished
}

// wasInEffect: the weight has been seen in effect since it was decided on.
func (p Progress) wasInEffect() bool { return !p.SettledAt.IsZero() || p.InEffectFor > 0 }

// planner is one run of Next.
type planner struct {
	d       Definition
	p       Progress
	w       World
	passed  time.Duration
	remarks []string
}

// passTime finds how much time passed since the last look; a clock that went
// backwards passed none.
func (n *planner) passTime() {
	if !n.p.SeenAt.IsZero() {
		n.passed = max(0, n.w.Now.Sub(n.p.SeenAt))
	}
	n.p.SeenAt = n.w.Now
}

// maxGap is the longest time between two looks that still counts as watching.
func (n *planner) maxGap() time.Duration { return max(3*n.d.Interval, 2*time.Second) }

// count adds the time since the last good look, and says that this is one.
func (n *planner) count(d *time.Duration) {
	if !n.p.CountedAt.IsZero() && n.passed <= n.maxGap() {
		*d += n.passed
	}
	n.p.CountedAt = n.w.Now
}

// decide is the table of phases.
func (n *planner) decide() Decision {
	if n.p.LettingGo && n.p.Phase != Finished {
		return n.letGo()
	}
	if n.guarded() {
		n.ageWeights()
		if cause := n.whatFailed(); cause != "" {
			n.fail(cause)
		}
	}
	switch n.p.Phase {
	case Pending:
		n.p.Phase, n.p.Started = Preparing, n.w.Now
		return n.prepare()
	case Preparing:
		return n.prepare()
	case Shifting:
		return n.reach()
	case Holding, AwaitingApproval:
		return n.hold()
	case Paused:
		return n.rest()
	case Reverting:
		return n.returnTraffic()
	case Completed, Reverted:
		return n.keep()
	case Finished:
		return n.wait(n.restInterval(), "finished: the way back is let go")
	}
	n.goBack(fmt.Sprintf("the journal says phase %q, which does not exist", n.p.Phase), true)
	return n.returnTraffic()
}

// guarded: a guard that fails now does what the definition says.
func (n *planner) guarded() bool {
	switch n.p.Phase {
	case Shifting, Holding, AwaitingApproval:
		return true
	case Paused:
		return n.p.Wanted > None && n.d.OnFailure == Revert
	}
	return false
}

// ageWeights adds up for how long nobody knew the weights.
func (n *planner) ageWeights() {
	if standing, _ := n.w.stand(n.p.Wanted); standing == unknownWeights {
		n.p.UnknownFor += min(n.passed, n.maxGap())
	} else {
		n.p.UnknownFor = 0
	}
}

// whatFailed says why the migration cannot go on, if it cannot.
func (n *planner) whatFailed() string {
	if returned := n.w.deadMan(); returned != "" && returned != n.p.DeadMan && n.p.Wanted > None {
		n.p.DeadMan, n.p.Drift = returned, returned
		return "the dead man returned the traffic: " + returned
	}
	if n.p.UnknownFor >= n.d.UnknownFor {
		_, why := n.w.stand(n.p.Wanted)
		return fmt.Sprintf("the weights have been unknown for %s: %s", rough(n.p.UnknownFor), why)
	}
	return n.failure()
}

// fail does what the definition wants.
func (n *planner) fail(cause string) {
	switch {
	case n.d.OnFailure == Revert:
		n.goBack(cause, true)
	case n.p.Phase != Paused:
		n.pause(cause, true)
	}
}

// pause stays where it is until a person resumes or aborts.
func (n *planner) pause(cause string, failed bool) {
	n.p.PausedFrom, n.p.Phase = n.p.Phase, Paused
	n.p.Cause, n.p.Failed = cause, failed
	n.p.CountedAt = time.Time{}
}

// goBack begins the return to the old side; where nothing was ever written,
// nothing has to return.
func (n *planner) goBack(cause string, failed bool) {
	phase := n.p.Phase
	if phase == Paused {
		phase = n.p.PausedFrom
	}
	n.p.Cause, n.p.Failed, n.p.PausedFrom = cause, failed, ""
	if (phase == Pending || phase == Preparing) && n.p.WantedAt.IsZero() {
		n.end(Reverted)
		return
	}
	n.p.Phase, n.p.Ended = Reverting, time.Time{}
	n.decideOn(None)
}

func (n *planner) end(phase Phase) {
	n.p.Phase, n.p.Ended = phase, n.w.Now
	n.p.CountedAt = time.Time{}
}

// decideOn makes a weight the wanted one: what was seen of the last one says
// nothing about it.
func (n *planner) decideOn(weight Weight) {
	n.p.Wanted, n.p.WantedAt, n.p.SettledAt = weight, n.w.Now, time.Time{}
	n.forgetHeld()
	n.p.Drift = ""
	n.w.Drained = false
	for name, guard := range n.p.Guards {
		guard.Good = 0
		n.p.Guards[name] = guard
	}
}

func (n *planner) forgetHeld() {
	n.p.SettledAt, n.p.CountedAt = time.Time{}, time.Time{}
	n.p.InEffectFor, n.p.HeldFor = 0, 0
}

// step is the one that is being reached or held.
func (n *planner) step() Step {
	if n.p.Step < 0 || n.p.Step >= len(n.d.Steps) {
		return Step{Weight: n.p.Wanted} // a foreign journal must not raise anything
	}
	return n.d.Steps[n.p.Step]
}

// mayRaise tells whether a weight may go up now; if not, why not.
func (n *planner) mayRaise() (bool, string) {
	if ok, why := n.allHold(); !ok {
		return false, why
	}
	if health := n.w.Health[New]; health.Known && !health.Healthy {
		return false, "the new side is not healthy: " + or(health.Reason, "the router says so")
	}
	if n.d.DeadMan > 0 && !n.w.Armed {
		why := "not yet"
		if n.w.ArmErr != nil {
			why = n.w.ArmErr.Error()
		}
		return false, "the dead man is not armed: " + why
	}
	return true, ""
}

// wait does nothing for a while.
func (n *planner) wait(at time.Duration, format string, args ...any) Decision {
	return Decision{Action: DoNothing, Weight: n.p.Wanted, Reason: fmt.Sprintf(format, args...), Wait: at}
}

// notNow waits without counting the time.
func (n *planner) notNow(format string, args ...any) Decision {
	n.p.CountedAt = time.Time{}
	return n.wait(n.d.Interval, format, args...)
}

func (n *planner) restInterval() time.Duration { return max(n.d.Interval, restInterval) }

// restInterval is how often weights are looked at when nothing is under way.
const restInterval = 10 * time.Second

func (n *planner) remark(format string, args ...any) {
	n.remarks = append(n.remarks, printable(fmt.Sprintf(format, args...)))
}
