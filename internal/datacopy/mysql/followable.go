package mysql

import (
	"cmp"
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Followable is part of datacopy.Follower.
func (e *Engine) Followable(ctx context.Context, req datacopy.Request) error {
	source, err := open(ctx, req.From, "source")
	if err != nil {
		return err
	}
	conn, err := source.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	rows, err := conn.All(ctx, "SELECT @@log_bin")
	if err != nil {
		return fmt.Errorf("asking the source for its binary log: %w", err)
	}
	if rows[0][0].Value == "0" {
		return fault.New(fault.Refused, "Start the source with log_bin and binlog_format = ROW, or copy in the incremental mode.",
			"following %s: its server writes no binary log", req.From)
	}
	return source.logsRows()
}

// logsRows is an error where the binary log does not say which rows changed.
func (s *server) logsRows() error {
	if s.binlogFormat == "ROW" {
		return nil
	}
	return fault.New(fault.Refused, "Set binlog_format = ROW at the source, or copy in the incremental mode.",
		"following %s: its server writes the binary log by %s", s.address, cmp.Or(s.binlogFormat, "statement"))
}
