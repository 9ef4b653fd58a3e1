package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// diagnosePod says what is wrong with a pod, if anything. Only Reason, Message
// and what the container is are filled in; whose pod it is, is the caller's.
func diagnosePod(pod *corev1.Pod, events []corev1.Event, now time.Time) []Diagnosis {
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
		return nil
	}
	if d := notScheduled(pod); d != nil {
		return []Diagnosis{*d}
	}
	if event := lastEvent(events, pod, "NodeNotReady", "TaintManagerEviction"); event != nil && !isReady(pod) {
		return []Diagnosis{diagnosis(pod, ReasonNodeLost, event.FirstTimestamp.Time,
			"its node %s does not answer", pod.Spec.NodeName)}
	}
	var found []Diagnosis
	for _, c := range statuses(pod) {
		if d := diagnoseContainer(pod, c, events, now); d != nil {
			d.container, d.Restarts = c.Name, c.RestartCount
			found = append(found, *d)
		}
	}
	if len(found) == 0 {
		if d := notStarting(pod, events); d != nil {
			found = append(found, *d)
		}
	}
	return found
}

func diagnosis(pod *corev1.Pod, reason string, since time.Time, format string, args ...any) Diagnosis {
	return Diagnosis{
		Failure: v1alpha1.Failure{Reason: reason, Message: "pod " + pod.Name + ": " + clip(fmt.Sprintf(format, args...), 600)},
		Since:   since,
	}
}

// statuses gives a pod's containers, those that run first in front.
func statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// notScheduled says why no node takes the pod.
func notScheduled(pod *corev1.Pod) *Diagnosis {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
			continue
		}
		reason := ReasonUnschedulable
		if strings.Contains(c.Message, "PersistentVolumeClaim") || strings.Contains(c.Message, "persistentvolumeclaim") ||
			strings.Contains(c.Message, "volume node affinity") {
			reason = ReasonVolumePending
		}
		// That no other pod can be sent away for it explains nothing.
		said, _, _ := strings.Cut(c.Message, " preemption:")
		d := diagnosis(pod, reason, c.LastTransitionTime.Time, "%s", said)
		return &d
	}
	return nil
}

// missingConfig are the kubelet's words for a reference to nothing.
var missingConfig = []string{"CreateContainerConfigError", "CreateContainerError"}

// badImages are the kubelet's words for an image that it does not get.
var badImages = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"}

func diagnoseContainer(pod *corev1.Pod, c corev1.ContainerStatus, events []corev1.Event, now time.Time) *Diagnosis {
	switch waiting := c.State.Waiting; {
	case waiting != nil && slices.Contains(badImages, waiting.Reason):
		return badImage(pod, c, events)
	case waiting != nil && slices.Contains(missingConfig, waiting.Reason):
		d := diagnosis(pod, ReasonConfigMissing, pod.CreationTimestamp.Time, "container %s: %s", c.Name, waiting.Message)
		return &d
	case crashed(c):
		return crash(pod, c, events)
	case c.State.Running != nil && !c.Ready && !isInit(pod, c.Name):
		return notReady(pod, c, events, now)
	}
	return nil
}

func isInit(pod *corev1.Pod, container string) bool {
	return slices.ContainsFunc(pod.Status.InitContainerStatuses, func(c corev1.ContainerStatus) bool { return c.Name == container })
}

// notThere are registries' and runtimes' words for an image that will not come
// by waiting.
var notThere = []string{"not found", "manifest unknown", "name unknown", "couldn't parse image", "invalid reference format", "no match for platform"}

func badImage(pod *corev1.Pod, c corev1.ContainerStatus, events []corev1.Event) *Diagnosis {
	said := c.State.Waiting.Message
	if event := lastEvent(events, pod, "Failed", "InspectFailed"); event != nil && c.State.Waiting.Reason == "ImagePullBackOff" &&
		strings.Contains(event.Message, c.Image) && !strings.HasPrefix(event.Message, "Error:") {
		// Backing off says only that it failed before; the event says why.
		said = event.Message
	}
	d := diagnosis(pod, ReasonImagePull, pod.CreationTimestamp.Time, "container %s cannot get image %s: %s", c.Name, c.Image, said)
	d.Terminal = c.State.Waiting.Reason == "InvalidImageName" || slices.ContainsFunc(notThere, func(words string) bool {
		return strings.Contains(said, words)
	})
	return &d
}

// crashed tells whether a container has ended when it should run, and does not
// serve again.
func crashed(c corev1.ContainerStatus) bool {
	switch {
	case c.State.Waiting != nil && (c.State.Waiting.Reason == "CrashLoopBackOff" || c.State.Waiting.Reason == "RunContainerError"):
		return true
	case c.State.Terminated != nil:
		return c.State.Terminated.ExitCode != 0
	}
	return c.RestartCount > 0 && !c.Ready && c.LastTerminationState.Terminated != nil
}

