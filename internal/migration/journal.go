package migration

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// saveTries bounds how often one Save meets somebody else's edit of the object.
const saveTries = 10

// Journal is a traffic.Journal in the status of a Migration: what was saved by
// another process since makes a Save fail, by the revision of the object. It is
// safe for concurrent use.
type Journal struct {
	client client.Client
	live   client.Reader
	worker string

	saving sync.Mutex // one write at a time
	// object as this process last read or wrote it.
	object *v1alpha1.Migration

	mu   sync.Mutex
	said *v1alpha1.Migration // the newest object that was observed
	seen *traffic.State
	at   time.Time
}

// NewJournal makes the journal of the object's present attempt. The reader asks
// the API server itself; worker names this process and no other one, ever.
func NewJournal(c client.Client, live client.Reader, object *v1alpha1.Migration, worker string) *Journal {
	return &Journal{client: c, live: live, worker: worker, object: object.DeepCopy(), said: object.DeepCopy()}
}

// Observe takes a newer object, for the words in it.
func (j *Journal) Observe(object *v1alpha1.Migration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if object.UID == j.said.UID && LastWord(object) >= LastWord(j.said) { // an older one may come late
		j.said = object.DeepCopy()
	}
}

// Saw takes what the router was read to have. It is written with the next
// Save.
func (j *Journal) Saw(state traffic.State, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen, j.at = &state, at
}

// Load is part of traffic.Journal.
func (j *Journal) Load(ctx context.Context) (traffic.Progress, error) {
	j.saving.Lock()
	defer j.saving.Unlock()
	latest, err := j.read(ctx)
	if err != nil {
		return traffic.Progress{}, err
	}
	j.object = latest
	return Progress(latest)
}

// Words is part of traffic.Journal. It gives what is known without asking.
func (j *Journal) Words(_ context.Context, after int64) ([]traffic.Word, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Words(j.said, after), nil
}

// Save is part of traffic.Journal.
func (j *Journal) Save(ctx context.Context, p traffic.Progress) error {
	return j.write(ctx, func(m *v1alpha1.Migration) error { return SetProgress(m, p, j.worker) })
}

// Confirm fails with ErrTakenOver if another process works on the migration by
// now. It writes what was seen lately.
func (j *Journal) Confirm(ctx context.Context) error {
	if !j.mine() {
		return traffic.ErrTakenOver
	}
	return j.write(ctx, func(*v1alpha1.Migration) error { return nil })
}

// mine tells whether this process has saved: until then the status is that of
// another.
func (j *Journal) mine() bool {
	j.saving.Lock()
	defer j.saving.Unlock()
	return j.object.Status.Journal != nil && j.object.Status.Journal.Worker == j.worker
}

// write changes the status of the object as it was last known to be. An edit of
// something else in between, such as a word, is no matter.
func (j *Journal) write(ctx context.Context, change func(*v1alpha1.Migration) error) error {
	j.saving.Lock()
	defer j.saving.Unlock()
	for range saveTries {
		next := j.object.DeepCopy()
		if err := change(next); err != nil {
			return err
		}
		j.addSeen(next)
		switch err := j.client.Status().Update(ctx, next); {
		case err == nil:
			j.object = next
			return nil
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return fmt.Errorf("writing the journal of migration %s: %w", next.Name, err)
		}
		if err := j.catchUp(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing the journal of migration %s: the object changes too often", j.object.Name)
}

func (j *Journal) addSeen(m *v1alpha1.Migration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen != nil {
		SetWeights(m, *j.seen, j.at)
	}
}

// catchUp reads the object again, and fails with ErrTakenOver if its journal is
// no longer the one that this process goes on with.
func (j *Journal) catchUp(ctx context.Context) error {
	latest, err := j.read(ctx)
	if err != nil {
		return err
	}
	before, now := j.object.Status.Journal, latest.Status.Journal
	same := equality.Semantic.DeepEqual(before, now)
	// A write of ours whose answer was lost is no one else's.
	ours := now != nil && now.Worker == j.worker
	if !same && !ours {
		return traffic.ErrTakenOver
	}
	j.object = latest
	return nil
}

// read reads the object from the API server. One that was deleted, or started
// anew, is not ours any more.
func (j *Journal) read(ctx context.Context) (*v1alpha1.Migration, error) {
	latest := &v1alpha1.Migration{}
	err := j.live.Get(ctx, client.ObjectKeyFromObject(j.object), latest)
	switch {
	case apierrors.IsNotFound(err):
		return nil, traffic.ErrTakenOver
	case err != nil:
		return nil, fmt.Errorf("reading migration %s: %w", j.object.Name, err)
	case latest.UID != j.object.UID, Attempt(latest) != Attempt(j.object):
		return nil, traffic.ErrTakenOver
	}
	return latest, nil
}

// Object is the migration as this process last read or wrote it. The caller gets
// a copy.
func (j *Journal) Object() *v1alpha1.Migration {
	j.saving.Lock()
	defer j.saving.Unlock()
	return j.object.DeepCopy()
}
