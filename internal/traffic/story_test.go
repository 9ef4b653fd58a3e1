package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/result"
)

// story tells a whole migration, one decision a line: when, in which phase, at
// which step, what is wanted, what every instance has, what is done and why. It
// stands in for Executor without any waiting.
type story struct {
	d     Definition
	p     Progress
	world World
	// at is the time that passes, and skew what the clock that is read adds to it.
	at        time.Time
	skew      time.Duration
	instances []*storyInstance
	answers   map[string]Reading
	readAt    time.Time
	takes     time.Duration
	prepares  int
	text      bytes.Buffer
	serial    int64
	last      string
	repeated  int
}

type storyInstance struct {
	name    string
	weight  Weight
	settled time.Time
	down    bool
	// stuck cannot be written, but read.
	stuck    bool
	residual int
	deadMan  string
}

// turn is something that happens in a story.
type turn struct {
	after time.Duration
	what  string
	do    func(*story)
}

var storyBegins = time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)

// storyShop holds three steps for ten seconds each.
func storyShop() Definition {
	return Definition{
		Name: "shop", Hostname: "shop.example.com", From: Backend{Name: "legacy"}, To: Backend{Name: "kubernetes"},
		Steps:  []Step{{Weight: 5, Hold: 10 * time.Second}, {Weight: 50, Hold: 10 * time.Second}, {Weight: 100, Hold: 10 * time.Second}},
		Guards: []GuardRule{{Name: "errors", Failures: 2, Idle: true}, {Name: "checks"}}, Interval: 5 * time.Second, UnknownFor: 20 * time.Second,
	}
}

func newStory(d Definition, instances ...string) *story {
	s := &story{d: d, at: storyBegins, answers: map[string]Reading{}}
	for _, name := range instances {
		s.instances = append(s.instances, &storyInstance{name: name})
	}
	for _, rule := range d.Guards {
		s.holds(rule.Name)
	}
	s.world.Health = map[Side]Health{}
	return s
}

func (s *story) holds(guard string) {
	s.answers[guard] = Reading{Guard: guard, Answer: result.Holds, Value: "0.1 %", Bound: "at most 1 %"}
}

func (s *story) fails(guard string) {
	s.answers[guard] = Reading{Guard: guard, Answer: result.Fails, Value: "12 %", Bound: "at most 1 %"}
}

func (s *story) unknown(guard string) {
	s.answers[guard] = Reading{Guard: guard, Reason: "prometheus does not answer"}
}

func (s *story) say(verb Verb, step int) {
	s.serial++
	s.world.Words = append(s.world.Words, Word{Serial: s.serial, Verb: verb, Step: step, By: "ada"})
}

// tell runs the story for a time.
func (s *story) tell(long time.Duration, turns ...turn) string {
	end, calm := s.at.Add(long), 0
	for range 1000 {
		for len(turns) > 0 && !s.at.Before(storyBegins.Add(turns[0].after)) {
			s.line("", "# "+turns[0].what)
			calm = 0
			turns[0].do(s)
			turns = turns[1:]
		}
		if s.at.After(end) || len(turns) == 0 && s.p.ended() && calm > 0 {
			break
		}
		s.iterate()
		calm++
	}
	s.line("", "")
	return s.text.String()
}

// iterate looks, decides, acts, and lets time pass.
func (s *story) iterate() {
	s.look()
	s.readGuards()
	s.world.Now = s.at.Add(s.skew)
	before := s.p
	var decision Decision
	s.p, decision = Next(s.d, s.p, s.world)
	s.world.Readings = nil
	s.print(decision)
	for _, rule := range s.d.Guards {
		if s.p.asks(rule) && !before.asks(rule) { // at once, as Executor does
			s.readAt, decision.Wait = time.Time{}, min(decision.Wait, 100*time.Millisecond)
		}
	}
	s.act(decision)
}

func (s *story) act(decision Decision) {
	switch decision.Action {
	case DoNothing:
		s.at = s.at.Add(min(decision.Wait, s.d.Interval))
		return
	case DoPrepare:
		s.prepares--
		s.world.PreparedAt = s.at.Add(s.skew)
		s.world.Preparation = &Preparation{Done: s.prepares < 0, Step: "lowering the time to live from 300 s to 10 s", Wait: 10 * time.Second}
	case DoWrite:
		s.write(decision.Weight)
		if s.world.WriteErr != nil && !decision.Urgent {
			s.at = s.at.Add(s.d.Interval)
		}
	case DoDrain:
		for _, i := range s.instances {
			i.residual = 0
		}
		s.world.Drained = true
	case DoFinish:
		s.world.LetGo = true
	}
	s.at = s.at.Add(100 * time.Millisecond)
}

