package haproxy

import (
	"fmt"
	"sync"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// sighting is what an instance had at the last look, so that weights which a
// reload has lost are not taken for a person's doing.
type sighting struct {
	mu       sync.Mutex
	process  string
	old, new int
	lost     string
}

// look says, in a clause, that a reload or restart has changed the weights; ""
// if they are the same, or changed otherwise.
func (s *sighting) look(r Report) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, new := r.weight(traffic.Old), r.weight(traffic.New)
	same := old == s.old && new == s.new
	switch {
	case s.process != "" && s.process != r.Process && !same:
		s.lost = fmt.Sprintf("HAProxy was reloaded or restarted (process %s, before %s) and has forgotten its weights: it needs a server-state-file", r.Process, s.process)
	case !same:
		s.lost = ""
	}
	s.process, s.old, s.new = r.Process, old, new
	return s.lost
}
