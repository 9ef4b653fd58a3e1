package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// The lock is a Lease whose holder says every beat that he is alive. Who has
// not said so for an expiry is dead, or cut off, and then stops of himself.
const (
	beat   = 4 * time.Second
	expiry = 20 * time.Second
)

// Annotations of the Lease.
const (
	annotationOperation = "landfall.dev/operation"
	// annotationProcess names the holder's process, see process.
	annotationProcess = "landfall.dev/process"
	// annotationPod names the holder's pod, if it has one.
	annotationPod = "landfall.dev/pod"
)

// Holder is who has the lock of a cluster.
type Holder struct {
	// Who, as USER@HOST (pid N).
	Who       string    `json:"who"`
	Operation string    `json:"operation"`
	Since     time.Time `json:"since"`
	// Seen is the last sign of life.
	Seen  time.Time `json:"seen"`
	Alive bool      `json:"alive"`
	// Why says how that is known.
	Why string `json:"why"`
	// Pod that it runs in, if any.
	Pod string `json:"pod,omitempty"`
}

// String reads "ann@laptop (pid 7) has been applying since 15:04:05".
func (h Holder) String() string {
	return fmt.Sprintf("%s, %s since %s", h.Who, h.Operation, h.Since.Format(time.DateTime))
}

// lease is a lock that is held.
type lease struct {
	p        *Provisioner
	object   *coordinationv1.Lease
	previous *Holder
	stop     context.CancelCauseFunc
	ended    chan struct{}
}

var errLockLost = errors.New("the lock was lost")

// lock takes the lock of a cluster and keeps it until release is called. The
// context that it gives ends when the lock is lost. A lock of the dead is taken
// over; then previous says who they were.
func (p *Provisioner) lock(ctx context.Context, name, operation string, reporter progress.Reporter) (context.Context, *lease, error) {
	wanted := p.wanted(name, operation)
	l := &lease{p: p, object: wanted, ended: make(chan struct{})}
	err := p.Client.Create(ctx, wanted)
	if apierrors.IsAlreadyExists(err) {
		err = p.takeOver(ctx, l, operation, reporter)
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.ClassOf(err), fmt.Errorf("locking cluster %s: %w", name, err), fault.HintOf(err))
	}
	held, stop := context.WithCancelCause(ctx)
	l.stop = stop
	go l.beat(held)
	p.Reached(pointLocked)
	return held, l, nil
}

func (p *Provisioner) wanted(name, operation string) *coordinationv1.Lease {
	now := metav1.NewMicroTime(p.Clock())
	who, seconds := p.Holder+" (pid "+strconv.Itoa(os.Getpid())+")", int32(expiry.Seconds())
	about := map[string]string{annotationOperation: operation, annotationProcess: process(os.Getpid())}
	if p.Pod != "" {
		about[annotationPod] = p.Pod
	}
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: Namespace, Name: leaseName(name), Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager},
			Annotations: about,
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &who, AcquireTime: &now, RenewTime: &now, LeaseDurationSeconds: &seconds},
	}
}

func leaseName(cluster string) string { return "cluster-" + cluster }

// takeOver takes the lock from the dead, and from nobody else.
func (p *Provisioner) takeOver(ctx context.Context, l *lease, operation string, reporter progress.Reporter) error {
	there, holder, err := p.holder(ctx, l.object.Name, reporter)
	if err != nil || there == nil {
		return errors.Join(err, errGone(there))
	}
	if holder.Alive {
		return held(holder)
	}
	wanted := l.object
	there.Annotations, there.Spec = wanted.Annotations, wanted.Spec
	if err := p.Client.Update(ctx, there); err != nil {
		return err
	}
	reporter.Note("taking over from %s: %s", holder, holder.Why)
	l.object, l.previous = there, &holder
	return nil
}

func errGone(there *coordinationv1.Lease) error {
	if there != nil {
		return nil
	}
	return fault.New(fault.Failed, "Repeat the command.", "whoever held it has just let it go")
}

func held(h Holder) error {
	return fault.New(fault.Refused, "Wait for them; `landfall cluster unlock --force` takes it from them.", "%s holds it; %s", h, h.Why)
}

// holder reads a lock and finds out whether its holder is alive; nil where
// nobody has it. What takes a beat to find out is announced.
func (p *Provisioner) holder(ctx context.Context, lock string, reporter progress.Reporter) (*coordinationv1.Lease, Holder, error) {
	there := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: Namespace, Name: lock}
	if err := p.Client.Get(ctx, key, there); err != nil {
		return nil, Holder{}, client.IgnoreNotFound(err)
	}
	holder := described(there)
	listen, err := p.judge(ctx, there, &holder)
	if err != nil || listen == 0 {
		return there, holder, err
	}
	reporter.Note("listening whether %s is alive", holder.Who)
	select {
	case <-time.After(listen):
	case <-ctx.Done():
		return nil, Holder{}, ctx.Err()
	}
	again := &coordinationv1.Lease{}
	if err := p.Client.Get(ctx, key, again); err != nil {
		return nil, Holder{}, client.IgnoreNotFound(err)
	}
	holder.Why = fmt.Sprintf("no sign of life since %s", holder.Seen.Format(time.DateTime))
	if again.ResourceVersion != there.ResourceVersion {
		holder = described(again)
		holder.Alive, holder.Why = true, "seen this moment"
	}
	return again, holder, nil
}

