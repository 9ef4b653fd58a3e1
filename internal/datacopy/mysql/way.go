package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// way is a way for rows into a table of the target. It is not safe for
// concurrent use.
type way interface {
	// add appends a row to those in the buffer. Fields are not what they were
	// afterwards.
	add(buffer []byte, fields [][]byte) ([]byte, error)
	// most is how much a row that took size bytes on its way here may add.
	most(size, fields int) int
	// limit is how long a buffer may be.
	limit() int
	// send has the target take the rows in a buffer.
	send(ctx context.Context, conn *wire.Conn, rows []byte) (wire.Done, error)
}

// ways are those into one table, the best first.
type ways []way

// waysTo gives the ways that a server knows: arrays of parameters cost it least,
// LOAD DATA takes rows of any length, INSERT is always allowed.
func waysTo(to *server, t *table) ways {
	var all ways
	if to.arrays {
		all = append(all, newArrayWay(to, t))
	}
	if to.localInfile {
		return append(all, &fileWay{table: t, reals: newReals(t)})
	}
	return append(all, &insertWay{table: t, reals: newReals(t), longest: int(min(insertBytes, to.maxPacket/2)), packet: to.maxPacket})
}

// choose gives the first way that takes a row, or else the last.
func (w ways) choose(size, fields int) way {
	for _, way := range w[:len(w)-1] {
		if way.most(size, fields) <= way.limit() {
			return way
		}
	}
	return w[len(w)-1]
}

// arrayWay sends rows as an array of parameters.
type arrayWay struct {
	statement string
	kinds     []wire.Kind
	reals     *reals
	longest   int
}

func newArrayWay(to *server, t *table) *arrayWay {
	w := &arrayWay{reals: newReals(t), longest: int(min(wire.MaxArray, to.maxPacket-wire.ArrayMargin))}
	var columns, values []string
	for _, c := range t.stored() {
		columns = append(columns, c.Name)
		value := "?"
		if c.Load != "" {
			value = strings.ReplaceAll(c.Load, "@v", value)
		}
		values = append(values, value)
		w.kinds = append(w.kinds, c.kind())
	}
	w.statement = insertInto(t, columns) + "(" + strings.Join(values, ",") + ")"
	return w
}

// kind is how values of the column are sent in an array. Those of a mask are
// whatever it makes of them.
func (c *column) kind() wire.Kind {
	switch {
	case c.Real:
		return wire.Double
	case c.Masked || c.Load != "":
		return wire.Bytes
	}
	switch c.Data {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		if strings.Contains(c.Type, "unsigned") {
			return wire.Unsigned
		}
		return wire.Signed
	case "date":
		return wire.Date
	case "datetime", "timestamp":
		return wire.DateTime
	}
	return wire.Bytes
}

func (w *arrayWay) add(buffer []byte, fields [][]byte) ([]byte, error) {
	if err := w.reals.cut(fields); err != nil {
		return buffer, err
	}
	var err error
	for i, field := range fields {
		if buffer, err = w.kinds[i].Append(buffer, field); err != nil {
			return buffer, err
		}
	}
	return buffer, nil
}

func (w *arrayWay) most(size, fields int) int { return size + fields*wire.MostAdded }

func (w *arrayWay) limit() int { return w.longest }

func (w *arrayWay) send(ctx context.Context, conn *wire.Conn, rows []byte) (wire.Done, error) {
	return conn.Array(ctx, w.statement, w.kinds, rows)
}

// fileWay sends rows by LOAD DATA, as a file that is in memory.
type fileWay struct {
	table *table
	reals *reals
}

func (w *fileWay) add(buffer []byte, fields [][]byte) ([]byte, error) {
	err := w.reals.print(fields)
	return appendLine(buffer, fields), err
}

func (w *fileWay) most(size, _ int) int { return size }

func (w *fileWay) limit() int { return math.MaxInt }

func (w *fileWay) send(ctx context.Context, conn *wire.Conn, rows []byte) (wire.Done, error) {
	return conn.Load(ctx, loadStatement(w.table), rows)
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

// insertWay sends rows by INSERT statements of many rows.
type insertWay struct {
	table   *table
	reals   *reals
	longest int
	// packet is the longest statement that the server reads.
	packet int64
}

// insertBytes is how large an INSERT may grow, well below every server's
// max_allowed_packet but one that was made small on purpose.
const insertBytes = 1 << 20

func (w *insertWay) add(buffer []byte, fields [][]byte) ([]byte, error) {
	err := w.reals.print(fields)
	return appendTuple(buffer, w.table.stored(), fields), err
}

func (w *insertWay) most(size, _ int) int { return size }

func (w *insertWay) limit() int { return w.longest }

func (w *insertWay) send(ctx context.Context, conn *wire.Conn, rows []byte) (wire.Done, error) {
	var columns []string
	for _, c := range w.table.stored() {
		columns = append(columns, c.Name)
	}
	statement := insertInto(w.table, columns) + strings.TrimSuffix(string(rows), ",")
	if size := int64(len(statement)) + 1; size > w.packet {
		// The server would end the connection in the middle of it.
		return wire.Done{}, &wire.Error{Code: errPacketTooLarge, Message: fmt.Sprintf("a row needs a packet of %d bytes, the target takes %d (max_allowed_packet)", size, w.packet)}
	}
	return conn.Exec(ctx, statement)
}

func insertInto(t *table, columns []string) string {
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
