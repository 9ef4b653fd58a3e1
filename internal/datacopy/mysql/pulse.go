package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// pulse tells servers that work on a long statement from those that do nothing
// any more, such as one that is stopped, or behind a network that drops what it
// is sent: they are asked something small over a connection of their own.
type pulse struct {
	// every is the pause between questions, patience how long an answer may
	// take, and misses how many in a row may stay away.
	every, patience time.Duration
	misses          int
}

// defaultPulse gives a server up within a minute.
var defaultPulse = pulse{every: 5 * time.Second, patience: 10 * time.Second, misses: 3}

// attend does something with servers, and ends it when one of them answers no
// more, with an error that may pass.
func (p pulse) attend(ctx context.Context, note func(format string, args ...any), do func(context.Context) error, servers ...*server) error {
	attended, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	for _, s := range servers {
		go p.watch(attended, s, note, giveUp)
	}
	err := do(attended)
	if err != nil && ctx.Err() == nil && attended.Err() != nil {
		return context.Cause(attended)
	}
	return err
}

// watch asks a server until ctx ends or it stays away too often.
func (p pulse) watch(ctx context.Context, s *server, note func(string, ...any), giveUp context.CancelCauseFunc) {
	var conn *wire.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	silent := time.Now()
	for missed := 0; missed < p.misses; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.every):
		}
		var err error
		if conn, err = p.ask(ctx, s, conn); err == nil || wire.Code(err) != 0 {
			missed, silent = 0, time.Now()
			continue
		}
		if missed++; ctx.Err() == nil {
			note("the %s %s has not answered for %s", s.side, s.address, time.Since(silent).Round(time.Second))
		}
	}
	giveUp(fmt.Errorf("%w: the %s %s has not answered for %s", wire.ErrBroken, s.side, s.address, time.Since(silent).Round(time.Second)))
}

// ask sends a question over a connection, a new one when that is gone. Any
// answer will do, also an error.
func (p pulse) ask(ctx context.Context, s *server, conn *wire.Conn) (*wire.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if conn == nil || conn.Broken() {
		return s.connect(ctx)
	}
	_, err := conn.Exec(ctx, "DO 0")
	return conn, err
}
