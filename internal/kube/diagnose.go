package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Reasons of failures.
const (
	ReasonImagePull     = "ImagePull"
	ReasonCrashLoop     = "CrashLoop"
	ReasonProbeFailing  = "ProbeFailing"
	ReasonQuota         = "Quota"
	ReasonUnschedulable = "Unschedulable"
	ReasonJobFailed     = "JobFailed"
	ReasonRejected      = "Rejected"
	ReasonTimeout       = "Timeout"
	ReasonVolumePending = "VolumePending"
	ReasonConfigMissing = "ConfigMissing"
	ReasonNodeLost      = "NodeLost"
	ReasonNotStarting   = "NotStarting"
)

// hints say what to do next, by reason.
var hints = map[string]string{
	ReasonImagePull:     "check the version and that the registry has it; a private registry needs a Secret in the blueprint's spec.imagePullSecrets",
	ReasonCrashLoop:     "read its log lines; a rollback brings the last good release back",
	ReasonProbeFailing:  "check the component's health settings and its log",
	ReasonQuota:         "raise the environment's quota, or lower requests or scale",
	ReasonUnschedulable: "add nodes, or lower the component's requests",
	ReasonJobFailed:     "read its log lines, correct the cause and deploy again",
	ReasonVolumePending: "check the storage class and that the cluster can make volumes",
	ReasonConfigMissing: "create what is missing, then deploy again",
	ReasonNodeLost:      "bring the node back, or delete it so that its pods are made elsewhere",
	ReasonNotStarting:   "read the node's and the pod's events",
}

// Diagnosis is one thing that keeps objects from being ready.
type Diagnosis struct {
	v1alpha1.Failure
	// Terminal: waiting will not help (a failed Job, an image that is not
	// there).
	Terminal bool
	// Restarts of the container, where it is about one.
	Restarts int32
	// Since when, as far as the cluster says; may be zero.
	Since time.Time

	// The container it is about, and whose log says more; previous is the run
	// before the present one.
	pod       *corev1.Pod
	container string
	previous  bool
}

// maxDiagnoses is as many as a Release keeps.
const maxDiagnoses = 20

// Diagnose says why those of the objects that are not ready are not: at most
// 20 reasons, the same one for several pods of a workload just once. It reads
// pods, events and the last log lines of crashed containers from the cluster,
// some five requests, so ask when Readiness is Troubled or when time is up,
// not at every event. Nothing found is no error.
func (t *Target) Diagnose(ctx context.Context, objs []*unstructured.Unstructured) ([]Diagnosis, error) {
	readiness, err := t.Ready(ctx, objs)
	if err != nil {
		return nil, err
	}
	scenes := make(map[string]*scene)
	var diagnoses []Diagnosis
	for _, o := range readiness.Waiting() {
		at := scenes[o.Object.Namespace]
		if at == nil {
			if at, err = t.scene(ctx, o.Object.Namespace, readiness.Waiting()); err != nil {
				return nil, err
			}
			scenes[o.Object.Namespace] = at
		}
		diagnoses = append(diagnoses, at.diagnose(o)...)
	}
	diagnoses = diagnoses[:min(len(diagnoses), maxDiagnoses)]
	t.addLogs(ctx, diagnoses)
	return diagnoses, nil
}

// Failures gives the diagnoses as they are stored in a Release.
func Failures(diagnoses []Diagnosis) []v1alpha1.Failure {
	failures := make([]v1alpha1.Failure, len(diagnoses))
	for i, d := range diagnoses {
		failures[i] = d.Failure
	}
	return failures
}

// diagnose says why one object is not ready.
func (s *scene) diagnose(o ObjectStatus) []Diagnosis {
	var found []Diagnosis
	add := func(d Diagnosis) {
		d.Object, d.Component = o.Object, o.Component
		if d.Hint == "" {
			d.Hint = hints[d.Reason]
		}
		same := func(known Diagnosis) bool { return known.Reason == d.Reason && known.container == d.container }
		if i := slices.IndexFunc(found, same); i < 0 {
			found = append(found, d)
		} else if d.Restarts > found[i].Restarts {
			found[i] = d
		}
	}
	pods := s.podsOf(o.Object)
	if o.Object.Kind == "Job" && o.State == Failed {
		add(jobFailed(o, pods))
		return found
	}
	if int32(len(pods)) < max(o.Desired, 1) {
		if d := s.creationFailure(o.Object); d != nil {
			add(*d)
		}
	}
	for i := range pods {
		for _, d := range diagnosePod(&pods[i], s.events, time.Now()) {
			add(d)
		}
	}
	if len(found) == 0 && o.State == Failed {
		add(Diagnosis{Failure: v1alpha1.Failure{Reason: ReasonTimeout, Message: o.Message}})
	}
	return found
}

// jobFailed shows what the last try of a Job said.
func jobFailed(o ObjectStatus, pods []corev1.Pod) Diagnosis {
	d := Diagnosis{Terminal: true, Failure: v1alpha1.Failure{Reason: ReasonJobFailed, Message: o.Message}}
	for i := range pods {
		for _, c := range statuses(&pods[i]) {
			ended := c.State.Terminated
			if ended == nil || ended.ExitCode == 0 || ended.FinishedAt.Time.Before(d.Since) {
				continue
			}
			d.Since = ended.FinishedAt.Time
			d.Message = fmt.Sprintf("container %s %s; %s", c.Name, ending(ended), o.Message)
			d.container, d.pod = c.Name, &pods[i]
		}
	}
	return d
}

// creationFailure finds why the pods of a workload are not even made.
func (s *scene) creationFailure(ref v1alpha1.ObjectRef) *Diagnosis {
	var last *corev1.Event
	for i, event := range s.events {
		about := child{event.InvolvedObject.Kind, event.InvolvedObject.Name}
		if event.Reason != "FailedCreate" || !s.descends(about, child{ref.Kind, ref.Name}) {
			continue
		}
		if last == nil || eventTime(last).Before(eventTime(&s.events[i])) {
			last = &s.events[i]
		}
	}
	if last == nil {
		return nil
	}
	d := &Diagnosis{Since: last.FirstTimestamp.Time, Failure: v1alpha1.Failure{
		Reason: ReasonRejected, Message: "its pods cannot be made: " + clip(strings.TrimPrefix(last.Message, "Error creating: "), 600),
	}}
	if strings.Contains(last.Message, "exceeded quota") {
		d.Reason = ReasonQuota
	}
	return d
}

func eventTime(event *corev1.Event) time.Time {
	for _, at := range []time.Time{event.LastTimestamp.Time, event.EventTime.Time, event.FirstTimestamp.Time} {
		if !at.IsZero() {
			return at
		}
	}
	return event.CreationTimestamp.Time
}
