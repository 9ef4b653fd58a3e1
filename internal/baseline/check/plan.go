package check

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"time"
)

const (
	defaultTimeout = 10 * time.Second
	defaultWait    = 500 * time.Millisecond
	defaultMaxWait = 30 * time.Second
	defaultMaxBody = 1 << 20
	maxAttempts    = 100
)

// flow is a Check made ready.
type flow struct {
	name  string
	steps []*step
}

// step is a Step made ready: patterns compiled, defaults filled in.
type step struct {
	name    string
	request Request
	// free says that the address is made of the document's own words and
	// variables, not of what a server sent.
	free     bool
	status   []statusRange
	headers  []namedCondition
	body     []bodyCondition
	redirect *condition
	issuer   *condition
	expect   Expect
	captures []capture
	retry    Retry
	timeout  time.Duration
	maxBody  int64
}

type namedCondition struct {
	name string
	*condition
}

type bodyCondition struct {
	selector  *selector
	condition *condition
	count     []comparison
	text      Range
}

type capture struct {
	name string
	Capture
	selector *selector
	pattern  *regexp.Regexp
}

// nameSet are the names that a text may refer to.
type nameSet map[string]bool

func (n nameSet) check(texts ...string) error {
	for _, text := range texts {
		for _, name := range names(text) {
			if !n[name] {
				return fmt.Errorf("${%s}: no variable, secret or earlier capture has that name (known: %s)", name, sortedNames(n))
			}
		}
	}
	return nil
}

// Validate checks what the types alone cannot: see Parse.
func (d *Document) Validate() error {
	_, err := d.compile(nil)
	return err
}

// compile makes the checks ready. extra are variables that the document does
// not name.
func (d *Document) compile(extra map[string]string) ([]*flow, error) {
	known, err := d.names(extra)
	if err != nil {
		return nil, err
	}
	var problems []error
	var flows []*flow
	taken := nameSet{}
	for i := range d.Checks {
		c := &d.Checks[i]
		switch {
		case c.Name == "":
			problems = append(problems, fmt.Errorf("check %d has no name", i+1))
		case taken[c.Name]:
			problems = append(problems, fmt.Errorf("two checks are called %q", c.Name))
		}
		taken[c.Name] = true
		f, err := d.compileCheck(c, known)
		if err != nil {
			problems = append(problems, fmt.Errorf("check %q: %w", c.Name, err))
		}
		flows = append(flows, f)
	}
	if len(d.Checks) == 0 {
		problems = append(problems, errors.New("there are no checks"))
	}
	return flows, errors.Join(problems...)
}

// names checks the head of the document and gives the names it gives values
// to.
func (d *Document) names(extra map[string]string) (nameSet, error) {
	if d.Version != Version {
		return nil, fmt.Errorf("version is %q, not %s", d.Version, Version)
	}
	known := nameSet{unique: true}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(d.Variables)), slices.Collect(maps.Keys(extra))) {
		known[name] = true
	}
	variables := maps.Clone(known)
	for name, secret := range d.Secrets {
		if (secret.Env == "") == (secret.File == "") {
			return nil, fmt.Errorf("secret %q: exactly one of env and file says where it is", name)
		}
		if known[name] {
			return nil, fmt.Errorf("%q is a variable and a secret", name)
		}
		known[name] = true
	}
	for name := range known {
		if !nameForm.MatchString(name) {
			return nil, fmt.Errorf("%q is no name: letters, digits and _ make one", name)
		}
	}
	if err := variables.check(d.URL, d.Host); err != nil {
		return nil, fmt.Errorf("url and host: %w", err)
	}
	return known, d.Defaults.Retry.validate()
}

func (d *Document) compileCheck(c *Check, known nameSet) (*flow, error) {
	f := &flow{name: c.Name}
	steps := c.Steps
	single := !isZero(c.Request)
	switch {
	case single && len(steps) > 0:
		return nil, errors.New("it has a request and steps: it is one or the other")
	case !single && len(steps) == 0:
		return nil, errors.New("it has neither a request nor steps")
	case !single && !reflect.ValueOf(c.Action).IsZero():
		return nil, errors.New("what is expected of steps is written with each of them")
	case single:
		steps = []Step{{Action: c.Action}}
	}
	known = maps.Clone(known)
	captured := nameSet{}
	for i := range steps {
		s, err := d.compileStep(&steps[i], known, captured)
		if err != nil {
			if single {
				return nil, err
			}
			return nil, fmt.Errorf("step %d (%s): %w", i+1, nameOf(&steps[i]), err)
		}
		f.steps = append(f.steps, s)
		for name := range steps[i].Capture {
			known[name], captured[name] = true, true
		}
	}
	return f, nil
}

