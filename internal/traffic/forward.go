package traffic

import (
	"fmt"
	"time"
)

// prepare makes the router ready.
func (n *planner) prepare() Decision {
	interval := n.d.Interval
	switch {
	case n.w.PrepareErr != nil && n.w.Refused:
		n.pause("preparing: "+n.w.PrepareErr.Error(), true)
		return n.rest()
	case n.w.PrepareErr != nil:
		if left := interval - n.w.Now.Sub(n.w.PreparedAt); left > 0 && left <= interval {
			return n.wait(left, "preparing again soon: %v", n.w.PrepareErr)
		}
	case n.w.Preparation != nil && n.w.Preparation.Done:
		n.p.Phase = Shifting
		return n.reach()
	case n.w.Preparation != nil:
		pause := max(n.w.Preparation.Wait, interval)
		if left := pause - n.w.Now.Sub(n.w.PreparedAt); left > 0 && left <= pause {
			return n.wait(left, "preparing: %s", n.w.Preparation.Step)
		}
	}
	return Decision{Action: DoPrepare, Weight: n.p.Wanted, Reason: "preparing the router"}
}

// reach brings the weight to the step's, everywhere and with nothing residual.
func (n *planner) reach() Decision {
	switch standing, why := n.w.stand(n.p.Wanted); {
	case standing == unknownWeights:
		return n.notNow("not going on: %s", why)
	case (standing == aboveWanted || standing == belowWanted) && (n.p.wasInEffect() || n.p.WantedAt.IsZero()):
		return n.foreign(why)
	case standing == aboveWanted, standing == belowWanted:
		return n.writeAgain(why)
	case standing == notSettled:
		n.p.CountedAt = time.Time{}
		return n.wait(n.settlePoll(), "waiting for %d %% to take effect: %s", n.p.Wanted, why)
	}
	n.p.Drift = ""
	if decision, waiting := n.outlast(); waiting {
		return decision
	}
	if weight := n.step().Weight; weight > n.p.Wanted {
		return n.raise(weight)
	}
	n.settle()
	n.p.Phase = Holding
	return n.hold()
}

// settlePoll is how often a weight that is to take effect is looked at.
func (n *planner) settlePoll() time.Duration { return min(n.d.Interval, time.Second) }

// settle says that the weight is in effect.
func (n *planner) settle() {
	n.p.SettledAt, n.p.CountedAt = n.w.Now, time.Time{}
	if n.p.WantedAt.IsZero() {
		n.p.WantedAt = n.w.Now
	}
}

// raise decides on a higher weight, if that is allowed now.
func (n *planner) raise(weight Weight) Decision {
	if ok, why := n.mayRaise(); !ok {
		n.p.CountedAt = time.Time{}
		return n.wait(n.d.Interval, "not raising to %d %% yet: %s", weight, why)
	}
	from := n.p.Wanted
	n.decideOn(weight)
	return Decision{Action: DoWrite, Weight: weight, Raise: true, Reason: fmt.Sprintf("raising from %d %% to %d %%: all guards hold", from, weight)}
}

// writeAgain makes a weight that was decided on that of every instance.
func (n *planner) writeAgain(why string) Decision {
	if n.w.WriteErr != nil {
		why += ": " + n.w.WriteErr.Error()
	}
	raise := !n.w.onlyLowers(n.p.Wanted)
	if raise {
		if ok, not := n.mayRaise(); !ok {
			return n.notNow("not writing %d %% again: %s; %s", n.p.Wanted, why, not)
		}
	}
	n.p.WantedAt, n.p.CountedAt = n.w.Now, time.Time{}
	return Decision{Action: DoWrite, Weight: n.p.Wanted, Raise: raise, Reason: fmt.Sprintf("writing %d %% again: %s", n.p.Wanted, why)}
}

// foreign deals with weights that somebody else has changed.
func (n *planner) foreign(why string) Decision {
	n.remark("somebody else changed the weights: %s", why)
	untouched := n.p.WantedAt.IsZero()
	n.forgetHeld()
	n.p.Drift = why
	if n.p.Phase != Completed && n.p.Phase != Reverted {
		n.p.Phase = Shifting
	}
	switch {
	case untouched:
		n.pause("before anything was written, the weights were not those of a beginning: "+why, false)
		return n.rest()
	case n.d.OnForeignChange == PauseThere && n.p.ended():
		return n.wait(n.restInterval(), "%s, but somebody else changed the weights: %s", n.p.Phase, why)
	case n.d.OnForeignChange == PauseThere:
		n.pause("somebody else changed the weights: "+why, false)
		return n.rest()
	}
	return n.writeAgain("somebody else changed it: " + why)
}

