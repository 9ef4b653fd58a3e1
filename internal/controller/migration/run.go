package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Times of the work on one migration.
const (
	// firstRetry and lastRetry bound how soon work that failed begins again.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 15 * time.Second
	// wellFor is how long work must have gone well for its next failure to be a
	// first one.
	wellFor = 30 * time.Second
	// keepEvery is how often evidence is written; more seldom as it grows, since
	// it is always written whole, and as there are more migrations.
	keepEvery = 10 * time.Second
	keepShare = 100 * time.Millisecond
	// keepSlower is by how much longer for each byte: two minutes at its bound.
	keepSlower = 130 * time.Microsecond
	// lastKeep bounds writing evidence when the work ends.
	lastKeep = 5 * time.Second
	// saveShare keeps all migrations together at so many saves a second where
	// only time passes.
	saveShare = 25 * time.Millisecond
)

// run works on one attempt of a migration until its way back is let go, another
// process has it, or the context ends.
func (r *Reconciler) run(ctx context.Context, one *run) {
	key := client.ObjectKeyFromObject(one.object)
	logger := ctrl.Log.WithName("migration").WithValues("namespace", key.Namespace, "name", key.Name)
	ctx = ctrl.LoggerInto(ctx, logger)
	for retry := firstRetry; ctx.Err() == nil; retry = min(2*retry, lastRetry) {
		began := r.Clock()
		m, err := r.object(ctx, one)
		if err == nil {
			err = r.work(ctx, one, m)
		}
		switch {
		case err == nil, errors.Is(err, errGone):
			return
		case ctx.Err() != nil:
			return
		case errors.Is(err, traffic.ErrTakenOver):
			logger.Info("another process has it")
		default:
			logger.Error(err, "working on it")
			if m != nil {
				r.explain(ctx, m, err)
			}
		}
		if r.Clock().Sub(began) > wellFor {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// errGone says that there is nothing to work on any more.
var errGone = errors.New("the migration is gone, or another attempt began")

// object reads the migration from the API server.
func (r *Reconciler) object(ctx context.Context, one *run) (*v1alpha1.Migration, error) {
	m := &v1alpha1.Migration{}
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(one.object), m)
	switch {
	case apierrors.IsNotFound(err), err == nil && (m.UID != one.uid || migration.Attempt(m) != one.attempt):
		return nil, errGone
	case err != nil:
		return nil, fmt.Errorf("reading the migration: %w", err)
	}
	return m, nil
}

// work carries the migration out until something ends that.
func (r *Reconciler) work(ctx context.Context, one *run, m *v1alpha1.Migration) error {
	router, err := r.Binder.Router(ctx, m)
	if err != nil {
		return err
	}
	guards, closeGuards := r.Binder.Guards(ctx, m, router)
	defer closeGuards()
	journal := migration.NewJournal(r.Client, r.Live, m, r.worker)
	wake := make(chan struct{}, 1)
	one.attach(journal, func() {
		select {
		case wake <- struct{}{}:
		default: // it is awake
		}
	})
	watcher := r.watcher(m, journal)
	recorded := migration.GoOn(ctx, r.Live, m, watcher.see)

	aside, stop := context.WithCancel(ctx)
	keeping := make(chan struct{})
	go func() {
		defer close(keeping)
		r.keep(aside, journal, recorded)
	}()
	executor := &traffic.Executor{
		Definition: migration.Definition(m), Router: router, Guards: guards, Journal: journal,
		Recorder: recorded, Permission: ctx.Err, Wake: wake, Now: r.Clock,
		SaveEvery: max(time.Second, time.Duration(r.runs.count())*saveShare), Reached: r.reached(),
	}
	_, err = executor.Run(ctx)
	stop()
	<-keeping
	watcher.end()
	if !errors.Is(err, traffic.ErrTakenOver) {
		r.keepLast(ctx, journal, recorded)
	}
	return err
}

// reached tells of points at which a crash is interesting.
func (r *Reconciler) reached() func(traffic.Point) {
	if r.Reached == nil {
		return nil
	}
	return func(point traffic.Point) { r.Reached(string(point)) }
}

// keep writes evidence now and then, and soon after the migration has come to
// rest: that is when people ask for it.
func (r *Reconciler) keep(ctx context.Context, journal *migration.Journal, events *migration.Events) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	due, rested := time.Now().Add(keepEvery), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		object := journal.Object()
		rests := migration.Phase(object).Rests()
		soon := rests && !rested
		if rested = rests; events.Waiting() == 0 || !soon && time.Now().Before(due) {
			continue
		}
		size, err := migration.Keep(ctx, r.Client, object, events)
		if err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "keeping evidence")
		}
		due = time.Now().Add(keepEvery + time.Duration(r.runs.count())*keepShare + time.Duration(size)*keepSlower)
	}
}

// keepLast writes evidence at the end, if the migration is still this process's.
func (r *Reconciler) keepLast(ctx context.Context, journal *migration.Journal, events *migration.Events) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastKeep)
	defer cancel()
	if err := journal.Confirm(ctx); err != nil {
		return // somebody else keeps it now
	}
	if _, err := migration.Keep(ctx, r.Client, journal.Object(), events); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "keeping evidence")
	}
}
