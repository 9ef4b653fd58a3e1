// Package migration binds Migration objects to the traffic domain: what an
// object says as a definition, a router and guards; the words in its spec; the
// journal in its status; the evidence beside it. The controller runs migrations
// by it, commands plan them and, when no controller answers, abort them. It
// decides nothing about weights: that is internal/traffic.
//
// Start at Definition, then Binder.
package migration

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Definition is the migration as its object says it. It is not validated.
func Definition(m *v1alpha1.Migration) traffic.Definition {
	d := traffic.Definition{
		Name: m.Name, Hostname: m.Spec.Hostname,
		From:       traffic.Backend{Name: m.Spec.From.Name, URL: m.Spec.From.URL},
		To:         traffic.Backend{Name: m.Spec.To.Name, URL: m.Spec.To.URL},
		OnFailure:  traffic.OnFailure(m.Spec.OnFailure),
		Interval:   m.Spec.Interval.Duration,
		UnknownFor: m.Spec.UnknownFor.Duration,

		ResidualFor: m.Spec.ResidualFor.Duration,

		OnForeignChange: traffic.OnForeignChange(m.Spec.OnForeignChange),
	}
	if m.Spec.DeadMan != nil {
		d.DeadMan = m.Spec.DeadMan.Duration
	}
	for _, s := range m.Spec.Steps {
		d.Steps = append(d.Steps, traffic.Step{Weight: traffic.Weight(s.Weight), Hold: s.Hold.Duration, Approval: s.Approval})
	}
	for _, g := range m.Spec.Guards {
		d.Guards = append(d.Guards, rule(g))
	}
	for _, c := range m.Spec.Contacts {
		d.Contacts = append(d.Contacts, traffic.Contact{Name: c.Name, Role: c.Role, Address: c.Address})
	}
	return d
}

// rule says what a guard's readings mean. Guards that count requests of the new
// side have nothing to count before it gets any.
func rule(g v1alpha1.MigrationGuard) traffic.GuardRule {
	r := traffic.GuardRule{Name: g.Name, Failures: max(int(g.Failures), 1), Idle: g.Idle || g.Router != nil, Gate: g.Parity != nil}
	switch {
	case g.Every != nil:
		r.Every = g.Every.Duration
	case g.Parity != nil:
		r.Every = parityEvery
	}
	if g.UnknownFor != nil {
		r.UnknownFor = g.UnknownFor.Duration
	}
	return r
}

// Words that were said in the present attempt after a serial number, oldest
// first.
func Words(m *v1alpha1.Migration, after int64) []traffic.Word {
	var words []traffic.Word
	for _, w := range m.Spec.Words {
		if w.Attempt == Attempt(m) && w.Serial > after {
			words = append(words, traffic.Word{
				Serial: w.Serial, Verb: traffic.Verb(w.Verb), Step: max(int(w.Step)-1, 0),
				By: w.By, At: w.At.Time, Why: w.Why,
			})
		}
	}
	return words
}

// Say adds a word to the object and gives its serial number.
func Say(m *v1alpha1.Migration, word traffic.Word) int64 {
	said := v1alpha1.MigrationWord{
		Serial: LastWord(m) + 1, Attempt: Attempt(m), Verb: string(word.Verb), By: word.By, At: metav1.NewTime(word.At.Truncate(time.Second)), Why: word.Why,
	}
	if word.Verb == traffic.SayApprove {
		said.Step = int32(word.Step + 1)
	}
	m.Spec.Words = append(m.Spec.Words, said)
	return said.Serial
}

// LastWord is the serial number of the newest word; 0 where none was said.
func LastWord(m *v1alpha1.Migration) int64 {
	var last int64
	for _, w := range m.Spec.Words {
		last = max(last, w.Serial)
	}
	return last
}

// Attempt of the migration, from 1.
func Attempt(m *v1alpha1.Migration) int64 { return max(m.Spec.Attempt, 1) }

// Phase of the present attempt.
func Phase(m *v1alpha1.Migration) traffic.Phase {
	if j := m.Status.Journal; j == nil || j.Attempt != Attempt(m) || m.Status.Phase == "" {
		return traffic.Pending
	}
	return traffic.Phase(m.Status.Phase)
}

// Conflict names the place where two migrations would fight over weights; ""
// where they do not. One that was let go of is in nobody's way, and of two that
// have not begun the older one comes first.
func Conflict(m, other *v1alpha1.Migration) string {
	if m.UID == other.UID || Phase(other) == traffic.Finished {
		return ""
	}
	if other.Status.Journal == nil && !older(other, m) {
		return ""
	}
	theirs := Places(other)
	for _, place := range Places(m) {
		if slices.Contains(theirs, place) {
			return place
		}
	}
	return ""
}

func older(a, b *v1alpha1.Migration) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

// EvidenceName is the name of the Secret that holds the evidence of an attempt.
func EvidenceName(m *v1alpha1.Migration) string {
	return fmt.Sprintf("%s-evidence-%d", m.Name, Attempt(m))
}

// Answered is how long a controller may take to hear a word until it is taken
// for dead.
const Answered = 3 * time.Second
