package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	lookEvery = time.Second
	// startPatience is how long a Job's first pod may take to start.
	startPatience = 5 * time.Minute
	markTimeout   = 10 * time.Second
)

// follower follows one Job through its pods.
type follower struct {
	r       *Runner
	job     string
	request Request
	ask     approve
	player  player
	// ended pods, whose logs are read.
	ended map[types.UID]bool
	// answer or failure is what a pod ended with.
	answer  json.RawMessage
	failure error
	// declined is why what was shown is not to be done.
	declined error
}

// toTheEnd gives the answer of the Job. When ctx ends, the Job goes on.
func (f *follower) toTheEnd(ctx context.Context) (json.RawMessage, error) {
	f.ended = map[types.UID]bool{}
	for {
		pod, err := f.nextPod(ctx)
		if err != nil {
			return nil, f.leaving(ctx, err)
		}
		f.player.next(errKilled)
		answered, err := f.listen(ctx, pod)
		if err != nil {
			return nil, f.leaving(ctx, err)
		}
		if answered {
			return f.answer, errors.Join(f.failure, f.mark(ctx, annotationAnswered, "true"))
		}
		f.ended[pod.UID] = true
		f.player.next(errKilled)
		f.player.reporter.Note("pod %s ended without an answer%s", pod.Name, f.lastWords(ctx, pod))
	}
}

var errKilled = errors.New("its pod was killed")

// leaving says what becomes of a Job that is no longer followed.
func (f *follower) leaving(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	f.player.next(errors.New("no longer followed"))
	if f.declined != nil {
		return fmt.Errorf("interrupted before anything was changed: %w", context.Canceled)
	}
	return fmt.Errorf("interrupted; Job %[1]s/%[2]s goes on: the same command follows it again, `kubectl logs -f -n %[1]s job/%[2]s` shows what it says, `kubectl delete -n %[1]s job/%[2]s` stops it: %[3]w",
		provision.Namespace, f.job, context.Canceled)
}

// nextPod waits for a pod of the Job that runs, or has run. Errors: that of the
// Job, once there will be none.
func (f *follower) nextPod(ctx context.Context) (*corev1.Pod, error) {
	step := f.player.reporter.Step("waiting for a pod of Job " + f.job)
	begun := time.Now()
	for {
		pod, why, err := f.look(ctx)
		switch {
		case err != nil:
			step.Fail(err)
			return nil, err
		case pod != nil:
			step.Done("%s", pod.Name)
			return pod, nil
		case time.Since(begun) > startPatience && len(f.ended) == 0:
			err := f.giveUp(ctx, why)
			step.Fail(err)
			return nil, err
		}
		step.Update("%s", why)
		if err := pause(ctx); err != nil {
			step.Fail(err)
			return nil, err
		}
	}
}

// look gives a pod that has begun; or says why there is none yet.
func (f *follower) look(ctx context.Context) (pod *corev1.Pod, why string, err error) {
	job := &batchv1.Job{}
	err = f.r.Client.Get(ctx, client.ObjectKey{Namespace: provision.Namespace, Name: f.job}, job)
	if apierrors.IsNotFound(err) {
		return nil, "", fault.New(fault.Failed, f.again(), "Job %s was deleted before it was done", f.job)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading Job %s: %w", f.job, err)
	}
	pods, err := f.pods(ctx)
	if err != nil {
		return nil, "", err
	}
	why = "none yet"
	for i := range pods {
		if state := pods[i].Status.Phase; state != corev1.PodPending {
			return &pods[i], "", nil
		}
		why = pending(&pods[i])
	}
	if end := ended(job); end != nil {
		return nil, "", fault.New(fault.Failed, f.again(), "Job %s ended without an answer: %s", f.job, cmp.Or(end.Message, end.Reason, string(end.Type)))
	}
	return nil, why, nil
}

// pods of the Job that are not read yet, the oldest first.
func (f *follower) pods(ctx context.Context) ([]corev1.Pod, error) {
	found, err := f.r.Kube.CoreV1().Pods(provision.Namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + f.job})
	if err != nil {
		return nil, fmt.Errorf("looking for pods of Job %s: %w", f.job, err)
	}
	pods := slices.DeleteFunc(found.Items, func(p corev1.Pod) bool { return f.ended[p.UID] })
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return pods, nil
}