func crash(pod *corev1.Pod, c corev1.ContainerStatus, events []corev1.Event) *Diagnosis {
	ended := c.State.Terminated
	if ended == nil {
		ended = c.LastTerminationState.Terminated
	}
	if ended == nil {
		d := diagnosis(pod, ReasonNotStarting, pod.CreationTimestamp.Time, "container %s: %s", c.Name, c.State.Waiting.Message)
		return &d
	}
	killed := lastEvent(events, pod, "Unhealthy")
	if killed != nil && !endedItself(ended) && !strings.HasPrefix(killed.Message, "Readiness") {
		d := diagnosis(pod, ReasonProbeFailing, ended.StartedAt.Time, "container %s was stopped because it did not get healthy: %s", c.Name, killed.Message)
		d.pod, d.previous = pod, c.State.Terminated == nil
		return &d
	}
	d := diagnosis(pod, ReasonCrashLoop, ended.StartedAt.Time, "container %s %s, %s", c.Name, ending(ended), times(c.RestartCount))
	d.pod, d.previous = pod, c.State.Terminated == nil
	if ended.Reason == "OOMKilled" {
		d.Hint = "give the component more memory, or let it use less"
	}
	return &d
}

// endedItself tells a program that gave up from one that was stopped by the
// kubelet, which ends with 0 or by a signal (128 and its number). The events
// alone do not say: a probe finds a program that gave up unhealthy too.
func endedItself(ended *corev1.ContainerStateTerminated) bool {
	const killed, terminated = 128 + 9, 128 + 15
	if ended.Reason == "OOMKilled" {
		return true
	}
	return ended.ExitCode != 0 && ended.ExitCode != killed && ended.ExitCode != terminated
}

// ending says how a container ended.
func ending(ended *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("ended with exit code %d", ended.ExitCode)
	switch {
	case ended.Reason == "OOMKilled":
		text = "was killed because it used more memory than its limit"
	case ended.Signal != 0:
		text = fmt.Sprintf("ended by signal %d", ended.Signal)
	case ended.Reason == "StartError", ended.Reason == "ContainerCannotRun":
		text = "cannot be started"
	}
	if ended.Message != "" {
		text += ": " + clip(strings.TrimSpace(ended.Message), 300)
	}
	return text
}

func times(restarts int32) string {
	switch restarts {
	case 0:
		return "not restarted yet"
	case 1:
		return "restarted once"
	}
	return fmt.Sprintf("restarted %d times", restarts)
}

// notReady says what a running container's probe answers. Without an answer
// yet it is given some time.
func notReady(pod *corev1.Pod, c corev1.ContainerStatus, events []corev1.Event, now time.Time) *Diagnosis {
	since := c.State.Running.StartedAt.Time
	said := fmt.Sprintf("has not become ready for %s", now.Sub(since).Round(time.Second))
	if event := lastEvent(events, pod, "Unhealthy"); event != nil {
		said = "is not ready: " + event.Message
	} else if now.Sub(since) < slowStart {
		return nil
	}
	d := diagnosis(pod, ReasonProbeFailing, since, "container %s %s", c.Name, said)
	d.pod = pod
	return &d
}

// notStarting says why a pod that has a node runs nothing.
func notStarting(pod *corev1.Pod, events []corev1.Event) *Diagnosis {
	if pod.Status.Phase == corev1.PodFailed {
		d := diagnosis(pod, ReasonNotStarting, pod.CreationTimestamp.Time, "%s %s", pod.Status.Reason, pod.Status.Message)
		return &d
	}
	if pod.Status.Phase != corev1.PodPending {
		return nil
	}
	event := lastEvent(events, pod, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreatePodContainer", "NetworkNotReady")
	if event == nil {
		return nil
	}
	reason := ReasonNotStarting
	if strings.HasPrefix(event.Reason, "FailedMount") || event.Reason == "FailedAttachVolume" {
		reason = ReasonVolumePending
		if strings.Contains(event.Message, "not found") {
			reason = ReasonConfigMissing
		}
	}
	d := diagnosis(pod, reason, event.FirstTimestamp.Time, "%s", event.Message)
	return &d
}

// lastEvent finds the newest event about a pod with one of the reasons.
func lastEvent(events []corev1.Event, pod *corev1.Pod, reasons ...string) *corev1.Event {
	var last *corev1.Event
	for i, event := range events {
		if event.InvolvedObject.UID != pod.UID || !slices.Contains(reasons, event.Reason) {
			continue
		}
		if last == nil || eventTime(last).Before(eventTime(&events[i])) {
			last = &events[i]
		}
	}
	return last
}
