package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Commands of the protocol.
const (
	commandQuery   = 0x03
	commandPrepare = 0x16
	commandClose   = 0x19
	commandArray   = 0xfa
)

// prepared is the statement that the connection keeps: one is enough, since
// rows come table by table, and servers do not hold many.
type prepared struct {
	statement string
	id        uint32
}

// Arrays says that the server takes arrays of parameters: MariaDB does.
func (c *Conn) Arrays() bool { return c.arrays }

// MaxArray is the most that rows of one Array may take, in bytes: they go in
// one packet. A server's max_allowed_packet, less ArrayMargin, may be below.
const (
	MaxArray    = maxPayload - ArrayMargin
	ArrayMargin = 16 << 10
)

// Array runs an INSERT once for each row of an array, in one go: a row is a
// value for each question mark, appended by its kind. The server neither looks
// for the ends of values, as in LOAD DATA, nor reads numbers from digits.
func (c *Conn) Array(ctx context.Context, statement string, kinds []Kind, rows []byte) (Done, error) {
	if !c.arrays || len(rows) > MaxArray {
		return Done{}, errors.New("sending an array of rows: the server takes none, or it is too long")
	}
	end := c.watch(ctx)
	done, err := c.array(statement, kinds, rows)
	return done, end(err)
}

func (c *Conn) array(statement string, kinds []Kind, rows []byte) (Done, error) {
	if c.statement.statement != statement {
		if err := c.prepare(statement, kinds); err != nil {
			return Done{}, err
		}
	}
	const withTypes = 128
	head := binary.LittleEndian.AppendUint32([]byte{commandArray}, c.statement.id)
	head = binary.LittleEndian.AppendUint16(head, withTypes)
	for _, kind := range kinds {
		head = binary.LittleEndian.AppendUint16(head, uint16(kind))
	}
	c.sequence = 0
	if err := c.write(head, rows); err != nil {
		return Done{}, err
	}
	packet, err := c.read()
	if err != nil {
		return Done{}, err
	}
	columns, done, err := first(packet)
	if err == nil && columns > 0 {
		err = errors.New("the server answers an array with rows")
	}
	return done, err
}

// prepare has the server read a statement, and forget the one before.
func (c *Conn) prepare(statement string, kinds []Kind) error {
	if c.statement.statement != "" {
		c.sequence = 0
		if err := c.write(binary.LittleEndian.AppendUint32([]byte{commandClose}, c.statement.id)); err != nil {
			return err
		}
		c.statement = prepared{}
	}
	if err := c.command(commandPrepare, statement); err != nil {
		return err
	}
	packet, err := c.read()
	if err != nil {
		return err
	}
	if len(packet) > 0 && packet[0] == 0xff {
		return parseError(packet)
	}
	if len(packet) < 9 || packet[0] != 0 {
		return errors.New("the server's answer cannot be read")
	}
	id := binary.LittleEndian.Uint32(packet[1:])
	columns, parameters := binary.LittleEndian.Uint16(packet[5:]), binary.LittleEndian.Uint16(packet[7:])
	for _, count := range []uint16{parameters, columns} {
		if err := c.skip(int(count)); err != nil {
			return err
		}
	}
	if int(parameters) != len(kinds) {
		return fmt.Errorf("the statement has %d parameters, the rows have %d", parameters, len(kinds))
	}
	c.statement = prepared{statement: statement, id: id}
	return nil
}

// skip reads definitions and the packet that ends them.
func (c *Conn) skip(definitions int) error {
	if definitions == 0 {
		return nil
	}
	for range definitions + 1 {
		if _, err := c.read(); err != nil {
			return err
		}
	}
	return nil
}
