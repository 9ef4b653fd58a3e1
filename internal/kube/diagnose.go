package kube

import (
	"context"
	"errors"
	"time"

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
	ReasonConfig        = "ConfigMissing"
)

// Diagnosis is one thing that keeps objects from being ready.
type Diagnosis struct {
	v1alpha1.Failure
	// Terminal: waiting will not help (a failed Job, an image name that is not
	// one).
	Terminal bool
	// Restarts of the container, where it is about one.
	Restarts int32
	// Since when, as far as the cluster says; may be zero.
	Since time.Time
}

// Diagnose says why those of the objects that are not ready are not: at most
// 20 reasons, the same one for several pods of a workload just once. It reads
// pods, events and the last log lines of crashed containers from the cluster,
// some five requests, so ask when Readiness is Troubled or when time is up,
// not at every event. Nothing found is no error.
func (t *Target) Diagnose(ctx context.Context, objs []*unstructured.Unstructured) ([]Diagnosis, error) {
	return nil, errors.ErrUnsupported
}

// Failures gives the diagnoses as they are stored in a Release.
func Failures(diagnoses []Diagnosis) []v1alpha1.Failure {
	failures := make([]v1alpha1.Failure, len(diagnoses))
	for i, d := range diagnoses {
		failures[i] = d.Failure
	}
	return failures
}
