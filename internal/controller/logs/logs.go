// Package logs lets the log archive follow what environments there are: it
// looks at them now and then and tells the gatherer. Start at Runnable.
package logs

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/gather"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Runnable gathers logs while it runs. A manager runs it on the leader only:
// an archive has one writer.
type Runnable struct {
	Reader   client.Reader
	Pool     *kube.Pool
	Archive  *archive.Archive
	Gatherer *gather.Gatherer
	Tokens   Tokens

	// admitted are the projects whose token is known to be there.
	admitted map[string]bool
}

// lookEvery is how soon a new environment's output is gathered. Its pods take
// longer to start, and what they print before is fetched.
const lookEvery = 2 * time.Second

// Start gathers until the context ends.
func (r *Runnable) Start(ctx context.Context) error {
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = r.Archive.Run(writing) // ends with its context only
	}()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.look(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	r.Gatherer.Wait()
	stopWriting()
	<-written
	return r.Archive.Close()
}

// look tells the gatherer which environments there are. When that cannot be
// read everything stays as it is.
func (r *Runnable) look(ctx context.Context) {
	var list v1alpha1.EnvironmentList
	if err := r.Reader.List(ctx, &list); err != nil {
		log.FromContext(ctx).Error(err, "listing environments to gather logs of")
		return
	}
	var found []gather.Environment
	for i := range list.Items {
		env := &list.Items[i]
		if env.Status.Namespace == "" {
			continue // nothing runs yet
		}
		target, err := r.Pool.Target(ctx, environment.Cluster(env))
		if err != nil {
			continue // the environment's own status says so
		}
		r.admit(ctx, env.Namespace)
		found = append(found, gather.Environment{
			Project: env.Namespace, Name: env.Name, Namespace: env.Status.Namespace, Config: target.Config,
		})
	}
	r.Gatherer.Set(ctx, found)
}

// admit makes sure that a project's people can read what is gathered. A token
// that somebody deletes comes back with the next start.
func (r *Runnable) admit(ctx context.Context, project string) {
	if r.admitted[project] {
		return
	}
	if err := r.Tokens.Ensure(ctx, project); err != nil {
		log.FromContext(ctx).Error(err, "admitting a project to its gathered logs")
		return
	}
	if r.admitted == nil {
		r.admitted = map[string]bool{}
	}
	r.admitted[project] = true
}
