package terraform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/landfall-dev/landfall/internal/progress"
)

// message is one line of Terraform's machine-readable output.
// https://developer.hashicorp.com/terraform/internals/machine-readable-ui
type message struct {
	Type       string             `json:"type"`
	Message    string             `json:"@message"`
	Diagnostic *tfjson.Diagnostic `json:"diagnostic"`
	Hook       struct {
		Resource struct {
			Address string `json:"addr"`
		} `json:"resource"`
		Action  string  `json:"action"`
		Output  string  `json:"output"`
		Elapsed float64 `json:"elapsed_seconds"`
	} `json:"hook"`
}

// longestLine bounds what is kept of a line that has no end yet.
const longestLine = 4 << 20

// stream reads the machine-readable output as it is written. Lines that are
// something else (a crash, an old program) are kept as the last words. It is
// used by one goroutine.
type stream struct {
	partial     []byte
	diagnostics []tfjson.Diagnostic
	words       []string
	handle      func(message)
}

func (r *Run) listen(handle func(message)) *stream {
	if handle == nil {
		handle = func(message) {}
	}
	return &stream{handle: handle}
}

// Write takes any piece of the output. It never fails.
func (s *stream) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	for {
		line, rest, whole := bytes.Cut(s.partial, []byte("\n"))
		if !whole {
			break
		}
		s.line(line)
		s.partial = rest
	}
	if len(s.partial) > longestLine {
		s.partial = nil
	}
	return len(p), nil
}

func (s *stream) line(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	var m message
	if json.Unmarshal(line, &m) != nil || m.Type == "" {
		const keep = 8
		if s.words = append(s.words, string(line)); len(s.words) > keep {
			s.words = s.words[1:]
		}
		return
	}
	if m.Diagnostic != nil {
		s.diagnostics = append(s.diagnostics, *m.Diagnostic)
	}
	s.handle(m)
}

// verbs of actions, as shown while they are under way.
var verbs = map[string]string{"create": "creating", "update": "changing", "delete": "destroying", "read": "reading", "replace": "replacing"}

// watch shows the resources that are worked on, each as a step.
func (r *Run) watch() func(message) {
	steps := map[string]progress.Step{}
	return func(m message) {
		key := m.Hook.Resource.Address + " " + m.Hook.Action
		step := steps[key]
		switch m.Type {
		case "apply_start":
			if m.Hook.Action != "read" {
				steps[key] = r.reporter.Step(doing(m))
			}
		case "provision_progress":
			// These name no action: what runs on a resource is on its newest step.
			for name, step := range steps {
				if strings.HasPrefix(name, m.Hook.Resource.Address+" ") {
					step.Update("%s", r.mask(strings.TrimSpace(m.Hook.Output)))
				}
			}
		case "apply_complete", "apply_errored":
			delete(steps, key)
			switch {
			case step == nil:
			case m.Type == "apply_errored":
				step.Fail(fmt.Errorf("failed after %s", time.Duration(m.Hook.Elapsed)*time.Second))
			default:
				step.Done("%s", time.Duration(m.Hook.Elapsed)*time.Second)
			}
		}
	}
}

func doing(m message) string {
	verb := verbs[m.Hook.Action]
	if verb == "" {
		verb = m.Hook.Action
	}
	return verb + " " + short(m.Hook.Resource.Address)
}