// outlast waits until nothing goes any more where an earlier weight sent it.
func (n *planner) outlast() (Decision, bool) {
	if !n.p.SettledAt.IsZero() || n.p.WantedAt.IsZero() {
		return Decision{}, false
	}
	n.count(&n.p.InEffectFor)
	if left := n.w.Router.Residual - n.p.InEffectFor; left > 0 {
		return n.wait(min(left, n.d.Interval), "%d %% is in effect; for %s more, clients may remember an earlier weight",
			n.p.Wanted, rough(left)), true
	}
	return n.outlastSessions()
}

// outlastSessions waits for sessions to end, then cuts them where that can be.
func (n *planner) outlastSessions() (Decision, bool) {
	grace := n.d.ResidualFor
	if n.p.Phase == Reverting && n.p.Failed {
		grace = min(grace, RevertGrace)
	}
	side, emptied := n.emptied()
	sessions := n.w.residual()
	canCut := emptied && n.w.Drains
	switch left := grace - n.p.InEffectFor; {
	case sessions == 0, sessions < 0 && (!canCut || side == Old || n.w.Drained):
		return Decision{}, false
	case left > 0:
		return n.wait(min(left, n.d.Interval), "%d %% is in effect; %s where an earlier weight sent them, for %s more at most",
			n.p.Wanted, sessionsGo(sessions), rough(left)), true
	case canCut && left > -cutFor:
		reason := fmt.Sprintf("cutting what is left on the %s side: %s there", side, sessionsGo(sessions))
		if n.w.DrainErr != nil {
			reason += "; it failed before: " + n.w.DrainErr.Error()
		}
		return Decision{Action: DoDrain, Weight: n.p.Wanted, Side: side, Reason: reason}, true
	}
	n.remark("%s where an earlier weight sent them", sessionsGo(sessions))
	return Decision{}, false
}

// cutFor is how long sessions are cut again and again before they are let be.
const cutFor = 30 * time.Second

// emptied is the side that gets no requests at the wanted weight.
func (n *planner) emptied() (Side, bool) {
	switch n.p.Wanted {
	case None:
		return New, true
	case All:
		return Old, true
	}
	return "", false
}

func sessionsGo(n int) string {
	switch n {
	case -1:
		return "an unknown number of sessions go"
	case 1:
		return "1 session goes"
	}
	return fmt.Sprintf("%d sessions go", n)
}

// hold counts for how long all has been well, and goes on when that is enough.
func (n *planner) hold() Decision {
	step := n.step()
	switch standing, why := n.w.stand(n.p.Wanted); {
	case standing == aboveWanted, standing == belowWanted:
		return n.foreign(why)
	case standing == unknownWeights, standing == notSettled:
		return n.notNow("%d %% is not being held: %s", n.p.Wanted, why)
	}
	if ok, why := n.allHold(); !ok {
		return n.notNow("%d %% is not being held: %s", n.p.Wanted, why)
	}
	n.count(&n.p.HeldFor)
	if left := step.Hold - n.p.HeldFor; left > 0 {
		return n.wait(min(left, n.d.Interval), "holding %d %%: %s of %s to go", n.p.Wanted, rough(left), rough(step.Hold))
	}
	if step.Approval && n.p.Approved <= n.p.Step {
		n.p.Phase = AwaitingApproval
		return n.wait(n.d.Interval, "%d %% has held for %s; step %d waits for a person's approval", n.p.Wanted, rough(step.Hold), n.p.Step+1)
	}
	if n.p.Step >= len(n.d.Steps)-1 {
		n.p.Cause = ""
		n.end(Completed)
		return n.wait(n.d.Interval, "completed: all traffic has been on the new side for %s; finish lets go of the way back", rough(step.Hold))
	}
	n.p.Step++
	n.p.Phase = Shifting
	return n.raise(n.step().Weight)
}

// rest stays until a person says something. It never raises a weight; one that
// somebody else raised is put back.
func (n *planner) rest() Decision {
	n.p.CountedAt = time.Time{}
	standing, why := n.w.stand(n.p.Wanted)
	switch {
	case n.p.PausedFrom == Pending || n.p.PausedFrom == Preparing:
		return n.wait(n.d.Interval, "%s; resume goes on", n.p.Cause)
	case standing == aboveWanted && n.d.OnForeignChange == Restore && n.p.Drift == "" &&
		!n.p.WantedAt.IsZero() && n.w.onlyLowers(n.p.Wanted):
		n.remark("somebody else changed the weights: %s", why)
		return Decision{Action: DoWrite, Weight: n.p.Wanted, Reason: fmt.Sprintf("putting %d %% back: %s", n.p.Wanted, why)}
	case standing != inEffect && n.p.Drift == "":
		return n.wait(n.d.Interval, "%s; resume goes on, abort returns; %s", n.p.Cause, why)
	}
	return n.wait(n.d.Interval, "%s; resume goes on, abort returns", n.p.Cause)
}
