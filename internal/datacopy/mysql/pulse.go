package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// pulse watches over servers: the answer to a long statement may take hours.
type pulse datacopy.Pulse

var defaultPulse pulse

// attend does something with servers, and ends it when one of them answers no
// more, with an error that may pass.
func (p pulse) attend(ctx context.Context, note func(format string, args ...any), do func(context.Context) error, servers ...*server) error {
	attended := make([]datacopy.Attended, len(servers))
	for i, s := range servers {
		attended[i] = s.attended()
	}
	err := datacopy.Pulse(p).Attend(ctx, note, do, attended...)
	if errors.Is(err, datacopy.ErrSilent) {
		return fmt.Errorf("%w: %w", wire.ErrBroken, err)
	}
	return err
}

// attended is what a pulse asks. Any answer will do, also an error.
func (s *server) attended() datacopy.Attended {
	var conn *wire.Conn
	ask := func(ctx context.Context, patience time.Duration) (err error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if conn == nil || conn.Broken() {
			conn, err = s.connect(ctx)
		} else {
			_, err = conn.Exec(ctx, "DO 0")
		}
		if wire.Code(err) != 0 {
			return nil
		}
		return err
	}
	return datacopy.Attended{Name: fmt.Sprintf("%s %s", s.side, s.address), Ask: ask, Close: func() {
		if conn != nil {
			_ = conn.Close()
		}
	}}
}
