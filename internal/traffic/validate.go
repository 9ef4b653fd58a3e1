package traffic

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Bounds of what a definition may say.
const (
	MaxSteps    = 100
	MaxGuards   = 50
	MaxInterval = 10 * time.Minute
	MaxHold     = 30 * 24 * time.Hour
)

// WithDefaults fills in what was left out.
func (d Definition) WithDefaults() Definition {
	orDefault(&d.OnFailure, Revert)
	orDefault(&d.OnForeignChange, Restore)
	orDefault(&d.Interval, DefaultInterval)
	orDefault(&d.UnknownFor, DefaultUnknownFor)
	orDefault(&d.ResidualFor, DefaultResidualFor)
	return d
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// unknownFor is how long a guard may be unknown; forever if negative.
func (d Definition) unknownFor(rule GuardRule) time.Duration {
	orDefault(&rule.UnknownFor, d.UnknownFor)
	return rule.UnknownFor
}

// every is how often a guard is read.
func (d Definition) every(rule GuardRule) time.Duration {
	orDefault(&rule.Every, d.Interval)
	return rule.Every
}

// readTimeout is how long one reading may take until it is unknown.
func (d Definition) readTimeout(rule GuardRule) time.Duration {
	return max(2*d.every(rule), 2*time.Second)
}

// readingLasts is how long a reading says something.
func (d Definition) readingLasts(rule GuardRule) time.Duration {
	return 2*d.every(rule) + d.readTimeout(rule)
}

// Validate says what is wrong with a definition: a fault.Invalid error that
// names every field at fault, or nil.
func (d Definition) Validate() error {
	d = d.WithDefaults()
	var v problems
	v.name("name", d.Name)
	v.hostname("hostname", d.Hostname)
	v.backends(d)
	v.steps(d.Steps)
	v.guards(d.Guards)
	v.check(d.OnFailure == Revert || d.OnFailure == Pause, "onFailure: %q is neither %s nor %s", d.OnFailure, Revert, Pause)
	v.check(d.OnForeignChange == Restore || d.OnForeignChange == PauseThere,
		"onForeignChange: %q is neither %s nor %s", d.OnForeignChange, Restore, PauseThere)
	v.between("interval", d.Interval, MinInterval, MaxInterval)
	v.between("unknownFor", d.UnknownFor, d.Interval, MaxHold)
	v.between("residualFor", d.ResidualFor, 0, MaxHold)
	if d.DeadMan != 0 {
		v.between("deadMan", d.DeadMan, MinDeadMan, MaxHold)
	}
	for i, contact := range d.Contacts {
		v.text(fmt.Sprintf("contacts[%d]", i), contact.Name+contact.Role+contact.Address)
	}
	if len(v) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "Correct the definition of the migration.",
		"migration %s: %s", result.Clean(d.Name), strings.Join(v, "; "))
}

// ValidateWith also asks whether the router can do what the definition wants.
func (d Definition) ValidateWith(router Router) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if _, watched := router.(Watched); d.DeadMan > 0 && !watched {
		return fault.New(fault.Invalid, "Configure a watchdog for this router, or leave deadMan out.",
			"migration %s: deadMan: nothing beside %s %s can return traffic without Landfall",
			d.Name, router.Describe().Kind, router.Describe().Place)
	}
	return nil
}

// problems are what is wrong, field by field.
type problems []string

func (v *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Sprintf(format, args...))
	}
}

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	labelForm = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$`)
)

func (v *problems) name(field, name string) {
	v.check(nameForm.MatchString(name), "%s: %q is not a name of small letters, digits and dashes, 63 at most", field, name)
}

func (v *problems) hostname(field, name string) {
	ok := len(name) <= 253
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		ok = ok && labelForm.MatchString(label)
	}
	v.check(ok, "%s: %q is not a DNS name in small letters", field, name)
}

func (v *problems) text(field, text string) {
	v.check(result.IsClean(text) && len(text) <= 1000, "%s: %q holds control characters, or more than 1000 bytes", field, result.Clean(text))
}

func (v *problems) between(field string, value, low, high time.Duration) {
	v.check(value >= low && value <= high, "%s: %s is not between %s and %s", field, value, rough(low), rough(high))
}

func (v *problems) backends(d Definition) {
	v.name("from.name", d.From.Name)
	v.name("to.name", d.To.Name)
	v.check(d.From.Name != d.To.Name, "to.name: both sides are called %q", d.To.Name)
	v.url("from.url", d.From.URL)
	v.url("to.url", d.To.URL)
}

func (v *problems) url(field, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
	v.check(ok, "%s: not an http or https URL without user and password", field)
}

func (v *problems) steps(steps []Step) {
	v.check(len(steps) > 0, "steps: there is none; the last one must have weight %d", All)
	v.check(len(steps) <= MaxSteps, "steps: %d are more than %d", len(steps), MaxSteps)
	for i, step := range steps {
		field := fmt.Sprintf("steps[%d]", i)
		v.check(step.Weight >= None && step.Weight <= All, "%s.weight: %d is not between %d and %d", field, step.Weight, None, All)
		if i > 0 {
			v.check(step.Weight > steps[i-1].Weight, "%s.weight: %d does not go up from %d", field, step.Weight, steps[i-1].Weight)
		}
		v.between(field+".hold", step.Hold, 0, MaxHold)
	}
	if len(steps) > 0 {
		last := len(steps) - 1
		v.check(steps[last].Weight == All, "steps[%d].weight: the last one is %d, not %d", last, steps[last].Weight, All)
	}
}

func (v *problems) guards(rules []GuardRule) {
	v.check(len(rules) <= MaxGuards, "guards: %d are more than %d", len(rules), MaxGuards)
	seen := map[string]bool{}
	for i, rule := range rules {
		field := fmt.Sprintf("guards[%d]", i)
		v.name(field+".name", rule.Name)
		v.check(!seen[rule.Name], "%s.name: there are two guards %q", field, rule.Name)
		seen[rule.Name] = true
		v.check(rule.Failures >= 0 && rule.Failures <= 1000, "%s.failures: %d is not between 1 and 1000", field, rule.Failures)
		v.check(rule.UnknownFor <= MaxHold, "%s.unknownFor: %s is more than %s", field, rule.UnknownFor, MaxHold)
		if rule.Every != 0 {
			v.between(field+".every", rule.Every, MinInterval, MaxInterval)
		}
	}
}
