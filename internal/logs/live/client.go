// Package live reads the output of a namespace's containers from the
// Kubernetes API: once, or following them as pods come, restart and go.
// Output that breaks off is taken up again without loss or repetition, and
// what cannot be had is marked. Start at Client.Open; container.go is the life
// of one container's output.
package live

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Client reads logs of one cluster. It is safe for concurrent use.
type Client struct {
	kube   kubernetes.Interface
	owners *owners
	nodes  *nodeGate
	timing Timing
}

// Timing is how long to wait for what. Zero fields take the defaults.
type Timing struct {
	// Answer is how long a node may take to begin to answer, or be
	// silent in the middle of it. Default 8 s.
	Answer time.Duration
	// Probe is after how long a silence a followed container is asked whether
	// it is really silent. Default 30 s.
	Probe time.Duration
	// Retry is the pause before the first repetition of a request that failed;
	// it doubles up to MaxRetry. Defaults 500 ms and 15 s.
	Retry, MaxRetry time.Duration
	// Status is how long the end of a container's output waits for the news
	// that the container ended. Default 3 s.
	Status time.Duration
}

func (t *Timing) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Answer, 8 * time.Second}, {&t.Probe, 30 * time.Second},
		{&t.Retry, 500 * time.Millisecond}, {&t.MaxRetry, 15 * time.Second}, {&t.Status, 3 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// New makes a client. It does not limit its own rate of requests: a stream is
// one request however long it lasts, and the API server has its own fairness.
func New(config *rest.Config, timing Timing) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.RateLimiter, config.Timeout = -1, nil, 0
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for logs: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for owners of pods: %w", err)
	}
	timing.setDefaults()
	return &Client{kube: kube, owners: newOwners(meta), nodes: newNodeGate(), timing: timing}, nil
}

// Options say what to read.
type Options struct {
	Namespace string
	// Query selects containers, times and text. Its project, environment and
	// tail play no part here.
	Query logs.Query
	// NewestLines of each container at most; 0 is all.
	NewestLines int64
	// Follow goes on with what the containers write from now on, and with pods
	// that come.
	Follow bool
	// Previous reads the instance before the last restart instead. Not with
	// Follow.
	Previous bool
	// History reads the instance before the last restart too, where the reader
	// has no position yet. Only with Follow.
	History bool
	// From is where to go on with a container; nil is from the beginning.
	From func(pod types.UID, container string) (instance int32, position logs.Position, known bool)
}

// Stream is the output of one container.
type Stream struct {
	logs.Reader
	Origin *logs.Origin
	// Pod is unique over time, unlike its name.
	Pod types.UID
}

// Session is a reading under way.
type Session struct {
	// Initial are the containers of the pods that were there at the start.
	Initial []Stream

	client *Client
	opts   Options
	pods   *podTracker
}

// Open finds the containers that match. Reading begins with the readers' first
// Next.
func (c *Client) Open(ctx context.Context, opts Options) (*Session, error) {
	s := &Session{client: c, opts: opts}
	if !opts.Follow {
		list, err := c.kube.CoreV1().Pods(opts.Namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return nil, fmt.Errorf("listing pods of namespace %s: %w", opts.Namespace, err)
		}
		for i := range list.Items {
			s.Initial = append(s.Initial, s.streams(ctx, newPodState(&list.Items[i]))...)
		}
		return s, nil
	}
	tracker, err := trackPods(ctx, c.kube, opts.Namespace)
	if err != nil {
		return nil, err
	}
	s.pods = tracker
	for _, pod := range tracker.initial {
		s.Initial = append(s.Initial, s.streams(ctx, pod)...)
	}
	return s, nil
}

// Run tells of containers of pods that come, until the context ends. Only with
// Follow.
func (s *Session) Run(ctx context.Context, join func(Stream)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.pods.news:
			for _, pod := range s.pods.taken() {
				for _, stream := range s.streams(ctx, pod) {
					join(stream)
				}
			}
		}
	}
}

// streams gives the pod's containers that match, one stream each.
func (s *Session) streams(ctx context.Context, pod *podState) (streams []Stream) {
	p := pod.current()
	names := containerNames(p)
	component := s.client.owners.component(ctx, p)
	for _, name := range names {
		origin := &logs.Origin{Component: component, Pod: p.Name, Container: name, Only: len(names) == 1}
		if !s.opts.Query.WantsOrigin(origin) {
			continue
		}
		c := &container{client: s.client, opts: &s.opts, pod: pod, origin: origin, node: p.Spec.NodeName}
		reader := logs.Push(c.once)
		if s.opts.Follow {
			reader = logs.Push(c.follow)
		}
		streams = append(streams, Stream{Reader: reader, Origin: origin, Pod: p.UID})
	}
	return streams
}

// containerNames lists all containers of a pod in the order they start.
func containerNames(p *corev1.Pod) (names []string) {
	for _, c := range p.Spec.InitContainers {
		names = append(names, c.Name)
	}
	for _, c := range p.Spec.Containers {
		names = append(names, c.Name)
	}
	for _, c := range p.Spec.EphemeralContainers {
		names = append(names, c.Name)
	}
	return names
}
