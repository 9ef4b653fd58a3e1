package traffic

import "fmt"

// returnTraffic brings all traffic back to the old side. It writes until every
// instance says so, and waits for nobody.
func (n *planner) returnTraffic() Decision {
	n.warnOfOldSide()
	standing, why := n.w.stand(None)
	switch {
	case standing == notSettled:
		return n.wait(n.settlePoll(), "waiting for the return to take effect: %s", why)
	case standing != inEffect:
		return n.writeBack(why)
	}
	if decision, waiting := n.outlast(); waiting {
		return decision
	}
	n.settle()
	n.end(Reverted)
	return n.wait(n.d.Interval, "reverted: all traffic is on the old side; %s", n.p.Cause)
}

// writeBack is the write that nothing may delay.
func (n *planner) writeBack(why string) Decision {
	reason := "returning all traffic to the old side: " + n.p.Cause
	if n.w.WriteErr != nil {
		reason = fmt.Sprintf("returning all traffic to the old side again, the last write failed: %v", n.w.WriteErr)
	} else if !n.p.WantedAt.Equal(n.w.Now) {
		reason += "; " + why
	}
	if gone := n.w.onlyUnreachable(); gone != "" {
		reason += fmt.Sprintf("; if %s is gone for good, finish ends this without it", gone)
	}
	return Decision{Action: DoWrite, Weight: None, Urgent: true, Reason: reason}
}

// warnOfOldSide: a return target that is broken is worth a warning, and no more.
func (n *planner) warnOfOldSide() {
	if health := n.w.Health[Old]; health.Known && !health.Healthy {
		n.remark("the old side, to which traffic returns, is not healthy: %s", or(health.Reason, "the router says so"))
	}
}

// keep looks after weights once the migration is over, until a person finishes.
func (n *planner) keep() Decision {
	standing, why := n.w.stand(n.p.Wanted)
	switch {
	case n.p.WantedAt.IsZero():
		return n.wait(n.restInterval(), "reverted before anything was written: %s", n.p.Cause)
	case standing == aboveWanted, standing == belowWanted:
		return n.foreign(why)
	case standing == unknownWeights:
		return n.wait(n.restInterval(), "%s; %s", n.endedText(), why)
	}
	n.p.Drift = ""
	return n.wait(n.restInterval(), "%s", n.endedText())
}

func (n *planner) endedText() string {
	if n.p.Phase == Completed {
		return "completed: finish lets go of the way back, abort returns"
	}
	return "reverted: " + n.p.Cause
}

// letGo gives up the way back.
func (n *planner) letGo() Decision {
	if n.w.LetGo {
		n.p.Phase = Finished
		return n.wait(n.restInterval(), "finished: the way back is let go")
	}
	reason := "letting go of the way back"
	if n.w.FinishErr != nil {
		reason += " again, since it failed: " + n.w.FinishErr.Error()
	}
	return Decision{Action: DoFinish, Weight: n.p.Wanted, Reason: reason}
}
