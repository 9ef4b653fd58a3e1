package migration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// maxText bounds one text in a status, in runes: readings quote foreign
// answers.
const maxText = 500

// Progress reads the journal in the object's status. A new attempt begins with
// the zero value, but for the epoch, which only grows.
func Progress(m *v1alpha1.Migration) (traffic.Progress, error) {
	j := m.Status.Journal
	if j == nil {
		return traffic.Progress{}, nil
	}
	if j.Attempt != Attempt(m) {
		return traffic.Progress{Epoch: j.Epoch}, nil
	}
	var p traffic.Progress
	if err := json.Unmarshal(j.Progress.Raw, &p); err != nil {
		return p, fault.New(fault.Failed, "Somebody has edited it: `landfall migrate abort --now` returns traffic; start it again then.",
			"reading status.journal of migration %s: %w", m.Name, err)
	}
	p.Epoch = j.Epoch
	return p, nil
}

// SetProgress writes the journal into the object's status, and what people read
// of it.
func SetProgress(m *v1alpha1.Migration, p traffic.Progress, worker string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the journal of migration %s: %w", m.Name, err)
	}
	s := &m.Status
	s.Journal = &v1alpha1.MigrationJournal{Attempt: Attempt(m), Epoch: p.Epoch, Worker: worker, Progress: runtime.RawExtension{Raw: text}}
	s.Phase, s.Reason, s.HeardWords = v1alpha1.MigrationPhase(p.Phase), Shorten(p.Reason), p.HeardWords
	s.Progress = fmt.Sprintf("%d of %d", min(p.Step+1, len(m.Spec.Steps)), len(m.Spec.Steps))
	s.Evidence = EvidenceName(m)
	s.Guards = nil
	for _, name := range slices.Sorted(maps.Keys(p.Guards)) {
		s.Guards = append(s.Guards, guardStatus(name, p.Guards[name]))
	}
	setConditions(m, p)
	return nil
}

// setConditions says by phase whether the migration has ended well, is under
// way, or waits for a person.
func setConditions(m *v1alpha1.Migration, p traffic.Progress) {
	m.Status.ObservedGeneration = m.Generation
	reason, ready, working := string(p.Phase), metav1.ConditionFalse, metav1.ConditionTrue
	switch p.Phase {
	case traffic.Completed, traffic.Finished:
		ready, working = metav1.ConditionTrue, metav1.ConditionFalse
	case traffic.Reverted, traffic.Paused:
		working = metav1.ConditionFalse
	case "":
		reason = string(traffic.Pending)
	}
	SetCondition(m, v1alpha1.ConditionReady, ready, reason, p.Reason)
	SetCondition(m, v1alpha1.ConditionReconciling, working, reason, p.Reason)
	meta.RemoveStatusCondition(&m.Status.Conditions, v1alpha1.ConditionStalled)
}

// SetCondition sets one condition, about the object as it is.
func SetCondition(m *v1alpha1.Migration, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: Shorten(message), ObservedGeneration: m.Generation,
	})
}

func guardStatus(name string, g traffic.GuardProgress) v1alpha1.GuardStatus {
	return v1alpha1.GuardStatus{
		Name: name, Answer: v1alpha1.Answer(g.Last.Answer.String()), At: microTime(g.Last.At),
		Value: Shorten(g.Last.Value), Bound: Shorten(g.Last.Bound), Reason: Shorten(g.Last.Reason), Bad: int32(g.Bad),
	}
}

// SetWeights writes what the router was read to have into the object's status.
func SetWeights(m *v1alpha1.Migration, state traffic.State, at time.Time) {
	m.Status.SeenAt = microTime(at)
	m.Status.Weight = Weight(state)
	m.Status.Instances = nil
	for _, i := range state.Instances {
		one := v1alpha1.RouterInstance{
			Name: i.Name, Old: int64(i.Old), New: int64(i.New), Settled: i.Settled,
			Waiting: Shorten(i.Waiting), Residual: int64(i.Residual), DeadMan: Shorten(i.DeadMan),
		}
		if i.Err != nil {
			one.Error = Shorten(i.Err.Error())
		}
		m.Status.Instances = append(m.Status.Instances, one)
	}
}

// Weight of the new side over all instances, for people: "25 %", "0–25 %" where
// they differ, "unknown" where one could not be read.
func Weight(state traffic.State) string {
	low, high := 2.0, -1.0
	for _, i := range state.Instances {
		if i.Err != nil || i.Share() < 0 {
			return "unknown"
		}
		low, high = min(low, i.Share()), max(high, i.Share())
	}
	switch {
	case high < 0:
		return "unknown"
	case low == high:
		return percent(low) + " %"
	}
	return percent(low) + "–" + percent(high) + " %"
}

func percent(share float64) string { return fmt.Sprintf("%.3g", share*100) }

// Shorten makes foreign text safe to show and small enough for a status.
func Shorten(text string) string {
	text = result.Clean(text)
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return text
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	stamp := metav1.NewMicroTime(t.Truncate(time.Microsecond))
	return &stamp
}
