package s3

import (
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Impatient is an engine for tests of servers that do not do their part.
func Impatient(stall time.Duration, attempts int) *Engine {
	return &Engine{stall: stall, retry: datacopy.Retry{Attempts: attempts, First: 10 * time.Millisecond}}
}