func nameOf(s *Step) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Request.method() + " " + s.Request.Path + s.Request.URL
}

func isZero(r Request) bool { return r.Path == "" && r.URL == "" && r.Method == "" }

func (d *Document) compileStep(source *Step, known, captured nameSet) (*step, error) {
	s := &step{
		name: nameOf(source), request: source.Request, expect: source.Expect,
		timeout: time.Duration(first(source.Timeout, d.Defaults.Timeout, Duration(defaultTimeout))),
		maxBody: int64(first(source.MaxBody, d.Defaults.MaxBody, Size(defaultMaxBody))),
		retry:   Retry{Attempts: 1},
	}
	if err := source.Retry.validate(); err != nil {
		return nil, err
	}
	if retry := first(source.Retry, d.Defaults.Retry); retry != nil {
		s.retry = *retry
	}
	s.free = !slices.ContainsFunc(names(source.Request.URL), func(name string) bool { return captured[name] })
	for _, compile := range []func(nameSet) error{
		func(known nameSet) error { return source.Request.validate(d, known) },
		s.compileExpect,
		func(known nameSet) error { return s.compileCaptures(source.Capture, known) },
	} {
		if err := compile(known); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// first gives the first value that is set.
func first[T comparable](options ...T) T {
	var zero T
	for _, option := range options {
		if option != zero {
			return option
		}
	}
	return zero
}

func (r *Retry) validate() error {
	if r != nil && (r.Attempts < 1 || r.Attempts > maxAttempts) {
		return fmt.Errorf("retry: attempts is %d, not 1 to %d", r.Attempts, maxAttempts)
	}
	return nil
}

func (s *step) compileExpect(known nameSet) error {
	expect := &s.expect
	status := expect.Status
	switch {
	case status != "":
	case expect.Redirect != nil && !s.request.Follow:
		status = "3xx"
	default:
		status = "2xx"
	}
	expect.Status = status
	var err error
	if s.status, err = status.parse(); err != nil {
		return fmt.Errorf("expect: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(expect.Headers)) {
		compiled, err := expect.Headers[name].compile(known)
		if err != nil {
			return fmt.Errorf("expect: header %s: %w", name, err)
		}
		s.headers = append(s.headers, namedCondition{http.CanonicalHeaderKey(name), compiled})
	}
	for i := range expect.Body {
		compiled, err := expect.Body[i].compile(known)
		if err != nil {
			return fmt.Errorf("expect: body %d: %w", i+1, err)
		}
		s.body = append(s.body, *compiled)
	}
	if expect.Redirect != nil {
		if s.redirect, err = expect.Redirect.compile(known); err != nil {
			return fmt.Errorf("expect: redirect: %w", err)
		}
	}
	if expect.Certificate != nil && expect.Certificate.Issuer != nil {
		if s.issuer, err = expect.Certificate.Issuer.compile(known); err != nil {
			return fmt.Errorf("expect: certificate: issuer: %w", err)
		}
	}
	return nil
}

func (b BodyCondition) compile(known nameSet) (*bodyCondition, error) {
	selects, err := b.Selector.compile()
	if err != nil {
		return nil, err
	}
	holds, err := b.Condition.compile(known)
	if err != nil {
		return nil, err
	}
	compiled := &bodyCondition{selector: selects, condition: holds, text: b.Count}
	switch {
	case b.Count == "":
		if selects.whole() && !b.positive() && b.Not == nil {
			return nil, errors.New("it asks for nothing: name a condition, json or css")
		}
		return compiled, nil
	case selects.whole():
		return nil, errors.New("count is of what json or css finds")
	}
	if compiled.count, err = b.Count.parse(); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return compiled, nil
}

func (s *step) compileCaptures(captures map[string]Capture, known nameSet) error {
	for _, name := range slices.Sorted(maps.Keys(captures)) {
		source := captures[name]
		if !nameForm.MatchString(name) || name == unique {
			return fmt.Errorf("capture %q: not a name for a value: letters, digits and _ make one", name)
		}
		sources := 0
		for _, text := range []string{source.Header, source.Cookie, source.JSON, source.CSS} {
			if text != "" {
				sources++
			}
		}
		if sources > 1 || sources == 0 && source.Matches == "" {
			return fmt.Errorf("capture %s: exactly one of header, cookie, json and css is needed, or matches for the body", name)
		}
		compiled := capture{name: name, Capture: source}
		var err error
		if compiled.selector, err = source.compile(); err != nil {
			return fmt.Errorf("capture %s: %w", name, err)
		}
		if compiled.pattern, err = regexp.Compile(source.Matches); err != nil {
			return fmt.Errorf("capture %s: matches: %w", name, err)
		}
		s.captures = append(s.captures, compiled)
	}
	return nil
}