func (s *story) write(weight Weight) {
	s.world.WriteErr = nil
	for _, i := range s.instances {
		if i.down || i.stuck {
			s.world.WriteErr = fmt.Errorf("%s: connection refused", i.name)
			continue
		}
		i.weight, i.settled, i.deadMan = weight, s.at.Add(s.takes), ""
	}
}

func (s *story) look() {
	s.world.Weights = nil
	if s.world.Preparation == nil && (s.p.Phase == "" || s.p.Phase == Preparing) {
		return
	}
	s.world.Weights = &State{}
	for _, i := range s.instances {
		read := Instance{
			Name: i.name, Old: int(All - i.weight), New: int(i.weight), Residual: i.residual, DeadMan: i.deadMan,
			Settled: !s.at.Before(i.settled),
		}
		if !read.Settled {
			read.Waiting = "PENDING"
		}
		if i.down {
			read = Instance{Name: i.name, Err: errors.New("connection refused")}
		}
		s.world.Weights.Instances = append(s.world.Weights.Instances, read)
	}
}

func (s *story) readGuards() {
	if s.at.Before(s.readAt) {
		return
	}
	s.readAt = s.at.Add(s.d.Interval)
	for _, rule := range s.d.Guards {
		if s.p.asks(rule) {
			reading := s.answers[rule.Name]
			reading.At = s.at.Add(s.skew)
			s.world.Readings = append(s.world.Readings, reading)
		}
	}
}

func (s *story) print(decision Decision) {
	var weights []string
	for _, i := range s.instances {
		text := fmt.Sprint(int(i.weight))
		if i.down {
			text = "?"
		}
		weights = append(weights, text)
	}
	action := string(decision.Action)
	switch {
	case decision.Action == DoWrite && decision.Urgent:
		action = fmt.Sprintf("WRITE %d", decision.Weight)
	case decision.Action == DoWrite && decision.Raise:
		action = fmt.Sprintf("journal, write %d", decision.Weight)
	case decision.Action == DoWrite:
		action = fmt.Sprintf("write %d", decision.Weight)
	}
	s.line("+"+s.at.Sub(storyBegins).String(), fmt.Sprintf("%-16s step %d  %-14s %-19s %s", s.p.Phase, s.p.Step+1,
		"["+strings.Join(weights, " ")+"]", action, decision.Reason))
	for _, remark := range decision.Remarks {
		s.line("", "! "+remark)
	}
}

// line adds a line, unless it says the same as the one before.
func (s *story) line(when, text string) {
	if text == s.last {
		s.repeated++
		return
	}
	if s.repeated > 0 {
		fmt.Fprintf(&s.text, "%8s  … the same %d times more\n", "", s.repeated)
	}
	s.last, s.repeated = text, 0
	if text != "" {
		fmt.Fprintf(&s.text, "%8s  %s\n", when, text)
	}
}

// restart is the death of the process that worked on the migration.
func (s *story) restart() {
	s.p = s.p.TakeOver()
	s.world = World{Words: s.world.Words, Router: s.world.Router, Drains: s.world.Drains, Preparation: s.world.Preparation, Health: map[Side]Health{}}
	s.readAt = time.Time{}
}

func words(verb Verb, step int) func(*story) { return func(s *story) { s.say(verb, step) } }

func TestStories(t *testing.T) {
	for _, tt := range stories() {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(tt.d, or3(tt.instances)...)
			if tt.before != nil {
				tt.before(s)
			}
			text := fmt.Sprintf("%s\n\n%s", tt.about, s.tell(tt.long, tt.turns...))
			golden.Assert(t, text, "stories/"+tt.name+".txt")
			if s.p.Phase != tt.ends {
				t.Errorf("it ends %s, want %s", s.p.Phase, tt.ends)
			}
		})
	}
}

func or3(instances []string) []string {
	if instances == nil {
		return []string{"haproxy-1"}
	}
	return instances
}
