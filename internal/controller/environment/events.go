package environment

import (
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// Types of Events.
const (
	normal  = corev1.EventTypeNormal
	warning = corev1.EventTypeWarning
)

// maxNote is what the API takes for the text of an Event.
const maxNote = 1000

// event tells of something that happened to the environment.
func (r *Reconciler) event(s *scope, kind, reason, action, note string, args ...any) {
	text := fmt.Sprintf(note, args...)
	if len(text) > maxNote {
		text = text[:maxNote-3] + "..."
	}
	r.Recorder.Eventf(s.env, nil, kind, reason, action, "%s", text)
}

// announce tells of a problem once, and again when it is another one.
func (r *Reconciler) announce(s *scope) {
	reason, text := "", ""
	switch {
	case s.problem != nil:
		reason, text = s.problem.reason, s.problem.Error()
	case s.env.Status.Phase == v1alpha1.PhaseDegraded:
		reason, text = v1alpha1.ReasonDegraded, firstFailure(s.failures)
	case !s.env.DeletionTimestamp.IsZero():
		if held, message := s.deletion(); held == v1alpha1.ReasonDeletionBlocked {
			reason, text = held, message
		}
	}
	told := false
	r.memory.of(s.key(), func(k *recollection) {
		told = k.announced == reason
		k.announced = reason
	})
	kind := warning
	if reason == v1alpha1.ReasonSeeding {
		kind = normal // it takes its time
	}
	if !told && reason != "" {
		r.event(s, kind, reason, "Reconcile", "%s", text)
	}
}
