package kube

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// State of one object.
type State string

// States of an object.
const (
	// Ready: it does what it should; a Job has completed.
	Ready State = "ready"
	// InProgress: the cluster is at it.
	InProgress State = "in progress"
	// Failed: it will not become ready by itself.
	Failed State = "failed"
	// Missing: it is not there.
	Missing State = "missing"
)

// ObjectStatus is how one object is.
type ObjectStatus struct {
	Object    v1alpha1.ObjectRef
	Component string
	State     State
	Message   string
	// Ready and Desired instances of a workload; 0 of 0 for other kinds.
	Ready, Desired int32
}

// Instances counts a component's instances.
type Instances struct{ Ready, Desired int32 }

// Readiness is how several objects are.
type Readiness struct {
	Objects []ObjectStatus
	// Troubled is true when something looks wrong enough to ask Diagnose.
	Troubled bool
	// Recheck is when to look again although no event came, because something
	// is not watched. 0 means that events suffice.
	Recheck time.Duration
}

// AllReady tells whether nothing is left to wait for.
func (r Readiness) AllReady() bool { return len(r.Waiting()) == 0 }

// Waiting gives the objects that are not ready.
func (r Readiness) Waiting() []ObjectStatus {
	var waiting []ObjectStatus
	for _, o := range r.Objects {
		if o.State != Ready {
			waiting = append(waiting, o)
		}
	}
	return waiting
}

// Components counts instances by component. Jobs do not count.
func (r Readiness) Components() map[string]Instances {
	counts := make(map[string]Instances)
	for _, o := range r.Objects {
		if o.Object.Kind == "Job" {
			continue
		}
		n := counts[o.Component]
		counts[o.Component] = Instances{Ready: n.Ready + o.Ready, Desired: n.Desired + o.Desired}
	}
	return counts
}

// Ready tells how objects are, from watched state: it makes no request for
// kinds it has watched before. Objects applied a moment ago count as in
// progress until the watch has seen them. Only names and kinds of objs matter.
func (t *Target) Ready(ctx context.Context, objs []*unstructured.Unstructured) (Readiness, error) {
	return Readiness{}, errors.ErrUnsupported
}