// judge says whether a holder is alive, and why; or how long to listen for that.
func (p *Provisioner) judge(ctx context.Context, l *coordinationv1.Lease, holder *Holder) (listen time.Duration, err error) {
	since := p.Clock().Sub(holder.Seen)
	gone, local := processGone(l.Annotations[annotationProcess])
	pod, err := p.podOf(ctx, l)
	if err != nil {
		return 0, err
	}
	switch {
	case local && gone:
		holder.Why = "the process has ended"
	case local:
		holder.Alive, holder.Why = true, "the process runs on this machine"
	case pod == podEnded:
		holder.Why = "its pod has ended"
	case pod == podGone:
		// Its node may be cut off, and the container run there still.
		return max(expiry-since, beat+beat/2), nil
	case since < expiry:
		holder.Alive, holder.Why = true, fmt.Sprintf("last seen %s ago", since.Round(time.Second))
	default:
		// Clocks of two machines differ: a holder who is alive shows within a beat.
		return beat + beat/2, nil
	}
	return 0, nil
}

// podState is what Kubernetes knows of a holder's pod.
type podState int

const (
	podUnknown podState = iota
	podGone
	podEnded
)

// podOf asks for the pod that a holder runs in, if it runs in one and that may
// be asked.
func (p *Provisioner) podOf(ctx context.Context, l *coordinationv1.Lease) (podState, error) {
	name := l.Annotations[annotationPod]
	if name == "" {
		return podUnknown, nil
	}
	pod := &corev1.Pod{}
	switch err := p.Client.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: name}, pod); {
	case apierrors.IsNotFound(err):
		return podGone, nil
	case apierrors.IsForbidden(err):
		return podUnknown, nil
	case err != nil:
		return podUnknown, fmt.Errorf("looking at pod %s: %w", name, err)
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return podEnded, nil
	}
	return podUnknown, nil
}

func described(l *coordinationv1.Lease) Holder {
	h := Holder{Operation: l.Annotations[annotationOperation], Pod: l.Annotations[annotationPod]}
	if l.Spec.HolderIdentity != nil {
		h.Who = *l.Spec.HolderIdentity
	}
	if l.Spec.AcquireTime != nil {
		h.Since = l.Spec.AcquireTime.Time
	}
	if l.Spec.RenewTime != nil {
		h.Seen = l.Spec.RenewTime.Time
	}
	return h
}

// beat renews the lock until ctx ends. When somebody else took it, or it could
// not be renewed for so long that somebody else may, the work is stopped.
func (l *lease) beat(ctx context.Context) {
	defer close(l.ended)
	renewed := time.Now()
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := l.renew(ctx)
		switch {
		case err == nil:
			renewed = time.Now()
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			l.stop(fmt.Errorf("%w: somebody took it", errLockLost))
			return
		case time.Since(renewed) > expiry-beat:
			l.stop(fmt.Errorf("%w: the management cluster does not answer: %w", errLockLost, err))
			return
		}
	}
}

// renew changes nothing but the time, and only while nobody else changed
// anything.
func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	now := metav1.NewMicroTime(l.p.Clock())
	next := l.object.DeepCopy()
	next.Spec.RenewTime = &now
	if err := l.p.Client.Update(ctx, next); err != nil {
		return err
	}
	l.object = next
	return nil
}

// release gives the lock back, if it is still held, and tells a lock that was
// lost from other causes of err.
func (l *lease) release(ctx context.Context, err error) error {
	l.stop(nil)
	<-l.ended
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLockLost) {
		return fault.New(fault.Failed, "Look who works on it: `landfall cluster unlock`. What was begun is gone on with by asking again.", "stopped: %w", cause)
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	version := l.object.ResourceVersion
	gone := l.p.Client.Delete(free, l.object, client.Preconditions{ResourceVersion: &version})
	if client.IgnoreNotFound(gone) != nil && !apierrors.IsConflict(gone) {
		return errors.Join(err, fmt.Errorf("giving the lock back: %w", gone))
	}
	return err
}

// process names a process so that it can be found, or not, on the same machine:
// boot, PID namespace, PID and time of its start.
func process(pid int) string {
	boot, err1 := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	started, err3 := startOf(pid)
	if errors.Join(err1, err2, err3) != nil {
		return ""
	}
	return strings.Join([]string{strings.TrimSpace(string(boot)), space, strconv.Itoa(pid), started}, " ")
}

// processGone says whether a process has ended, if it is one of this machine.
func processGone(name string) (gone, local bool) {
	parts, self := strings.Fields(name), strings.Fields(process(os.Getpid()))
	if len(parts) != 4 || len(self) != 4 || parts[0] != self[0] || parts[1] != self[1] {
		return false, false
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil {
		return false, false
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true, true
	}
	started, err := startOf(pid)
	return err != nil || started != parts[3], true
}

// startOf is when a process was started, in ticks since boot; see proc(5).
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const state, starttime = 0, 19
	if !ok || len(fields) <= starttime || fields[state] == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[starttime], nil
}
