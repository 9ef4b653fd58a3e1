// Package livetest is an API server with pods and their logs, for tests of
// what reads logs: one that can be broken as told.
package livetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Cluster is an API server with pods of namespace "shop" and their logs, which
// keeps the rules of the real one: sinceTime in whole seconds, previous, tailLines,
// follow that ends with the container, no headers before the first line. It
// breaks as told.
type Cluster struct {
	server *httptest.Server
	mux    *http.ServeMux

	mu      sync.Mutex
	pods    map[string]*corev1.Pod
	files   map[string][]string // "pod/instance" → stamped lines
	version int
	changed chan struct{}
	// The rest is changed by Do only.

	Dead   map[string]bool // nodes that do not answer
	Refuse map[string]bool // nodes that refuse connections
	CutAt  int             // followed streams break after so many bytes; 0 never
	Frozen bool            // followed streams bring nothing
	Lost   bool            // logs were removed on the node
}

// New starts a cluster that ends with the test.
func New(t *testing.T) *Cluster {
	f := &Cluster{
		pods: map[string]*corev1.Pod{}, files: map[string][]string{}, changed: make(chan struct{}),
		Dead: map[string]bool{}, Refuse: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods", f.servePods)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods/{pod}/log", f.serveLog)
	f.mux = mux
	f.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// Config reaches the cluster.
func (f *Cluster) Config() *rest.Config { return &rest.Config{Host: f.server.URL} }

// Handle lets the cluster answer more, such as for a Service behind its proxy.
func (f *Cluster) Handle(pattern string, h http.Handler) { f.mux.Handle(pattern, h) }

// Do changes the cluster and wakes everybody who waits.
func (f *Cluster) Do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// Run adds a pod with one running container named main.
func (f *Cluster) Run(name, node string, labels map[string]string) {
	f.Do(func() {
		f.pods[name] = &corev1.Pod{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Namespace: "shop", UID: types.UID("uid-" + name), Labels: labels,
				ResourceVersion: strconv.Itoa(f.version + 1),
			},
			Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "main"}}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}}},
		}
	})
}

// status changes the state of the pod's container.
func (f *Cluster) status(name string, change func(*corev1.ContainerStatus)) {
	f.Do(func() {
		pod := f.pods[name].DeepCopy()
		pod.ResourceVersion = strconv.Itoa(f.version + 1)
		change(&pod.Status.ContainerStatuses[0])
		f.pods[name] = pod
	})
}

// Restart begins a new instance of the pod's container.
func (f *Cluster) Restart(name string, exitCode int32) {
	f.status(name, func(s *corev1.ContainerStatus) {
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: exitCode, Reason: "Error"}
		s.RestartCount++
	})
}

// End ends the pod's container for good.
func (f *Cluster) End(name string) {
	f.status(name, func(s *corev1.ContainerStatus) {
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	})
}

// Remove deletes the pod, and its logs with it.
func (f *Cluster) Remove(name string) { f.Do(func() { delete(f.pods, name) }) }

// Write adds a line to the current instance's log.
func (f *Cluster) Write(name string, at time.Time, text string) {
	f.Do(func() {
		key := f.key(name, 0)
		f.files[key] = append(f.files[key], at.UTC().Format("2006-01-02T15:04:05.000000000Z")+" "+text+"\n")
	})
}

func (f *Cluster) key(pod string, back int32) string {
	return fmt.Sprintf("%s/%d", pod, f.pods[pod].Status.ContainerStatuses[0].RestartCount-back)
}

// Rotate empties the current log.
func (f *Cluster) Rotate(name string) { f.Do(func() { f.files[f.key(name, 0)] = nil }) }

func (f *Cluster) servePods(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") == "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(f.version)}}
		for _, pod := range f.pods {
			list.Items = append(list.Items, *pod)
		}
		json.NewEncoder(w).Encode(list)
		return
	}
	f.watchPods(w, r)
}

// watchPods sends what is different from the last look.
func (f *Cluster) watchPods(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		w.WriteHeader(http.StatusUnprocessableEntity) // as a server without streaming lists
		json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: 422, Reason: metav1.StatusReasonInvalid})
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	sent := map[string]*corev1.Pod{}
	event := func(kind string, pod *corev1.Pod) {
		object, _ := json.Marshal(pod)
		fmt.Fprintf(w, `{"type":%q,"object":%s}`+"\n", kind, object)
	}
	w.WriteHeader(http.StatusOK)
	for {
		f.mu.Lock()
		for name, pod := range f.pods {
			if version, _ := strconv.Atoi(pod.ResourceVersion); sent[name] == nil && version > from {
				event("ADDED", pod)
			} else if sent[name] != nil && sent[name] != pod {
				event("MODIFIED", pod)
			}
			sent[name] = pod
		}
		for name, pod := range sent {
			if f.pods[name] == nil {
				delete(sent, name)
				event("DELETED", pod)
			}
		}
		changed := f.changed
		f.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *Cluster) serveLog(w http.ResponseWriter, r *http.Request) {
	name, q := r.PathValue("pod"), r.URL.Query()
	follow := q.Get("follow") == "true"
	f.mu.Lock()
	pod, changed := f.pods[name], f.changed
	var node string
	if pod != nil {
		node = pod.Spec.NodeName
	}
	dead, refuse := f.Dead[node], f.Refuse[node]
	f.mu.Unlock()
	switch {
	case pod == nil:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "pods "+name+" not found")
		return
	case refuse:
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "Get https://n:10250: dial tcp: connection refused")
		return
	}
	for dead {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		f.mu.Lock()
		dead, changed = f.Dead[node], f.changed
		f.mu.Unlock()
	}
	f.copyLog(r.Context(), w, name, q.Get("previous") == "true", follow, q.Get("sinceTime"), q.Get("tailLines"))
}

func (f *Cluster) copyLog(ctx context.Context, w http.ResponseWriter, name string, previous, follow bool, since, tail string) {
	back := int32(0)
	if previous {
		back = 1
	}
	f.mu.Lock()
	key := f.key(name, back)
	_, written := f.files[key]
	lost := f.Lost
	f.mu.Unlock()
	if lost {
		fmt.Fprint(w, "unable to retrieve container logs for containerd://0815")
		return
	}
	if previous && !written {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "previous terminated container main not found")
		return
	}
	next, sent := 0, 0
	if n, err := strconv.Atoi(tail); err == nil {
		f.mu.Lock()
		next = max(0, len(f.files[key])-n)
		f.mu.Unlock()
	}
	for {
		f.mu.Lock()
		lines, changed, cutAt, frozen := f.files[key], f.changed, f.CutAt, f.Frozen && follow
		running := f.pods[name] != nil && f.key(name, back) == key && f.pods[name].Status.ContainerStatuses[0].State.Terminated == nil
		f.mu.Unlock()
		for ; next < len(lines) && !frozen; next++ {
			line := lines[next]
			if since != "" && line[:19] < strings.TrimSuffix(since, "Z") {
				continue
			}
			if sent += len(line); follow && cutAt > 0 && sent > cutAt {
				w.Write([]byte(line[:cutAt%len(line)]))
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler) // in the middle of a line
			}
			w.Write([]byte(line))
			w.(http.Flusher).Flush()
		}
		if !follow || !running {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: int32(code), Reason: reason, Message: message,
	})
}
