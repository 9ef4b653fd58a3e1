package terraform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/landfall-dev/landfall/internal/fault"
)

// StateLocked says that the backend's own lock is held.
type StateLocked struct {
	// ID releases it, see Run.Unlock. Who is USER@HOST, Created a time, both as
	// Terraform writes them. All may be empty.
	ID, Who, Created, Operation string
}

// Error says who holds the lock.
func (e *StateLocked) Error() string {
	if e.Who == "" {
		return "the state is locked"
	}
	return fmt.Sprintf("the state is locked by %s since %s (%s)", e.Who, e.Created, e.Operation)
}

// ErrStale says that the state has changed since the plan was made.
var ErrStale = errors.New("the state has changed since the plan was made")

// summaries of errors that have a class and a next step of their own.
var summaries = []struct {
	starts string
	class  fault.Class
	hint   string
}{
	{"Extraneous JSON object property", fault.Invalid, "The module has no such variable: see its documentation."},
	{"Unsupported argument", fault.Invalid, "The module has no such variable: see its documentation."},
	{"Missing required argument", fault.Invalid, "Give the variable with --var."},
	{"Invalid value for", fault.Invalid, "Correct the variable with --var."},
	{"Unreadable module directory", fault.Invalid, "Correct the module's address."},
	{"Module not found", fault.Invalid, "Correct the module's address."},
	{"Failed to download module", fault.Failed, "Check the module's address and the network."},
	{"Failed to query available provider packages", fault.Failed, "Check the network, or give Terraform a mirror of providers in its CLI configuration."},
	{"Unsupported backend type", fault.Invalid, "Choose a backend that Terraform knows."},
	{"Instance cannot be destroyed", fault.Refused, "The module protects it by prevent_destroy: change the module first."},
}

var lockField = regexp.MustCompile(`(?m)^\s*(ID|Who|Created|Operation):\s*(.*?)\s*$`)

// explain makes one error of how a command ended and what it said.
func (r *Run) explain(verb string, said *stream, err error) error {
	return mapText(explain(r.tool.Name()+" "+verb, said, err), r.mask)
}

// mapText changes the text of an error, and keeps what it is.
func mapText(err error, change func(string) string) error {
	var classified *fault.Error
	if err == nil || !errors.As(err, &classified) || change(err.Error()) == err.Error() {
		return err
	}
	return &masked{text: change(err.Error()), class: &fault.Error{Class: classified.Class, Message: change(classified.Error()), Hint: fault.HintOf(err)}}
}

// masked is an error that secrets were taken out of. Its cause is gone, since
// that has them.
type masked struct {
	text  string
	class error
}

func (e *masked) Error() string { return e.text }
func (e *masked) Unwrap() error { return e.class }

func explain(what string, said *stream, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	problems := plain(err.Error())
	if said != nil {
		if found := failures(said.diagnostics); len(found) > 0 {
			problems = found
		} else if len(said.words) > 0 {
			problems = append(problems, plain(strings.Join(said.words, "\n"))...)
		}
	}
	if len(problems) == 0 {
		return fault.New(fault.Failed, "", "%s: %w", what, err)
	}
	return classify(what, problems)
}

// classify makes an error of problems, of which there is at least one. The
// first one decides what kind of error it is.
func classify(what string, problems []tfjson.Diagnostic) error {
	first := problems[0]
	if strings.Contains(first.Summary, "acquiring the state lock") {
		return fault.New(fault.Refused, "`landfall cluster unlock` shows whether they are alive, and takes the lock from the dead.", "%s: %w", what, lockOf(first.Detail))
	}
	if strings.Contains(first.Summary, "Saved plan is stale") {
		return fault.New(fault.Refused, "Plan again: `landfall cluster plan`.", "%s: %w", what, ErrStale)
	}
	class, hint := fault.Failed, ""
	for _, known := range summaries {
		if strings.HasPrefix(first.Summary, known.starts) {
			class, hint = known.class, known.hint
		}
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, sentence(p))
	}
	return fault.New(class, hint, "%s: %s", what, strings.Join(texts, "; "))
}

// sentence puts a diagnostic on one line: where, what, details.
func sentence(d tfjson.Diagnostic) string {
	text := strings.TrimSuffix(d.Summary, ".")
	if detail := strings.Join(strings.Fields(d.Detail), " "); detail != "" {
		text += ": " + shorten(detail)
	}
	switch {
	case d.Address != "":
		return short(d.Address) + ": " + text
	case d.Range != nil && d.Range.Filename != fileMain:
		return fmt.Sprintf("%s:%d: %s", d.Range.Filename, d.Range.Start.Line, text)
	}
	return text
}

// shorten keeps the end, where programs say what went wrong.
func shorten(text string) string {
	const most = 800
	if len(text) <= most {
		return text
	}
	return "… " + strings.ToValidUTF8(text[len(text)-most:], "")
}

func failures(all []tfjson.Diagnostic) []tfjson.Diagnostic {
	var found []tfjson.Diagnostic
	seen := map[string]bool{}
	for _, d := range all {
		key := d.Address + d.Summary + d.Detail
		if d.Severity == tfjson.DiagnosticSeverityError && !seen[key] {
			seen[key] = true
			found = append(found, d)
		}
	}
	return found
}

// plain reads errors that a command has written for people: "Error: SUMMARY", a
// blank line and details, possibly in a frame.
func plain(text string) []tfjson.Diagnostic {
	var found []tfjson.Diagnostic
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimLeft(line, "╷│╵ \t"))
		summary, starts := strings.CutPrefix(line, "Error: ")
		switch {
		case starts:
			found = append(found, tfjson.Diagnostic{Severity: tfjson.DiagnosticSeverityError, Summary: summary})
		case len(found) > 0 && line != "":
			last := &found[len(found)-1]
			last.Detail += line + "\n"
		}
	}
	return found
}

func lockOf(detail string) *StateLocked {
	lock := &StateLocked{}
	for _, field := range lockField.FindAllStringSubmatch(detail, -1) {
		switch field[1] {
		case "ID":
			lock.ID = field[2]
		case "Who":
			lock.Who = field[2]
		case "Created":
			lock.Created = field[2]
		case "Operation":
			lock.Operation = strings.TrimPrefix(field[2], "OperationType")
		}
	}
	return lock
}
