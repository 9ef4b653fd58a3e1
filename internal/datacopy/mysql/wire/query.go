package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Done is what a server says after a statement without rows.
type Done struct {
	// Affected counts rows.
	Affected uint64
	Warnings int
	// Info is the server's summary: "Records: 3  Deleted: 0  Skipped: 0  …".
	Info string
}

// Exec runs a statement that gives no rows; rows are read and dropped.
func (c *Conn) Exec(ctx context.Context, statement string) (Done, error) {
	end := c.watch(ctx)
	done, err := c.exec(statement)
	return done, end(err)
}

func (c *Conn) exec(statement string) (Done, error) {
	if err := c.command(commandQuery, statement); err != nil {
		return Done{}, err
	}
	packet, err := c.read()
	if err != nil {
		return Done{}, err
	}
	columns, done, err := first(packet)
	if err != nil || columns == 0 {
		return done, err
	}
	rows := &Rows{conn: c, end: func(err error) error { return err }}
	if err := rows.skipDefinitions(columns); err != nil {
		return Done{}, err
	}
	for rows.Next() {
	}
	return Done{}, rows.Err()
}

// Query runs a statement that gives rows. The rows must be read to their end
// (Next gives false) or closed before the connection is used again.
func (c *Conn) Query(ctx context.Context, statement string) (*Rows, error) {
	end := c.watch(ctx)
	rows, err := c.query(statement)
	if err != nil {
		return nil, end(err)
	}
	rows.end = end
	return rows, nil
}

func (c *Conn) query(statement string) (*Rows, error) {
	if err := c.command(commandQuery, statement); err != nil {
		return nil, err
	}
	packet, err := c.read()
	if err != nil {
		return nil, err
	}
	columns, _, err := first(packet)
	if err != nil {
		return nil, err
	}
	if columns == 0 {
		return nil, errors.New("the statement gave no rows")
	}
	rows := &Rows{conn: c}
	return rows, rows.skipDefinitions(columns)
}

