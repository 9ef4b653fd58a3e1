package follow

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

const (
	// pollInterval bounds how old the picture gets when watches are silent or
	// refused.
	pollInterval = 2 * time.Second
	// reopenInterval is the pause before a broken watch is opened again.
	reopenInterval = time.Second
)

// changes signals, the first time at once, whenever the environment or one of
// its releases may have changed. Signals that nobody took are merged. The
// channel is closed when ctx ends.
func changes(ctx context.Context, cl client.WithWatch, env *v1alpha1.Environment) <-chan struct{} {
	signals := make(chan struct{}, 1)
	signals <- struct{}{}
	var watchers sync.WaitGroup
	watchers.Go(func() {
		watch(ctx, cl, &v1alpha1.EnvironmentList{}, env.Namespace, "metadata.name="+env.Name, signals)
	})
	watchers.Go(func() {
		watch(ctx, cl, &v1alpha1.ReleaseList{}, env.Namespace, "spec.environment="+env.Name, signals)
	})
	watchers.Go(func() { poll(ctx, signals) })
	go func() {
		watchers.Wait()
		close(signals)
	}()
	return signals
}

func watch(ctx context.Context, cl client.WithWatch, list client.ObjectList, namespace, selector string, signals chan<- struct{}) {
	only := client.MatchingFieldsSelector{Selector: fields.ParseSelectorOrDie(selector)}
	for ctx.Err() == nil {
		w, err := cl.Watch(ctx, list, client.InNamespace(namespace), only)
		if err == nil {
			for range w.ResultChan() {
				signal(signals)
			}
			w.Stop()
		}
		sleep(ctx, reopenInterval)
	}
}

func poll(ctx context.Context, signals chan<- struct{}) {
	for ctx.Err() == nil {
		sleep(ctx, pollInterval)
		signal(signals)
	}
}

func signal(signals chan<- struct{}) {
	select {
	case signals <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
