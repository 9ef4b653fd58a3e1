// Package batch copies the stores of a system together: one job, one set of
// mask rules, one journal for each store, one answer. A job is data, so that a
// command, a file and a Secret of Kubernetes can hold it; who may copy what
// where is decided here (Allow), by the stages of both sides.
//
// It knows engines by their interface only, and nothing of commands and
// clusters. Start at Job, then Run.
package batch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Action is what a job does.
type Action string

// Actions. Only Copy changes anything.
const (
	// Copy plans, copies and verifies.
	Copy Action = "copy"
	// Plan says what Copy would do.
	Plan Action = "plan"
	// Verify compares both sides as they are now.
	Verify Action = "verify"
	// Check holds the mask's rules against the source.
	Check Action = "check"
	// Suggest drafts rules for the source.
	Suggest Action = "suggest"
)

// Job is what to copy, complete: its addresses and its mask key are secrets,
// and it is kept only where secrets are.
type Job struct {
	// Name of the copy; From and To as people call the two sides.
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
	// Action is Copy when empty.
	Action Action `json:"action,omitempty"`
	// FromStage and ToStage are the stages of the two sides; "" is not known.
	FromStage string `json:"fromStage,omitempty"`
	ToStage   string `json:"toStage,omitempty"`

	Stores []Store `json:"stores"`

	// Follow says that Options.Cutover is expected: the copy goes on with the
	// source's changes until then. Of a plan it asks whether that can be.
	Follow bool `json:"follow,omitempty"`

	// Rules are a document of mask rules, "" for none; Key is the secret that
	// its pseudonyms come from.
	Rules string `json:"rules,omitempty"`
	Key   string `json:"key,omitempty"`

	Choices
}

// Choices are what a person decides about a copy.
type Choices struct {
	// Unmasked and IntoProduction: see Allow.
	Unmasked       bool `json:"unmasked,omitempty"`
	IntoProduction bool `json:"intoProduction,omitempty"`
	// The others are those of datacopy.Request. Names of Options may begin with
	// a kind of store, as in s3.tags, and are for this kind then.
	Mode              datacopy.Mode     `json:"mode,omitempty"`
	Replace           bool              `json:"replace,omitempty"`
	Delete            bool              `json:"delete,omitempty"`
	Include           []string          `json:"include,omitempty"`
	Exclude           []string          `json:"exclude,omitempty"`
	Parallel          int               `json:"parallel,omitempty"`
	MaxBytesPerSecond int64             `json:"maxBytesPerSecond,omitempty"`
	MaxThreadsRunning int               `json:"maxThreadsRunning,omitempty"`
	StopWrites        bool              `json:"stopWrites,omitempty"`
	Options           map[string]string `json:"options,omitempty"`
}

// Store is one store of a job, by the addresses of both sides.
type Store struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// String names the job without its secrets.
func (j Job) String() string { return fmt.Sprintf("copy %s from %s to %s", j.Name, j.From, j.To) }

// GoString is String, so that %#v hides secrets too.
func (j Job) GoString() string { return j.String() }

// Stages that the rules know; others are as good as none.
const production = "production"

// Allow says whether data may go from one side to the other: into production
// only on purpose, and out of it only masked, unless that is stated.
func (j Job) Allow() error {
	if j.readsOnly() {
		return nil
	}
	if j.ToStage == production && !j.IntoProduction {
		return fault.New(fault.Refused, "Say --into-production (spec.intoProduction) if production is really meant to be written to.",
			"copying data from %s to %s: the target is production", j.From, j.To)
	}
	if j.FromStage == production && j.ToStage != production && j.Rules == "" && !j.Unmasked {
		return fault.New(fault.Refused, "Name mask rules (`landfall data mask suggest` drafts them), or say --unmasked (spec.unmasked).",
			"copying data from %s to %s: data of production leaves it masked only", j.From, j.To)
	}
	return nil
}

// readsOnly says that no data moves.
func (j Job) readsOnly() bool { return j.Action == Check || j.Action == Suggest || j.Action == Verify }

