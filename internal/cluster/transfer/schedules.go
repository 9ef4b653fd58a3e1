package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Suspended is the annotation of a CronJob that does not run because its twin on
// the other side does. It says which that is: "waits for shop/nightly" on the
// copy that a transfer made, "runs as shop/nightly" on what was handed over.
const Suspended = "landfall.dev/suspended-by-transfer"

const (
	waitsFor = "waits for "
	runsAs   = "runs as "
)

var cronJobs = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}

// cronJob runs on one side only: the copy of one that runs is suspended, and
// that of one whose schedule was handed over is not.
func cronJob(c *Copy, source *unstructured.Unstructured, o Options) {
	switch suspended, _, _ := unstructured.NestedBool(source.Object, "spec", "suspend"); {
	case strings.HasPrefix(source.GetAnnotations()[Suspended], runsAs):
		suspend(c.Object, false, "")
		c.note("its schedule was handed over")
	case !suspended && !o.KeepCronJobs:
		suspend(c.Object, true, waitsFor+source.GetNamespace()+"/"+source.GetName())
		c.note("is suspended in the target until its schedule is handed over")
	}
}

// suspend sets what a CronJob does, and why it was changed; "" for no reason.
func suspend(u *unstructured.Unstructured, suspended bool, why string) {
	if spec, ok := u.Object["spec"].(map[string]any); ok {
		spec["suspend"] = suspended
	}
	if why != "" {
		annotate(u, Suspended, why)
		return
	}
	remove(u.Object, "metadata", "annotations", Suspended)
}

// Schedule is one CronJob whose schedule is handed over.
type Schedule struct {
	// From is the CronJob that stops, as NAMESPACE/NAME; "" where there is none.
	From string `json:"from,omitempty"`
	// To is the one that runs.
	To       string `json:"to"`
	Schedule string `json:"schedule"`
	// Note says what is special about it, "" for nothing.
	Note string `json:"note,omitempty"`
}

// Handover says how schedules are handed over.
type Handover struct {
	// Namespaces of the target; all if empty.
	Namespaces []string
	// DryRun finds the schedules and changes nothing.
	DryRun bool
}

// HandOver lets the CronJobs run in the target that wait there for their twins
// in the source. Each twin is suspended first, so that no moment has both; it
// may be broken off and repeated. With the sides exchanged it hands them back.
// The source may be nil: it is gone, and nothing of it runs.
//
// What else is suspended is left alone: somebody wanted it so.
func HandOver(ctx context.Context, from, to *Cluster, h Handover, reporter progress.Reporter) ([]Schedule, error) {
	step := reporter.Step("schedules")
	schedules, err := to.waiting(ctx, h.Namespaces)
	if err != nil {
		step.Fail(err)
		return nil, err
	}
	for i := range schedules {
		if err := schedules[i].handOver(ctx, from, to, h.DryRun); err != nil {
			step.Fail(err)
			return schedules[:i], err
		}
		step.Count(int64(i+1), int64(len(schedules)), "schedules")
	}
	step.Done("%d", len(schedules))
	return schedules, nil
}

// waiting finds the CronJobs that do not run because their twins do: copies of a
// transfer, and what was handed over before.
func (c *Cluster) waiting(ctx context.Context, namespaces []string) ([]Schedule, error) {
	var found []Schedule
	resource := Resource{GroupVersionResource: cronJobs, Kind: cronJobKind, Namespaced: true}
	unreadable, err := c.Look(ctx, []Resource{resource}, Selection{Namespaces: namespaces}, func(u *unstructured.Unstructured) {
		why := u.GetAnnotations()[Suspended]
		if why == "" {
			return
		}
		schedule, _, _ := unstructured.NestedString(u.Object, "spec", "schedule")
		twin := strings.TrimPrefix(strings.TrimPrefix(why, waitsFor), runsAs)
		found = append(found, Schedule{From: twin, To: u.GetNamespace() + "/" + u.GetName(), Schedule: schedule})
	})
	if err != nil {
		return nil, err
	}
	if len(unreadable) > 0 {
		return nil, fault.New(fault.Failed, "Check the credentials' rights with: kubectl auth can-i list cronjobs -A", "reading the CronJobs of cluster %s: %s", c.Name, unreadable[0].Reason)
	}
	slices.SortFunc(found, func(a, b Schedule) int { return cmp.Compare(a.To, b.To) })
	return found, nil
}

// handOver stops the twin, and lets the CronJob run once that is so.
func (s *Schedule) handOver(ctx context.Context, from, to *Cluster, dryRun bool) error {
	if from != nil {
		was, err := from.setSchedule(ctx, s.From, true, runsAs+s.To, dryRun)
		switch {
		case err != nil:
			return fmt.Errorf("suspending CronJob %s of cluster %s: %w", s.From, from.Name, err)
		case was == nil:
			s.Note = "the source has none any more"
		case suspendedByPerson(was):
			s.Note = "stays suspended: somebody suspended it in the source"
			return nil
		}
	}
	if _, err := to.setSchedule(ctx, s.To, false, "", dryRun); err != nil {
		return fmt.Errorf("resuming CronJob %s of cluster %s: %w", s.To, to.Name, err)
	}
	return nil
}

func suspendedByPerson(u *unstructured.Unstructured) bool {
	suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
	return suspended && u.GetAnnotations()[Suspended] == ""
}

// setSchedule suspends or resumes the CronJob NAMESPACE/NAME, and gives it as it
// was before; nil if there is none. What is suspended already is left as it is.
func (c *Cluster) setSchedule(ctx context.Context, name string, suspended bool, why string, dryRun bool) (was *unstructured.Unstructured, err error) {
	namespace, name, _ := strings.Cut(name, "/")
	resource := c.dynamic.Resource(cronJobs).Namespace(namespace)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		was, err = resource.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			was = nil
			return nil
		}
		if err != nil {
			return err
		}
		if is, _, _ := unstructured.NestedBool(was.Object, "spec", "suspend"); is && suspended {
			return nil
		}
		patch, err := schedulePatch(was.GetResourceVersion(), suspended, why)
		if err != nil {
			return err
		}
		_, err = resource.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager, DryRun: dryRunOptions(dryRun)})
		return err
	})
	return was, err
}

func schedulePatch(version string, suspended bool, why string) ([]byte, error) {
	var mark any // null takes the annotation away
	if why != "" {
		mark = why
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{Suspended: mark}, "resourceVersion": version},
		"spec":     map[string]any{"suspend": suspended},
	})
}
