package redis

import (
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Impatient is an engine that gives silent servers up soon.
func Impatient(patience time.Duration) *Engine {
	return &Engine{pulse: datacopy.Pulse{Every: patience, Patience: patience, Misses: 3}}
}
