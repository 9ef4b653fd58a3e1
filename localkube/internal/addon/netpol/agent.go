package netpol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	// settle is how long a change of objects waits for more to come with it.
	settle = 20 * time.Millisecond
	// restFactor and maxPause bound the share of a processor that a wave of
	// changes may take, and how late the last of them comes.
	restFactor = 10
	maxPause   = time.Second
	// recheck is how often nodes that came or failed are looked for.
	recheck = time.Second
)

// agent keeps the rules of all nodes up to date. Its loop is the only one that
// changes rules and its fields.
type agent struct {
	around   surroundings
	hostPods []hostPod
	nodes    func() ([]node, error)

	factories  []informers.SharedInformerFactory
	synced     []cache.InformerSynced
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister

	changed     chan struct{}
	assignments chan assignment

	assigned map[types.NamespacedName]assigned
	inForce  map[node]string // the text of the ruleset that each node has
	applied  time.Time       // when rules were last computed
	took     time.Duration   // how long that took
}

// assigned is an address that a pod got before its status says so.
type assigned struct {
	uid  types.UID
	addr netip.Addr
}

// assignment asks the loop for the rules of a new pod, and to say when they
// are in force on the pod's node.
type assignment struct {
	pod   types.NamespacedName
	value assigned
	netns uint64
	done  chan<- error
}

func newAgent(client kubernetes.Interface, around surroundings, hostPods []hostPod, nodes func() ([]node, error)) *agent {
	// Policies do not concern pods that have ended, nor the host's network.
	podFactory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTransform(slim),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.FieldSelector = "status.phase!=Succeeded,status.phase!=Failed,spec.hostNetwork=false"
		}))
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	a := &agent{
		around:      around,
		hostPods:    hostPods,
		nodes:       nodes,
		factories:   []informers.SharedInformerFactory{podFactory, factory},
		pods:        podFactory.Core().V1().Pods().Lister(),
		namespaces:  factory.Core().V1().Namespaces().Lister(),
		policies:    factory.Networking().V1().NetworkPolicies().Lister(),
		changed:     make(chan struct{}, 1),
		assignments: make(chan assignment),
		assigned:    map[types.NamespacedName]assigned{},
		inForce:     map[node]string{},
	}
	for _, informer := range []cache.SharedIndexInformer{
		podFactory.Core().V1().Pods().Informer(),
		factory.Core().V1().Namespaces().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		a.watch(informer)
	}
	return a
}

func (a *agent) watch(informer cache.SharedIndexInformer) {
	notify := func(any) {
		select {
		case a.changed <- struct{}{}:
		default:
		}
	}
	// An informer that has not started never refuses a handler.
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: notify,
		UpdateFunc: func(old, object any) {
			if !sameRules(old, object) {
				notify(object)
			}
		},
		DeleteFunc: notify,
	})
	a.synced = append(a.synced, informer.HasSynced)
}

// slim drops what the rules do not depend on before an object is cached.
func slim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return slimPod(o), nil
	case metav1.Object:
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
	}
	return object, nil
}

func slimPod(pod *corev1.Pod) *corev1.Pod {
	slim := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
			ResourceVersion: pod.ResourceVersion, Labels: pod.Labels,
		},
		Spec:   corev1.PodSpec{HostNetwork: pod.Spec.HostNetwork},
		Status: corev1.PodStatus{Phase: pod.Status.Phase, PodIP: pod.Status.PodIP},
	}
	if ports := containerPorts(pod); len(ports) > 0 {
		slim.Spec.Containers = []corev1.Container{{Ports: ports}}
	}
	return slim
}

// sameRules says whether a change of an object cannot change rules. Most
// changes of pods are of their conditions.
func sameRules(old, object any) bool {
	before, ok := old.(*corev1.Pod)
	if !ok {
		return false
	}
	after, ok := object.(*corev1.Pod)
	return ok && before.UID == after.UID && before.Status.PodIP == after.Status.PodIP &&
		maps.Equal(before.Labels, after.Labels) &&
		(before.Status.Phase == after.Status.Phase || !finished(before) && !finished(after))
}

// run keeps the rules up to date until ctx ends. It takes assignments only
// once all objects are known, so that a pod never starts with fewer rules than
// it should have.
func (a *agent) run(ctx context.Context, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	for _, factory := range a.factories {
		factory.Start(ctx.Done())
		defer factory.Shutdown()
	}
	defer cancel() // runs before the shutdowns, which wait for it
	if !cache.WaitForCacheSync(ctx.Done(), a.synced...) {
		return nil
	}
	a.apply()
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	go a.serve(ctx, listener)
	a.loop(ctx)
	return nil
}

