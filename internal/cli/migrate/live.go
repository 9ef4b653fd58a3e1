package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// tickEvery is how often the countdown is drawn.
const tickEvery = 250 * time.Millisecond

// live shows the migration until the person leaves or it is over.
func live(ctx context.Context, c *command.Context, m *v1alpha1.Migration) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen := &screen{
		m: m, now: c.Clock, view: view{width: width(c.Out), color: c.Color(c.Out)},
		changes: changes(ctx, cl, m),
		say: func(verb traffic.Verb) error {
			_, _, err := write(ctx, c, m.Name, traffic.Word{Verb: verb, Step: -1, Why: "by key in the live view"}, canSay(verb))
			return err
		},
	}
	_, err = tea.NewProgram(screen, tea.WithContext(ctx), tea.WithInput(c.In), tea.WithOutput(c.Out), tea.WithoutSignalHandler()).Run()
	switch {
	case screen.err != nil:
		return screen.err
	case errors.Is(err, tea.ErrProgramKilled), errors.Is(err, tea.ErrInterrupted):
		return fmt.Errorf("watching migration %s, which goes on: %w", m.Name, context.Canceled)
	case err != nil:
		return fmt.Errorf("showing migration %s: %w", m.Name, err)
	}
	_, err = outcome(screen.m)
	return err
}

// canSay is the sense of a word that a key stands for.
func canSay(verb traffic.Verb) sense {
	return func(m *v1alpha1.Migration, word *traffic.Word) error {
		if verb == traffic.SayApprove {
			return canApprove(m, word)
		}
		word.Step = 0
		if verb == traffic.SayAbort {
			return canAbort(m, word)
		}
		return nil
	}
}

// screen is the live view. Its methods are called by one goroutine.
type screen struct {
	m       *v1alpha1.Migration
	now     func() time.Time
	view    view
	changes <-chan change
	say     func(traffic.Verb) error

	// asking is what a key asked for and is not confirmed yet.
	asking traffic.Verb
	note   string
	err    error
}

// Messages of the screen.
type (
	changed struct{ change }
	ended   struct{}
	tick    struct{}
	said    struct {
		verb traffic.Verb
		err  error
	}
)

// Init is part of tea.Model.
func (s *screen) Init() tea.Cmd { return tea.Batch(s.next, ticking()) }

func (s *screen) next() tea.Msg {
	now, ok := <-s.changes
	if !ok {
		return ended{}
	}
	return changed{now}
}

func ticking() tea.Cmd { return tea.Tick(tickEvery, func(time.Time) tea.Msg { return tick{} }) }

// Update is part of tea.Model.
func (s *screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		s.view.width = max(narrowest, min(message.Width, widest))
	case tick:
		return s, ticking()
	case ended:
		return s, tea.Quit
	case changed:
		if message.err != nil {
			s.err = message.err
			return s, tea.Quit
		}
		s.m = message.m
		if over, _ := outcome(s.m); over {
			return s, tea.Quit
		}
		return s, s.next
	case said:
		s.note = string(message.verb) + " was said"
		if message.err != nil {
			s.note = message.err.Error()
		}
	case tea.KeyPressMsg:
		return s, s.press(message.String())
	}
	return s, nil
}

// keys and what they ask for.
var keys = map[string]traffic.Verb{
	"p": traffic.SayPause, "r": traffic.SayResume, "a": traffic.SayApprove, "A": traffic.SayAbort, "shift+a": traffic.SayAbort,
}

func (s *screen) press(key string) tea.Cmd {
	if s.asking != "" {
		verb := s.asking
		s.asking = ""
		if key == "y" || key == "Y" || key == "shift+y" {
			s.note = "saying " + string(verb) + " …"
			return func() tea.Msg { return said{verb, s.say(verb)} }
		}
		s.note = "nothing was said"
		return nil
	}
	switch key {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	}
	if verb, ok := keys[key]; ok && s.offers(verb) {
		s.asking, s.note = verb, ""
	}
	return nil
}

// offers tells whether a word makes sense now.
func (s *screen) offers(verb traffic.Verb) bool {
	phase := migration.Phase(s.m)
	switch verb {
	case traffic.SayPause:
		return phaseMoves(phase) && phase != traffic.Reverting || phase == traffic.Pending || phase == traffic.Preparing
	case traffic.SayResume:
		return phase == traffic.Paused
	case traffic.SayApprove:
		p, err := migration.Progress(s.m)
		return err == nil && p.Step < len(s.m.Spec.Steps) && s.m.Spec.Steps[p.Step].Approval && p.Approved <= p.Step && (phaseMoves(phase) || phase == traffic.Paused) && phase != traffic.Reverting
	case traffic.SayAbort:
		return phase != traffic.Reverting && phase != traffic.Reverted && phase != traffic.Finished
	}
	return false
}

// View is part of tea.Model.
func (s *screen) View() tea.View {
	var text strings.Builder
	text.WriteString(s.view.draw(s.m, s.now()))
	text.WriteString("\n")
	switch {
	case s.asking == traffic.SayAbort:
		text.WriteString(s.view.paint(colorBad, fmt.Sprintf("Return all traffic to %s? y/n", s.m.Spec.From.Name)))
	case s.asking != "":
		text.WriteString(s.view.paint(colorWait, fmt.Sprintf("Say %s? y/n", s.asking)))
	default:
		text.WriteString(s.view.paint(colorDim, s.help()))
		if s.note != "" {
			text.WriteString("\n" + s.view.cut(s.note, 0))
		}
	}
	text.WriteString("\n")
	return tea.NewView(text.String())
}

func (s *screen) help() string {
	var parts []string
	for _, offer := range []struct {
		verb traffic.Verb
		text string
	}{
		{traffic.SayPause, "p pause"},
		{traffic.SayResume, "r resume"},
		{traffic.SayApprove, "a approve"},
		{traffic.SayAbort, "A abort"},
	} {
		if s.offers(offer.verb) {
			parts = append(parts, offer.text)
		}
	}
	return strings.Join(append(parts, "q leave"), "   ")
}