// task is the copy of one store, ready to run.
type task struct {
	name    string
	engine  datacopy.Engine
	request datacopy.Request
	mask    *mask.Mask
	follow  bool
}

// Engines finds the engine of a kind.
type Engines func(datacopy.Kind) (datacopy.Engine, error)

// tasks reads addresses and rules: what is wrong with any store is found out
// before the first is touched.
func (j Job) tasks(engines Engines) ([]task, error) {
	if err := j.Allow(); err != nil {
		return nil, err
	}
	if len(j.Stores) == 0 {
		return nil, fault.New(fault.Invalid, "Both sides need a store of the same name and type.", "copying data from %s to %s: there is no store to copy", j.From, j.To)
	}
	if err := j.checkOptions(engines); err != nil {
		return nil, err
	}
	rules, key, err := j.masking()
	if err != nil {
		return nil, err
	}
	tasks := make([]task, 0, len(j.Stores))
	for _, store := range j.Stores {
		made, err := j.task(store, engines, rules, key)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", store.Name, err)
		}
		tasks = append(tasks, made)
	}
	return tasks, nil
}

func (j Job) task(store Store, engines Engines, rules *mask.Rules, key mask.Key) (task, error) {
	from, err := datacopy.ParseAddress(store.From)
	if err != nil {
		return task{}, err
	}
	var to datacopy.Address
	if j.Action != Check && j.Action != Suggest {
		if to, err = datacopy.ParseAddress(store.To); err != nil {
			return task{}, err
		}
	}
	t := task{name: store.Name, follow: j.Follow, request: datacopy.Request{
		From: from, To: to, Mode: j.Mode, Replace: j.Replace, Delete: j.Delete, Include: j.Include, Exclude: j.Exclude,
		Parallel: j.Parallel, MaxBytesPerSecond: j.MaxBytesPerSecond, MaxThreadsRunning: j.MaxThreadsRunning,
		StopWrites: j.StopWrites, Options: j.optionsOf(from.Kind()),
	}}
	if t.engine, err = engines(from.Kind()); err != nil {
		return task{}, err
	}
	if rules == nil {
		return t, nil
	}
	if t.mask, err = rules.For(store.Name, from.Kind(), key); err != nil {
		return task{}, err
	}
	if t.mask.Empty() && j.Action != Check {
		t.mask = nil
		if j.FromStage == production && j.ToStage != production && !j.Unmasked && !j.readsOnly() {
			return task{}, fault.New(fault.Refused, "Write rules for it; `keep` says that somebody has looked.", "no mask rule is about it, and its data is production's")
		}
		return t, nil
	}
	t.request.Mask = t.mask
	return t, nil
}

// checkOptions says which option is for a kind of store that does not exist.
func (j Job) checkOptions(engines Engines) error {
	for _, name := range slices.Sorted(maps.Keys(j.Options)) {
		if kind, _, limited := strings.Cut(name, "."); limited {
			if _, err := engines(datacopy.Kind(kind)); err != nil {
				return fault.New(fault.Invalid, "Options begin with mysql, redis or s3, as in s3.tags.", "reading the options: %s is of no kind of store", name)
			}
		}
	}
	return nil
}

// optionsOf are the options for one kind of store: those without a kind before
// them (s3.tags) are for all.
func (j Job) optionsOf(kind datacopy.Kind) map[string]string {
	own := map[string]string{}
	for name, value := range j.Options {
		of, rest, limited := strings.Cut(name, ".")
		switch {
		case !limited:
			own[name] = value
		case of == string(kind):
			own[rest] = value
		}
	}
	return own
}

// masking reads rules and key.
func (j Job) masking() (*mask.Rules, mask.Key, error) {
	if j.Rules == "" {
		return nil, mask.Key{}, nil
	}
	rules, err := mask.Parse(strings.NewReader(j.Rules))
	if err != nil {
		return nil, mask.Key{}, err
	}
	if j.Key == "" {
		return rules, mask.Key{}, nil
	}
	key, err := mask.NewKey([]byte(j.Key))
	return rules, key, err
}
