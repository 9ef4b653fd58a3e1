package cli

import (
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
)

// progress prints each step of a report once, when it is done. On a terminal
// the last line shows what is being waited for.
type progress struct {
	streams Streams
	printed map[string]bool
	moving  bool
	started time.Time
}

func newProgress(streams Streams) *progress {
	return &progress{streams: streams, printed: map[string]bool{}, started: time.Now()}
}

func (p *progress) report(r supervisor.Report) {
	p.clear()
	waiting := ""
	for _, s := range r.Steps {
		switch {
		case !s.Done:
			waiting = s.Name
		case s.Error != "" && !p.printed[s.Name+s.Error]:
			p.printed[s.Name+s.Error] = true
			fmt.Fprintf(p.streams.Err, "failed  %-22s %s\n", s.Name, s.Error)
		case s.Error == "" && !p.printed[s.Name]:
			p.printed[s.Name] = true
			fmt.Fprintf(p.streams.Err, "done    %-22s %5.1fs\n", s.Name, s.Took.Seconds())
		}
	}
	if p.streams.Terminal && waiting != "" {
		fmt.Fprintf(p.streams.Err, "waiting %-22s %5.1fs", waiting, time.Since(p.started).Seconds())
		p.moving = true
	}
}

// clear removes the moving line.
func (p *progress) clear() {
	if p.moving {
		fmt.Fprint(p.streams.Err, "\r\x1b[K")
		p.moving = false
	}
}
