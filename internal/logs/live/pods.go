package live

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// podState is the newest that is known of one pod.
type podState struct {
	mu      sync.Mutex
	pod     *corev1.Pod
	gone    bool
	changed chan struct{} // closed at the next change
}

func newPodState(p *corev1.Pod) *podState {
	return &podState{pod: p, changed: make(chan struct{})}
}

func (s *podState) current() *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pod
}

func (s *podState) set(p *corev1.Pod, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p != nil {
		s.pod = p
	}
	s.gone = s.gone || gone
	close(s.changed)
	s.changed = make(chan struct{})
}

// containerState is what the pod's status says of a container.
type containerState struct {
	// started: an instance runs or ran, so that there may be output.
	started bool
	// instance counts restarts.
	instance int32
	// ended is how the current instance ended; nil while it runs.
	ended *corev1.ContainerStateTerminated
	// before is how the instance before it ended, where that is known.
	before *corev1.ContainerStateTerminated
	// gone: the pod was deleted.
	gone bool
	// node the pod runs on.
	node string
}

// container gives the state of the named container, and a channel that is
// closed when it may have changed.
func (s *podState) container(name string) (containerState, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := containerState{gone: s.gone, node: s.pod.Spec.NodeName}
	status := s.pod.Status
	for _, c := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses) {
		if c.Name != name {
			continue
		}
		state.instance = c.RestartCount
		state.ended = c.State.Terminated
		state.before = c.LastTerminationState.Terminated
		state.started = c.State.Running != nil || c.State.Terminated != nil
		if c.State.Waiting != nil && state.before != nil {
			// Between two instances: the log API gives the one that ended.
			state.started, state.ended, state.before = true, state.before, nil
		}
	}
	return state, s.changed
}

// podTracker follows the pods of a namespace.
type podTracker struct {
	initial []*podState
	news    chan struct{}

	mu      sync.Mutex
	pods    map[types.UID]*podState
	waiting []*podState
}

// trackPods watches until the context ends. It returns once the pods that are
// there are known.
func trackPods(ctx context.Context, kube kubernetes.Interface, namespace string) (*podTracker, error) {
	// Asked first, because an informer keeps its troubles to itself.
	if _, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return nil, fmt.Errorf("listing pods of namespace %s: %w", namespace, err)
	}
	t := &podTracker{news: make(chan struct{}, 1), pods: map[types.UID]*podState{}}
	factory := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithNamespace(namespace), informers.WithTransform(strip))
	informer := factory.Core().V1().Pods().Informer()
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { t.see(o, false) },
		UpdateFunc: func(_, o any) { t.see(o, false) },
		DeleteFunc: func(o any) { t.see(o, true) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching pods of namespace %s: %w", namespace, err)
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		return nil, fmt.Errorf("watching pods of namespace %s: %w", namespace, context.Cause(ctx))
	}
	t.initial = t.taken()
	return t, nil
}

// see takes an informer's event.
func (t *podTracker) see(object any, deleted bool) {
	if lost, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = lost.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	state := t.pods[pod.UID]
	switch {
	case state != nil:
		state.set(pod, deleted)
	case deleted:
		return
	default:
		state = newPodState(pod)
		t.pods[pod.UID] = state
		t.waiting = append(t.waiting, state)
		select {
		case t.news <- struct{}{}:
		default:
		}
	}
	if deleted {
		delete(t.pods, pod.UID)
	}
}

// taken gives the pods that came since it was last asked.
func (t *podTracker) taken() []*podState {
	t.mu.Lock()
	defer t.mu.Unlock()
	came := t.waiting
	t.waiting = nil
	return came
}

// strip keeps of a pod what is looked at here: thousands of them are cached.
func strip(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	slim := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			Labels: pod.Labels, OwnerReferences: pod.OwnerReferences, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec: corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{
			InitContainerStatuses:      pod.Status.InitContainerStatuses,
			ContainerStatuses:          pod.Status.ContainerStatuses,
			EphemeralContainerStatuses: pod.Status.EphemeralContainerStatuses,
		},
	}
	for _, c := range pod.Spec.InitContainers {
		slim.Spec.InitContainers = append(slim.Spec.InitContainers, corev1.Container{Name: c.Name})
	}
	for _, c := range pod.Spec.Containers {
		slim.Spec.Containers = append(slim.Spec.Containers, corev1.Container{Name: c.Name})
	}
	for _, c := range pod.Spec.EphemeralContainers {
		slim.Spec.EphemeralContainers = append(slim.Spec.EphemeralContainers,
			corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: c.Name}})
	}
	return slim, nil
}