// pending says what a pod waits for.
func pending(pod *corev1.Pod) string {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waits := c.State.Waiting; waits != nil && waits.Reason != "PodInitializing" {
			return strings.TrimSuffix(fmt.Sprintf("image %s: %s: %s", c.Image, waits.Reason, waits.Message), ": ")
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return "starting"
}

func (f *follower) again() string {
	return "Look at `landfall cluster get " + f.request.Cluster + "`; asking again goes on."
}

// giveUp removes a Job that nothing has begun for.
func (f *follower) giveUp(ctx context.Context, why string) error {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: provision.Namespace, Name: f.job}}
	err := f.r.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground))
	return errors.Join(fault.New(fault.Failed, "Change spec.terraform.job of the Cluster, or what its pods wait for. Nothing was begun, and the Job is removed.",
		"Job %s did not start within %s: %s", f.job, startPatience, why), client.IgnoreNotFound(err))
}

// listen plays a pod's log until its answer, or until it ends without one.
func (f *follower) listen(ctx context.Context, pod *corev1.Pod) (answered bool, err error) {
	for {
		over, err := f.over(ctx, pod)
		if err != nil {
			return false, err
		}
		answered, err = f.read(ctx, pod, !over)
		if answered || over || err != nil {
			return answered, err
		}
		// The connection was cut, or the log is not there yet: read it again.
		if err := pause(ctx); err != nil {
			return false, err
		}
	}
}

// read plays what there is of a log. One that cannot be had, not yet or no more,
// is empty.
func (f *follower) read(ctx context.Context, pod *corev1.Pod, on bool) (answered bool, err error) {
	log, err := f.r.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: containerName, Follow: on}).Stream(ctx)
	if apierrors.IsForbidden(err) {
		return false, fmt.Errorf("reading the log of pod %s: %w", pod.Name, err)
	}
	if err != nil {
		return false, nil
	}
	defer log.Close()
	return f.player.play(log, func(e event) (bool, error) { return f.handle(ctx, e) })
}

// over says that a pod writes no more.
func (f *follower) over(ctx context.Context, pod *corev1.Pod) (bool, error) {
	now, err := f.r.Kube.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at pod %s: %w", pod.Name, err)
	}
	return now.UID != pod.UID || now.Status.Phase == corev1.PodSucceeded || now.Status.Phase == corev1.PodFailed, nil
}

// lastWords are what a pod said that was killed.
func (f *follower) lastWords(ctx context.Context, pod *corev1.Pod) string {
	now, err := f.r.Kube.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return ": it is gone"
	}
	for _, c := range slices.Concat(now.Status.InitContainerStatuses, now.Status.ContainerStatuses) {
		if end := c.State.Terminated; end != nil && end.ExitCode != 0 {
			return strings.TrimSpace(fmt.Sprintf(": %s, exit code %d %s", cmp.Or(end.Reason, "killed"), end.ExitCode, strings.TrimSpace(strings.Join(f.player.words, " "))))
		}
	}
	return ""
}

// handle does what an event is for; the last of a pod ends its log.
func (f *follower) handle(ctx context.Context, e event) (last bool, err error) {
	switch e.Kind {
	case kindShow:
		return false, f.decide(ctx, e)
	case kindAnswer:
		f.answer = e.Value
		return true, nil
	case kindError:
		if f.failure = f.declined; f.failure == nil {
			f.failure = e.error()
		}
		return true, nil
	}
	return false, nil
}

// decide lets somebody decide, and tells the pod. What is decided already is not
// asked again.
func (f *follower) decide(ctx context.Context, e event) error {
	if f.ask == nil {
		return nil
	}
	settled, err := f.settled(ctx, e)
	if err != nil || settled && !f.r.Unasked {
		return err
	}
	decision := e.Text
	if err := f.ask(ctx, e.Value); err != nil {
		f.declined, decision = err, approvedNot
	}
	if settled {
		return nil // it was only shown
	}
	return f.tell(ctx, e, decision)
}

// settled says that nothing waits for a decision on what is shown.
func (f *follower) settled(ctx context.Context, e event) (bool, error) {
	if !e.Ask {
		return false, nil
	}
	told, err := approvalOf(ctx, f.r.Client, f.job)
	return slices.Contains([]string{approvedAll, approvedNot, e.Text}, told), err
}

// tell writes a decision onto the Job, also after an interrupt: the pod waits
// for it.
func (f *follower) tell(ctx context.Context, e event, decision string) error {
	if !e.Ask {
		return nil
	}
	if err := f.mark(ctx, annotationApproved, decision); err != nil {
		return err
	}
	return ctx.Err()
}

// mark annotates the Job, also after an interrupt.
func (f *follower) mark(ctx context.Context, annotation, value string) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: provision.Namespace, Name: f.job}}
	before := job.DeepCopy()
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, annotation, value)
	if err := f.r.Client.Patch(late, job, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("marking Job %s: %w", f.job, err)
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lookEvery):
		return nil
	}
}
