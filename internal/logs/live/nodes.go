package live

import (
	"context"
	"sync"
	"time"
)

// nodeGate keeps the containers of a node that does not answer from all
// asking again and again: one tries, the others wait for its answer.
type nodeGate struct {
	mu    sync.Mutex
	nodes map[string]*nodeTrouble
}

// nodeTrouble is kept of nodes that did not answer once.
type nodeTrouble struct {
	failures  int // since it answered
	next      time.Time
	answered  time.Time
	recovered chan struct{}
}

func newNodeGate() *nodeGate { return &nodeGate{nodes: map[string]*nodeTrouble{}} }

// enter waits until the node may be asked.
func (g *nodeGate) enter(ctx context.Context, node string, answer time.Duration) error {
	for {
		g.mu.Lock()
		trouble := g.nodes[node]
		if trouble == nil || trouble.failures == 0 {
			g.mu.Unlock()
			return nil
		}
		wait := time.Until(trouble.next)
		if wait <= 0 {
			trouble.next = time.Now().Add(answer) // the others wait for this one
			g.mu.Unlock()
			return nil
		}
		recovered := trouble.recovered
		g.mu.Unlock()
		if err := sleep(ctx, wait, recovered); err != nil {
			return err
		}
	}
}

// fail notes that the node did not answer a request of that time. first is
// true at the beginning of the trouble. A request from before the node answered
// others says nothing of now.
func (g *nodeGate) fail(node string, asked time.Time, retry, maxRetry time.Duration) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	trouble := g.nodes[node]
	if trouble == nil {
		trouble = &nodeTrouble{recovered: make(chan struct{})}
		g.nodes[node] = trouble
	}
	if asked.Before(trouble.answered) {
		return false
	}
	trouble.next = time.Now().Add(min(maxRetry, retry<<min(trouble.failures, 16)))
	trouble.failures++
	return trouble.failures == 1
}

// succeed notes that the node answers. again is true at the end of trouble.
func (g *nodeGate) succeed(node string) (again bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	trouble := g.nodes[node]
	if trouble == nil {
		return false
	}
	trouble.answered = time.Now()
	if trouble.failures == 0 {
		return false
	}
	close(trouble.recovered)
	trouble.failures, trouble.recovered = 0, make(chan struct{})
	return true
}

// sleep waits for the time to pass or the channel to be closed.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-early:
	}
	return nil
}
