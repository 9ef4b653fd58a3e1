package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// Arrival says whether an environment's logs have arrived where they are
// gathered.
type Arrival struct {
	Answer result.Answer `json:"answer"`
	// Marks that were sent, and how many of them were found.
	Marks int `json:"marks"`
	Found int `json:"found"`
	// Lines tells that some line of the time of the load was found.
	Lines  bool   `json:"lines"`
	Reason string `json:"reason"`
}

// Gathered is what was found in logs.
type Gathered struct {
	// Marks that were found, of those that were looked for.
	Marks int
	// Lines tells that there is any line of the time that was looked at.
	Lines bool
}

// Between two looks at logs.
const lookInterval = 500 * time.Millisecond

// AwaitLogs looks for marks until all are found or patience ends. An
// application that writes its log without the addresses of requests shows no
// marks; then any line that has arrived will do.
func AwaitLogs(ctx context.Context, marks int, patience time.Duration, look func(context.Context) (Gathered, error)) Arrival {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last Gathered
	lastErr := errors.New("no answer in " + patience.String())
	for {
		seen, err := look(ctx)
		if err == nil {
			last, lastErr = seen, nil
		} else if ctx.Err() == nil {
			lastErr = err
		}
		if last.Marks >= marks {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookInterval):
			continue
		}
		break
	}
	return arrival(marks, last, lastErr)
}

func arrival(marks int, seen Gathered, err error) Arrival {
	a := Arrival{Marks: marks, Found: seen.Marks, Lines: seen.Lines || seen.Marks > 0}
	switch {
	case err != nil:
		a.Reason = "reading the gathered logs: " + err.Error()
	case seen.Marks >= marks:
		a.Answer, a.Reason = result.Holds, fmt.Sprintf("all %d marked requests are in the gathered logs", marks)
	case seen.Marks > 0:
		a.Answer, a.Reason = result.Fails, fmt.Sprintf("%d of %d marked requests are not in the gathered logs", marks-seen.Marks, marks)
	case seen.Lines:
		a.Answer, a.Reason = result.Holds, "lines arrive; the application does not write the addresses of requests, so that single ones cannot be followed"
	default:
		a.Reason = "no line has arrived since the load began: either the application writes none, or logs are not gathered"
	}
	return a
}
