// Package parity tells whether two clusters have the same: their objects, what
// of the workloads is ready, and which images they run. Both sides are brought
// into the form in which an object may be in either cluster
// (transfer.Portable), and then compared field by field. What differs for a
// good reason is left out by rules that say so: built-in ones, and those of the
// user.
//
// An answer has three values: equal, different, unknown. What cannot be read on
// either side is unknown, never equal. Neither side is changed.
//
// Start at Compare.
package parity

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// Options say what is compared, and what does not count.
type Options struct {
	// Namespaces of the source; all but the system's if empty, and then what is
	// in no namespace, too.
	Namespaces []string
	// Labels is a label selector.
	Labels string
	// Rename gives namespaces of the source the names that they have in the
	// target.
	Rename map[string]string
	// Ignore are differences that are meant.
	Ignore []v1alpha1.ParityIgnore
	// IgnoreReadiness leaves out how many pods of workloads are ready.
	IgnoreReadiness bool
	// Skip says why an object of either side is not compared, or "". Nil skips
	// nothing.
	Skip func(*unstructured.Unstructured) string
	// FromChecks and ToChecks are what a baseline said of each side.
	FromChecks, ToChecks []result.Result
}

// Compare reads both sides and compares them. An error means that there is no
// report: the options cannot be used, a side does not answer at all, or the
// context has ended. What cannot be read in part is unknown in the report.
func Compare(ctx context.Context, from, to *transfer.Cluster, o Options, reporter progress.Reporter) (*Report, error) {
	began := time.Now()
	rules, err := compile(o.Ignore)
	if err != nil {
		return nil, err
	}
	if _, err := labels.Parse(o.Labels); err != nil {
		return nil, fault.New(fault.Invalid, "Write a selector as for kubectl get -l.", "reading the label selector %q: %w", o.Labels, err)
	}
	c := newComparison(from, to, o, rules)
	if err := c.discover(ctx, reporter); err != nil {
		return nil, err
	}
	if err := c.read(ctx, reporter); err != nil {
		return nil, err
	}
	if err := c.catchUp(ctx, reporter); err != nil {
		return nil, err
	}
	c.settle()
	if err := c.askTarget(ctx, reporter); err != nil {
		return nil, err
	}
	report := c.report()
	report.At, report.Took = began.UTC(), time.Since(began)
	return report, nil
}
