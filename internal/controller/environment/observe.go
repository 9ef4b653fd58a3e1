package environment

import (
	"context"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// observe looks at what runs.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	if s.release == nil {
		return nil
	}
	if s.release.Status.Phase == v1alpha1.ReleaseSucceeded {
		s.env.Status.LastSuccessful = s.release.Name
	}
	objs := lasting(s.objects())
	readiness, err := s.target.Ready(ctx, objs)
	if err != nil {
		return targetError(err)
	}
	s.readiness = &readiness
	s.lookAgain(readiness.Recheck)
	s.env.Status.Components = components(s.release.Spec.Components, readiness)
	if s.release.Status.Phase != v1alpha1.ReleaseSucceeded {
		s.failures = s.release.Status.Failures
		s.tellWhy()
		return nil
	}
	return r.explain(ctx, s, objs)
}

// degradedEvery bounds how often it is asked what is wrong with a release that
// once was ready.
const degradedEvery = 30 * time.Second

// explain asks why something is not ready that was.
func (r *Reconciler) explain(ctx context.Context, s *scope, objs []*unstructured.Unstructured) error {
	if s.readiness.AllReady() || !s.readiness.Troubled {
		return nil
	}
	s.lookAgain(degradedEvery)
	last := func(k *recollection) *time.Time { return &k.diagnosed }
	if !r.memory.once(s.key(), last, s.now, degradedEvery) {
		s.keepMessages()
		return nil
	}
	diagnoses, err := s.target.Diagnose(ctx, objs)
	if err != nil {
		log.FromContext(ctx).Info("cannot tell what is wrong", "reason", err.Error())
		return nil
	}
	s.failures = kube.Failures(diagnoses)
	s.tellWhy()
	return nil
}

// tellWhy lets components say why they are not ready, in their pods' words:
// counts of instances are all that a Deployment has to say.
func (s *scope) tellWhy() {
	for i := range s.env.Status.Components {
		c := &s.env.Status.Components[i]
		if c.Message == "" && c.Desired > 0 && c.Ready >= c.Desired {
			continue // it has become ready since
		}
		its := func(f v1alpha1.Failure) bool { return f.Component == c.Name }
		if at := slices.IndexFunc(s.failures, its); at >= 0 {
			c.Message = s.failures[at].Reason + ": " + words(s.failures[at])
		}
	}
}

// keepMessages keeps what the last diagnosis said of components that are still
// not ready.
func (s *scope) keepMessages() {
	before := map[string]string{}
	for _, c := range s.stored.Status.Components {
		before[c.Name] = c.Message
	}
	for i := range s.env.Status.Components {
		if c := &s.env.Status.Components[i]; c.Ready < c.Desired && before[c.Name] != "" {
			c.Message = before[c.Name]
		}
	}
}

// lasting leaves out one-off Jobs: once done, they may go.
func lasting(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	var left []*unstructured.Unstructured
	for _, o := range objs {
		if !isJob(o) {
			left = append(left, o)
		}
	}
	return left
}

// components says how those of a release are, in its order.
func components(released []v1alpha1.ReleaseComponent, readiness kube.Readiness) []v1alpha1.ComponentStatus {
	instances := readiness.Components()
	messages := map[string]string{}
	for _, o := range readiness.Waiting() {
		if messages[o.Component] == "" {
			messages[o.Component] = kube.Describe(o.Object) + ": " + o.Message
		}
	}
	statuses := make([]v1alpha1.ComponentStatus, len(released))
	for i, c := range released {
		statuses[i] = v1alpha1.ComponentStatus{
			Name: c.Name, Version: c.Version, Image: c.Image,
			Ready: instances[c.Name].Ready, Desired: instances[c.Name].Desired, Message: messages[c.Name],
		}
	}
	return statuses
}
