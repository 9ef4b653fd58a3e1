package parity

import (
	"context"
	"time"

	"github.com/dustin/go-humanize/english"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/landfall-dev/landfall/internal/progress"
)

// Controllers see a new specification within milliseconds, unless they are
// stopped or have much to do.
const (
	catchUpEvery = 200 * time.Millisecond
	catchUpFor   = 10 * time.Second
)

// catchUp reads workloads again that their controllers are behind with, as just
// after a transfer. Those that stay behind are unknown.
func (c *comparison) catchUp(ctx context.Context, reporter progress.Reporter) error {
	if c.o.IgnoreReadiness || c.behind() == 0 {
		return nil
	}
	step := reporter.Step("waiting for the controllers of " + english.Plural(c.behind(), "workload", ""))
	_ = wait.PollUntilContextTimeout(ctx, catchUpEvery, catchUpFor, false, func(ctx context.Context) (bool, error) {
		for _, s := range c.sides() {
			s.readBehind(ctx)
		}
		return c.behind() == 0, nil
	})
	if err := ctx.Err(); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%d still behind", c.behind())
	return nil
}

func (c *comparison) behind() int { return len(c.from.running.behind) + len(c.to.running.behind) }

// readBehind reads the workloads again whose controllers were behind. One that
// cannot be read stays as it was.
func (s *side) readBehind(ctx context.Context) {
	var again []*unstructured.Unstructured
	for _, u := range s.running.behind {
		resource := s.serves[u.GroupVersionKind().GroupKind()].GroupVersionResource
		resource.Version = u.GroupVersionKind().Version
		if now, err := s.cluster.Objects(resource, u.GetNamespace()).Get(ctx, u.GetName(), metav1.GetOptions{}); err == nil {
			again = append(again, now)
		}
	}
	for _, u := range again {
		s.note(u)
	}
}
