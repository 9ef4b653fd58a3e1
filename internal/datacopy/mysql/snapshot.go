package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
)

// snapshot is the source at one moment, seen by several connections.
type snapshot struct {
	readers []*wire.Conn
	schema  *schema
	// position is where the binary log was at that moment, "" when the user
	// may not know or there is no log.
	position string
	// warning says what is weaker than it should be.
	warning string
}

func (s *snapshot) close() {
	for _, conn := range s.readers {
		_ = conn.Close()
	}
}

// lockPatience is how long to wait for a lock, in seconds: at the source it
// keeps writers waiting behind a long statement until another way is taken, at
// the target nobody would know what is waited for. There it is tried again.
const lockPatience = 5

// freezes are the ways to let nothing be committed for a moment, the lightest
// first. Each needs other rights.
func (s *server) freezes(tables []*table) []freeze {
	var all []freeze
	if s.mariadb {
		all = append(all, freeze{"backup stage", []string{"BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"}, "BACKUP STAGE END"})
	}
	all = append(all, freeze{"global read lock", []string{"FLUSH TABLES WITH READ LOCK"}, "UNLOCK TABLES"})
	if len(tables) > 0 {
		var locks []string
		for _, t := range tables {
			locks = append(locks, name(t.Name)+" READ")
		}
		all = append(all, freeze{"lock of the tables", []string{"LOCK TABLES " + strings.Join(locks, ", ")}, "UNLOCK TABLES"})
	}
	return all
}

type freeze struct {
	name  string
	begin []string
	end   string
}

// take opens readers that all see the same moment: commits are held up only
// while they begin their transactions. Where the user may not hold up commits,
// one reader is all there is.
func (s *server) take(ctx context.Context, tables []*table, readers int) (_ *snapshot, err error) {
	shot := &snapshot{}
	defer func() {
		if err != nil {
			shot.close()
		}
	}()
	for range readers {
		conn, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		shot.readers = append(shot.readers, conn)
		if _, err := conn.Exec(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
			return nil, err
		}
		if err := s.enlarge(ctx, conn); err != nil {
			return nil, err
		}
	}
	control, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	thaw, err := s.freeze(ctx, control, tables)
	if err != nil && len(shot.readers) > 1 {
		for _, conn := range shot.readers[1:] {
			_ = conn.Close()
		}
		shot.readers = shot.readers[:1]
		shot.warning = fmt.Sprintf("one reader only: the source's user may not hold up commits for a snapshot shared by several (%v)", err)
	}
	// Asked for first: where nothing is held up, it is too early rather than
	// too late, which Follow bears.
	shot.position = s.position(ctx, control)
	for _, conn := range shot.readers {
		if _, err := conn.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return nil, fmt.Errorf("taking a snapshot of the source: %w", err)
		}
	}
	if thaw != "" {
		if _, err := control.Exec(ctx, thaw); err != nil {
			return nil, fmt.Errorf("letting the source go on: %w", err)
		}
	}
	shot.schema, err = s.readSchema(ctx, shot.readers[0])
	return shot, err
}

// sendBuffer is how much of its rows a server sends at once, in bytes.
const sendBuffer = 256 << 10

// enlarge has the server send rows in larger pieces than its net_buffer_length
// of 16 KB, which sessions cannot set: its buffer grows to the size of what the
// connection has received, here of blanks. It saves both ends system calls.
func (s *server) enlarge(ctx context.Context, conn *wire.Conn) error {
	if s.maxPacket < 2*sendBuffer {
		return nil
	}
	_, err := conn.Exec(ctx, "DO 0 -- "+strings.Repeat(" ", sendBuffer))
	return err
}

// freeze holds up commits and gives the statement that lets them go. When the
// connection ends, the server lets them go by itself.
func (s *server) freeze(ctx context.Context, control *wire.Conn, tables []*table) (thaw string, err error) {
	if _, err := control.Exec(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", lockPatience)); err != nil {
		return "", err
	}
	for _, way := range s.freezes(tables) {
		for i, statement := range way.begin {
			if _, err = control.Exec(ctx, statement); err != nil {
				if i > 0 {
					_, _ = control.Exec(ctx, way.end)
				}
				break
			}
		}
		if err == nil {
			return way.end, nil
		}
		if control.Broken() {
			return "", err
		}
	}
	return "", err
}

// position asks for the end of the binary log.
func (s *server) position(ctx context.Context, control *wire.Conn) string {
	statement := "SHOW MASTER STATUS"
	if !s.mariadb && s.atLeast(8, 2, 0) {
		statement = "SHOW BINARY LOG STATUS"
	}
	rows, err := control.All(ctx, statement)
	if err != nil || len(rows) == 0 {
		return ""
	}
	return rows[0][0].Value + ":" + rows[0][1].Value
}

// unchanged says whether tables are still defined as planned.
func unchanged(planned, now *schema) error {
	for _, t := range planned.Tables {
		there := now.table(t.Name)
		if there == nil {
			return fault.New(fault.Refused, "Begin the copy anew (--anew).", "copying data: table %s of the source is gone since the plan was made", t.Name)
		}
		if there.fingerprint() != t.fingerprint() {
			return fault.New(fault.Refused, "Begin the copy anew (--anew).", "copying data: table %s of the source was changed since the plan was made", t.Name)
		}
	}
	return nil
}