// All runs a query and gives its rows; NULL is "" with Valid false.
func (c *Conn) All(ctx context.Context, statement string) ([][]Text, error) {
	rows, err := c.Query(ctx, statement)
	if err != nil {
		return nil, err
	}
	var all [][]Text
	for rows.Next() {
		row := make([]Text, len(rows.Fields))
		for i, field := range rows.Fields {
			row[i] = Text{Value: string(field), Valid: field != nil}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Text is a value that may be NULL.
type Text struct {
	Value string
	Valid bool
}

// String is the value, "" for NULL.
func (t Text) String() string { return t.Value }

// Rows are the answer to a query.
type Rows struct {
	// Fields are the values of the current row, nil for NULL. They are valid
	// until the next call of Next.
	Fields [][]byte
	// Names are those of the columns.
	Names []string
	// Size is how many bytes the current row took on the way.
	Size int

	conn *Conn
	end  func(error) error
	err  error
	over bool
}

func (r *Rows) skipDefinitions(columns int) error {
	for i := range columns + 1 { // the last is the EOF after them
		packet, err := r.conn.read()
		if err != nil {
			return err
		}
		if len(packet) > 0 && packet[0] == 0xff {
			return parseError(packet)
		}
		if i < columns {
			r.Names = append(r.Names, columnName(packet))
		}
	}
	r.Fields = make([][]byte, columns)
	return nil
}

// columnName reads the fifth text of a column's definition: catalog, schema,
// table and original table come before.
func columnName(packet []byte) string {
	for i := range 5 {
		size, rest, ok := integer(packet)
		if !ok || size > uint64(len(rest)) {
			return ""
		}
		if i == 4 {
			return string(rest[:size])
		}
		packet = rest[size:]
	}
	return ""
}

// Next reads a row. It gives false at the end and on errors.
func (r *Rows) Next() bool {
	if r.over {
		return false
	}
	packet, err := r.conn.read()
	switch {
	case err != nil:
		r.finish(err)
		return false
	case len(packet) > 0 && packet[0] == 0xff:
		r.finish(parseError(packet))
		return false
	case len(packet) > 0 && packet[0] == 0xfe && len(packet) < 9:
		r.finish(nil)
		return false
	}
	r.Size = len(packet)
	if err := r.parse(packet); err != nil {
		r.finish(err)
		return false
	}
	return true
}

func (r *Rows) parse(packet []byte) error {
	for i := range r.Fields {
		if len(packet) == 0 {
			return errors.New("the server sent a row that is too short")
		}
		if packet[0] < 0xfb { // the common case, in line
			size := int(packet[0]) + 1
			if size > len(packet) {
				return errors.New("the server sent a row that is too short")
			}
			r.Fields[i], packet = packet[1:size:size], packet[size:]
			continue
		}
		if packet[0] == 0xfb {
			r.Fields[i], packet = nil, packet[1:]
			continue
		}
		size, rest, ok := integer(packet)
		if !ok || size > uint64(len(rest)) {
			return errors.New("the server sent a row that is too short")
		}
		r.Fields[i], packet = rest[:size:size], rest[size:]
	}
	return nil
}

func (r *Rows) finish(err error) {
	r.over = true
	if r.end != nil {
		err = r.end(err)
	}
	r.err = err
}

// Err is why Next gave false, nil at the end of the rows.
func (r *Rows) Err() error { return r.err }

// Close gives up rows that were not read: the connection is closed with them.
func (r *Rows) Close() {
	if !r.over {
		r.finish(errors.New("its rows were not read to the end"))
	}
}

// first reads the first packet of an answer: a number of columns, or the end
// of a statement without rows.
func first(packet []byte) (columns int, done Done, err error) {
	if len(packet) == 0 {
		return 0, done, errors.New("the server sent an empty answer")
	}
	switch packet[0] {
	case 0x00:
		done, err = parseOK(packet)
		return 0, done, err
	case 0xff:
		return 0, done, parseError(packet)
	case 0xfb:
		return 0, done, errors.New("the server asks for a file that nobody offered")
	}
	count, _, ok := integer(packet)
	if !ok || count == 0 || count > math.MaxUint16 {
		return 0, done, errors.New("the server's answer cannot be read")
	}
	return int(count), done, nil
}

func parseOK(packet []byte) (Done, error) {
	affected, rest, ok1 := integer(packet[1:])
	_, rest, ok2 := integer(rest)
	if !ok1 || !ok2 || len(rest) < 4 {
		return Done{}, errors.New("the server's answer cannot be read")
	}
	done := Done{Affected: affected, Warnings: int(binary.LittleEndian.Uint16(rest[2:4]))}
	info := rest[4:]
	if size, text, ok := integer(info); ok && size == uint64(len(text)) {
		info = text
	}
	done.Info = string(info)
	return done, nil
}

func parseError(packet []byte) error {
	if len(packet) < 3 {
		return errors.New("the server's error cannot be read")
	}
	e := &Error{Code: binary.LittleEndian.Uint16(packet[1:3])}
	text := packet[3:]
	if len(text) >= 6 && text[0] == '#' {
		e.State, text = string(text[1:6]), text[6:]
	}
	e.Message = strings.ToValidUTF8(string(text), "?")
	return e
}

// integer reads a length-encoded integer.
func integer(b []byte) (value uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	size := 0
	switch b[0] {
	case 0xfb, 0xff:
		return 0, nil, false
	case 0xfc:
		size = 2
	case 0xfd:
		size = 3
	case 0xfe:
		size = 8
	default:
		return uint64(b[0]), b[1:], true
	}
	if len(b) < 1+size {
		return 0, nil, false
	}
	for i := size; i > 0; i-- {
		value = value<<8 | uint64(b[i])
	}
	return value, b[1+size:], true
}

// Load runs LOAD DATA LOCAL with data in place of a file; the statement's file
// name does not matter. The server's answer counts rows.
func (c *Conn) Load(ctx context.Context, statement string, data []byte) (Done, error) {
	end := c.watch(ctx)
	done, err := c.load(statement, data)
	return done, end(err)
}

// loadPacket is well below every max_allowed_packet.
const loadPacket = 512 << 10

func (c *Conn) load(statement string, data []byte) (Done, error) {
	if err := c.command(commandQuery, statement); err != nil {
		return Done{}, err
	}
	packet, err := c.read()
	if err != nil {
		return Done{}, err
	}
	if len(packet) == 0 || packet[0] != 0xfb {
		_, _, err := first(packet)
		if err == nil {
			err = fmt.Errorf("the server did not ask for the data")
		}
		return Done{}, err
	}
	for len(data) > 0 {
		part := data[:min(len(data), loadPacket)]
		if err := c.write(part); err != nil {
			return Done{}, err
		}
		data = data[len(part):]
	}
	if err := c.write(nil); err != nil {
		return Done{}, err
	}
	packet, err = c.read()
	if err != nil {
		return Done{}, err
	}
	_, done, err := first(packet)
	return done, err
}
