package traffic

import "fmt"

// hear takes what people said since the last call, in order. A word that means
// nothing now is heard, too, and remarked on: it must not act later.
func (n *planner) hear() {
	for _, word := range n.w.Words {
		if word.Serial <= n.p.HeardWords {
			continue
		}
		n.p.HeardWords = word.Serial
		if why := n.obey(word); why != "" {
			n.remark("%s by %s was not heard: %s", word.Verb, or(word.By, "somebody"), why)
		}
	}
}

// obey does what a word says, or says why not.
func (n *planner) obey(word Word) (whyNot string) {
	switch word.Verb {
	case SayPause:
		return n.hearPause(word)
	case SayResume:
		return n.hearResume()
	case SayApprove:
		return n.hearApprove(word)
	case SayAbort:
		return n.hearAbort(word)
	case SayFinish:
		return n.hearFinish(word)
	}
	return "it is no word of a migration"
}

func (n *planner) hearPause(word Word) string {
	switch n.p.Phase {
	case Pending, Preparing, Shifting, Holding, AwaitingApproval:
		n.pause(said(word, "paused"), false)
		return ""
	case Paused:
		return "it is paused already"
	}
	return "it is " + string(n.p.Phase)
}

func (n *planner) hearResume() string {
	if n.p.Phase != Paused {
		return "it is not paused"
	}
	n.p.Phase, n.p.PausedFrom = n.p.PausedFrom, ""
	n.p.Failed, n.p.Cause, n.p.UnknownFor = false, "", 0
	for name, guard := range n.p.Guards {
		guard.Bad, guard.UnknownFor = 0, 0
		n.p.Guards[name] = guard
	}
	if n.p.Drift != "" {
		n.decideOn(n.p.Wanted) // the found weight was looked at: back to ours
	}
	if n.p.Phase == Preparing {
		n.w.Preparation, n.w.PrepareErr = nil, nil // try again
	}
	return ""
}

func (n *planner) hearApprove(word Word) string {
	switch {
	case n.p.ended() || n.p.Phase == Reverting:
		return "it is " + string(n.p.Phase)
	case word.Step < 0 || word.Step >= len(n.d.Steps) || !n.d.Steps[word.Step].Approval:
		return fmt.Sprintf("step %d waits for no approval", word.Step+1)
	case word.Step != n.p.Step:
		return fmt.Sprintf("it is about step %d, and step %d is under way", word.Step+1, n.p.Step+1)
	}
	n.p.Approved = word.Step + 1
	return ""
}

func (n *planner) hearAbort(word Word) string {
	switch {
	case n.p.LettingGo || n.p.Phase == Finished:
		return "finish was said: the way back is let go"
	case n.p.Phase == Reverting || n.p.Phase == Reverted:
		return "it is " + string(n.p.Phase) + " already"
	}
	n.goBack(said(word, "aborted"), false)
	return ""
}

func (n *planner) hearFinish(word Word) string {
	switch n.p.Phase {
	case Completed, Reverted:
		n.p.LettingGo = true
		return ""
	case Reverting:
		return n.giveUp(word)
	}
	return "it is " + string(n.p.Phase) + ", neither Completed nor Reverted"
}

// giveUp ends a return that an instance keeps from ending since it is gone for
// good: all others have returned.
func (n *planner) giveUp(word Word) string {
	gone := n.w.onlyUnreachable()
	if gone == "" {
		return "traffic has not returned on every instance that can be reached"
	}
	n.p.Cause += "; " + said(word, "ended without "+gone)
	n.end(Reverted)
	return ""
}

// said tells who did what and why.
func said(word Word, what string) string {
	text := what + " by " + or(word.By, "somebody")
	if word.Why != "" {
		text += ": " + word.Why
	}
	return text
}
