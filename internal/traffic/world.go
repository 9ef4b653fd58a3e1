package traffic

import (
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// World is what was found out about the world, and when: all that Next knows
// besides the definition and the journal.
type World struct {
	// Now is the time. It may jump: only small steps forward are believed.
	Now time.Time
	// Router is what the router can do, and Drains whether it is a Drainer.
	Router Description
	Drains bool

	// Preparation is the answer of the last Prepare of this process and
	// PreparedAt when it came; nil if there was none. PrepareErr is set instead
	// if it failed, and Refused if trying again cannot help.
	Preparation *Preparation
	PreparedAt  time.Time
	PrepareErr  error
	Refused     bool

	// Weights are those that were read since the last write began; nil if none
	// were. WeightsErr says why they could not be read, and WriteErr why the last
	// write failed.
	Weights    *State
	WeightsErr error
	WriteErr   error
	// Health of the sides as it was seen last.
	Health map[Side]Health

	// Readings that came since the last call, each given once, oldest first.
	Readings []Reading
	// Words that were said; those that were heard already are skipped.
	Words []Word

	// Armed: the dead man was told lately that Landfall is alive. ArmErr says why
	// not.
	Armed  bool
	ArmErr error
	// Drained: what was left on the old weight's side was cut since the last
	// write. DrainErr says why it could not be.
	Drained  bool
	DrainErr error
	// LetGo: the router's Finish is done. FinishErr says why it could not be.
	LetGo     bool
	FinishErr error
}

// standing is where the weights are, compared with what was decided.
type standing int

const (
	// unknownWeights: an instance did not answer, or nobody asked.
	unknownWeights standing = iota
	// belowWanted: an instance gives the new side less than wanted, none more.
	belowWanted
	// aboveWanted: an instance gives the new side more than wanted.
	aboveWanted
	// notSettled: all say the weight, but it is not in effect everywhere.
	notSettled
	// inEffect: all say the weight, and have it.
	inEffect
)

// stand compares the weights with one, and says in a clause what is not so.
func (w World) stand(wanted Weight) (standing, string) {
	switch {
	case w.WeightsErr != nil:
		return unknownWeights, "the weights cannot be read: " + w.WeightsErr.Error()
	case w.Weights == nil:
		return unknownWeights, "the weights have not been read yet"
	case len(w.Weights.Instances) == 0:
		return unknownWeights, "the router names no instance"
	}
	var unknown, above, below, waiting []string
	for _, i := range w.Weights.Instances {
		share := i.Share()
		switch {
		case i.Err != nil:
			unknown = append(unknown, i.Name+": "+i.Err.Error())
		case i.Old < 0 || i.New < 0 || share < 0:
			unknown = append(unknown, fmt.Sprintf("%s: weights %d and %d send requests nowhere", i.Name, i.Old, i.New))
		case i.At(wanted) && i.Settled:
		case i.At(wanted):
			waiting = append(waiting, i.Name+": "+or(i.Waiting, "not in effect yet"))
		case share*float64(All) > float64(wanted):
			above = append(above, i.has(share))
		default:
			below = append(below, i.has(share))
		}
	}
	wrong := append(above, below...)
	switch {
	case len(above) > 0 && len(unknown) == 0:
		return aboveWanted, fmt.Sprintf("%s instead of %d %%", strings.Join(wrong, ", "), wanted)
	case len(unknown) > 0:
		return unknownWeights, strings.Join(append(unknown, wrong...), "; ")
	case len(below) > 0:
		return belowWanted, fmt.Sprintf("%s instead of %d %%", strings.Join(wrong, ", "), wanted)
	case len(waiting) > 0:
		return notSettled, strings.Join(waiting, "; ")
	}
	return inEffect, ""
}

// has says an instance's share, and why it is so where the instance knows.
func (i Instance) has(share float64) string {
	if i.Waiting == "" || !i.Settled {
		return fmt.Sprintf("%s has %s", i.Name, percent(share))
	}
	return fmt.Sprintf("%s has %s (%s)", i.Name, percent(share), i.Waiting)
}

// onlyLowers tells whether writing a weight raises it nowhere.
func (w World) onlyLowers(to Weight) bool {
	if to == None {
		return true
	}
	if w.Weights == nil || len(w.Weights.Instances) == 0 {
		return false
	}
	for _, i := range w.Weights.Instances {
		if i.Err != nil || i.Old < 0 || i.New < 0 || i.Share() < 0 || i.Share()*float64(All) < float64(to) {
			return false
		}
	}
	return true
}

// onlyUnreachable names the instances that cannot be reached, if all the others
// have returned and there are some.
func (w World) onlyUnreachable() string {
	if w.Weights == nil {
		return ""
	}
	var gone []string
	for _, i := range w.Weights.Instances {
		switch {
		case i.Err != nil:
			gone = append(gone, i.Name)
		case !i.At(None) || !i.Settled:
			return ""
		}
	}
	if len(gone) == len(w.Weights.Instances) {
		return ""
	}
	return strings.Join(gone, ", ")
}

// deadMan says what a watchdog reports to have done.
func (w World) deadMan() string {
	if w.Weights == nil {
		return ""
	}
	for _, i := range w.Weights.Instances {
		if i.DeadMan != "" {
			return printable(i.Name + ": " + i.DeadMan)
		}
	}
	return ""
}

// residual counts what still goes where an earlier weight sent it; -1 if an
// instance cannot know.
func (w World) residual() int {
	sum := 0
	for _, i := range w.Weights.Instances {
		if i.Residual < 0 {
			return -1
		}
		sum += i.Residual
	}
	return sum
}

// printable makes what routers, guards and people say safe to print and to keep:
// a whole error page is no reason.
func printable(text string) string {
	text = result.Clean(text)
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + "…"
}

const longestText = 600

func percent(share float64) string {
	return fmt.Sprintf("%.3g %%", share*100)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