func (a *agent) loop(ctx context.Context) {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	var due <-chan time.Time // set while a change waits for its turn
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-a.assignments:
			a.take(first)
		case <-a.changed:
			if due == nil {
				due = time.After(a.pause())
			}
		case <-due:
			due = nil
			a.apply()
		case <-ticker.C:
			if a.nodesChanged() {
				a.apply()
			}
		}
	}
}

// take puts new pods into the rules at once, all that wait in one go.
func (a *agent) take(first assignment) {
	waiting := []assignment{first}
	for more := true; more; {
		select {
		case next := <-a.assignments:
			waiting = append(waiting, next)
		default:
			more = false
		}
	}
	for _, request := range waiting {
		a.assigned[request.pod] = request.value
	}
	a.apply()
	for _, request := range waiting {
		request.done <- a.inForceOn(request.netns)
	}
}

// pause is how long a change waits for others to be set with it: longer when
// setting rules takes long, so that a wave of changes in a large cluster does
// not keep a processor busy.
func (a *agent) pause() time.Duration {
	rested := time.Since(a.applied)
	return min(max(settle, restFactor*a.took-rested), maxPause)
}

// nodesChanged says whether a node has no rules, because it is new or failed.
func (a *agent) nodesChanged() bool {
	nodes, err := a.nodes()
	if err != nil {
		slog.Error("finding nodes", "error", err)
		return false
	}
	return slices.ContainsFunc(nodes, func(n node) bool { _, ok := a.inForce[n]; return !ok })
}

// apply computes the rules and sets them on every node that has others. A node
// that fails, as one that is being removed, does not hold the others; it is
// tried again at the next recheck.
func (a *agent) apply() {
	start := time.Now()
	defer func() { a.applied, a.took = time.Now(), time.Since(start) }()
	nodes, err := a.nodes()
	if err != nil {
		slog.Error("finding nodes", "error", err)
		return
	}
	in, err := a.snapshot()
	if err != nil {
		slog.Error("reading objects", "error", err)
		return
	}
	rules := compile(in)
	text := rules.String()
	inForce := make(map[node]string, len(nodes))
	for _, n := range nodes {
		if was, ok := a.inForce[n]; ok && was == text {
			inForce[n] = text
			continue
		}
		if err := n.program(a.around, rules); err != nil {
			slog.Error("setting rules", "node", n.name, "error", err)
			continue
		}
		inForce[n] = text
	}
	a.inForce = inForce
}

// inForceOn says whether the current rules hold on the node with the network
// namespace of that inode.
func (a *agent) inForceOn(netns uint64) error {
	for n := range a.inForce {
		if n.inode == netns {
			return nil
		}
	}
	return errors.New("the network rules of the pod's node could not be set: see the log of localkube's component netpol")
}

func (a *agent) snapshot() (snapshot, error) {
	pods, err := a.pods.List(labels.Everything())
	if err != nil {
		return snapshot{}, fmt.Errorf("listing pods: %w", err)
	}
	policies, err := a.policies.List(labels.Everything())
	if err != nil {
		return snapshot{}, fmt.Errorf("listing policies: %w", err)
	}
	namespaces, err := a.namespaces.List(labels.Everything())
	if err != nil {
		return snapshot{}, fmt.Errorf("listing namespaces: %w", err)
	}
	in := snapshot{
		pods: pods, policies: policies, hostPods: a.hostPods,
		namespaces: make(map[string]labels.Set, len(namespaces)),
		assigned:   a.currentAssignments(),
	}
	for _, namespace := range namespaces {
		in.namespaces[namespace.Name] = namespace.Labels
	}
	return in, nil
}

// currentAssignments forgets addresses of pods that are gone, and those that
// the pods' own status has caught up with.
func (a *agent) currentAssignments() map[types.NamespacedName]netip.Addr {
	current := make(map[types.NamespacedName]netip.Addr, len(a.assigned))
	for name, assigned := range a.assigned {
		pod, err := a.pods.Pods(name.Namespace).Get(name.Name)
		if err != nil || pod.UID != assigned.uid || pod.Status.PodIP == assigned.addr.String() {
			delete(a.assigned, name)
			continue
		}
		current[name] = assigned.addr
	}
	return current
}
