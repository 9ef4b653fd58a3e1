package s3

import "context"

const (
	// largeObject is a size from which a server is busy with the bytes, below
	// it with all else that belongs to an object.
	largeObject = 8 << 20
	// largeLane is how many workers begin with large objects.
	largeLane = 4
	// lookAhead is how many objects are known before their turn, so that large
	// ones that are listed late are begun early.
	lookAhead = 4 * pageSize
)

// work is one thing for a worker to do.
type work struct {
	match
	finished func() error
}

func (w work) large() bool { return w.source != nil && w.source.size >= largeObject }

// lanes hand out small and large objects side by side, whatever order they are
// listed in: small ones leave a disk idle, large ones a processor, and a few
// large ones at a time keep the disk as busy as all at once would, which would
// have the small ones wait. Whoever has nothing left of one kind does the other.
type lanes struct {
	small, large chan work
	// overflow is for large objects when their lane is full: there are so many
	// that everybody is to help.
	overflow chan work
}

func newLanes() *lanes {
	return &lanes{small: make(chan work, lookAhead), large: make(chan work, pageSize), overflow: make(chan work)}
}

// add queues what is to be done. It waits when there is much of it already.
func (l *lanes) add(ctx context.Context, w work) error {
	lane, overflow := l.small, chan work(nil)
	if w.large() {
		lane = l.large
		if len(lane) == cap(lane) {
			overflow = l.overflow
		}
	}
	select {
	case lane <- w:
	case overflow <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// close says that nothing more is added.
func (l *lanes) close() {
	close(l.small)
	close(l.large)
	close(l.overflow)
}

// each gives the worker of a number what there is to do, until all is done or
// something fails.
func (l *lanes) each(worker int, do func(work) error) error {
	for {
		w, more := l.next(worker)
		if !more {
			return nil
		}
		if err := do(w); err != nil {
			return err
		}
	}
}

func (l *lanes) next(worker int) (work, bool) {
	if worker < largeLane {
		return either(l.large, l.small)
	}
	if w, more := either(l.small, l.overflow); more {
		return w, true
	}
	w, more := <-l.large
	return w, more
}

// either takes from a lane, or from the other one when it has nothing. Both are
// closed together.
func either(lane, other <-chan work) (work, bool) {
	select {
	case w, more := <-lane:
		if more {
			return w, true
		}
	default:
		select {
		case w, more := <-lane:
			if more {
				return w, true
			}
		case w, more := <-other:
			if more {
				return w, true
			}
		}
	}
	if w, more := <-lane; more {
		return w, true
	}
	w, more := <-other
	return w, more
}
