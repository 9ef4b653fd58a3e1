package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// loader brings the rows in a worker's buffer into the target, by LOAD DATA
// from memory or, where the server does not allow it, by INSERT.
type loader struct {
	worker *worker
	unit   *unit
	chunk  chunk
	// clear says that rows of the chunk may be there, and go first.
	clear bool

	// open says that a transaction has begun.
	open bool
	// waiting rows are in the buffer; rows were taken by the target; size is in
	// bytes of the source.
	waiting, rows, size int64
}

// insertBytes is how large an INSERT may grow, well below every server's
// max_allowed_packet but one that was made small on purpose.
const insertBytes = 1 << 20

// format gives the function that adds a row to the buffer.
func (l *loader) format() func([]byte, [][]byte) []byte {
	if l.worker.copier.to.localInfile {
		return appendLine
	}
	columns := l.unit.table.stored()
	return func(buffer []byte, fields [][]byte) []byte { return appendTuple(buffer, columns, fields) }
}

// full says that the buffer should be loaded before more rows come.
func (l *loader) full() bool {
	limit := 2 * l.worker.copier.detail.ChunkBytes
	if to := l.worker.copier.to; !to.localInfile {
		limit = min(insertBytes, to.maxPacket/2)
	}
	return int64(len(l.worker.buffer)) >= limit
}

// begin opens the transaction when the chunk needs one: it is cleared first,
// or comes in several parts.
func (l *loader) begin(ctx context.Context) error {
	if l.open {
		return nil
	}
	if _, err := l.worker.target.Exec(ctx, "START TRANSACTION"); err != nil {
		return fmt.Errorf("beginning to load: %w", err)
	}
	l.open = true
	if !l.clear {
		return nil
	}
	done, err := l.worker.target.Exec(ctx, "DELETE FROM "+name(l.unit.table.Name)+where(l.chunk.condition(l.unit.table)))
	if err != nil {
		return fmt.Errorf("removing earlier rows: %w", err)
	}
	l.unit.extras.Add(int64(done.Affected))
	return nil
}

// flush loads what is in the buffer, with more to come.
func (l *loader) flush(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	return l.load(ctx)
}

// finish loads the rest and commits.
func (l *loader) finish(ctx context.Context) error {
	if l.clear {
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	if l.waiting > 0 {
		if err := l.load(ctx); err != nil {
			return err
		}
	}
	if !l.open {
		return nil
	}
	if _, err := l.worker.target.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("committing rows: %w", err)
	}
	return nil
}

// load sends the buffer.
func (l *loader) load(ctx context.Context) error {
	w := l.worker
	if w.copier.to.localInfile {
		done, err := w.target.Load(ctx, loadStatement(l.unit.table), w.buffer)
		if err != nil {
			return fmt.Errorf("loading rows: %w", err)
		}
		l.rows += int64(done.Affected)
	} else {
		done, err := w.target.Exec(ctx, insertStatement(l.unit.table)+strings.TrimSuffix(string(w.buffer), ","))
		if err != nil {
			return fmt.Errorf("inserting rows: %w", err)
		}
		l.rows += int64(done.Affected)
	}
	if w.buffer = w.buffer[:0]; int64(cap(w.buffer)) > 4*w.copier.detail.ChunkBytes {
		w.buffer = nil // one huge row is no reason to keep its memory
	}
	l.waiting = 0
	return nil
}

// loadStatement names the columns, so that generated and invisible ones do not
// matter, and takes bytes as they are.
func loadStatement(t *table) string {
	var targets, sets []string
	for i, c := range t.stored() {
		if c.Load == "" {
			targets = append(targets, name(c.Name))
			continue
		}
		variable := "@v" + strconv.Itoa(i)
		targets = append(targets, variable)
		sets = append(sets, name(c.Name)+" = "+strings.ReplaceAll(c.Load, "@v", variable))
	}
	statement := "LOAD DATA LOCAL INFILE 'rows' INTO TABLE " + name(t.Name) + " CHARACTER SET binary (" + strings.Join(targets, ", ") + ")"
	if len(sets) > 0 {
		statement += " SET " + strings.Join(sets, ", ")
	}
	return statement
}

func insertStatement(t *table) string {
	var columns []string
	for _, c := range t.stored() {
		columns = append(columns, c.Name)
	}
	return "INSERT INTO " + name(t.Name) + " (" + names(columns) + ") VALUES "
}

// appendTuple adds a row as "(…),". Values are hexadecimal: no escape, quote
// or character set can change them.
func appendTuple(buffer []byte, columns []*column, fields [][]byte) []byte {
	buffer = append(buffer, '(')
	for i, field := range fields {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		switch {
		case field == nil:
			buffer = append(buffer, "NULL"...)
		case columns[i].Load != "":
			before, after, _ := strings.Cut(columns[i].Load, "@v")
			buffer = append(appendValue(append(buffer, before...), field), after...)
		default:
			buffer = appendValue(buffer, field)
		}
	}
	return append(buffer, "),"...)
}

func appendValue(buffer, field []byte) []byte {
	if isNumber(field) {
		return append(append(append(buffer, '\''), field...), '\'')
	}
	if len(field) == 0 {
		return append(buffer, "''"...)
	}
	return hex.AppendEncode(append(buffer, "_binary 0x"...), field)
}

// isNumber says that a value is of characters that need no care.
func isNumber(field []byte) bool {
	for _, b := range field {
		if (b < '0' || b > '9') && strings.IndexByte("-+.: eE", b) < 0 {
			return false
		}
	}
	return len(field) > 0
}
