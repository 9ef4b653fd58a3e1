package mysql

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// digest is over a set of rows, whatever their order: how many there are, and
// the XOR of a number for each. The number is the row's CRC32 times a constant:
// the XOR of plain CRCs does not notice values that two rows exchange.
type digest struct {
	rows int64
	sum  uint64
}

const digestFactor = 2654435761

func (d *digest) add(row uint32) {
	d.rows++
	d.sum ^= uint64(row) * digestFactor
}

func (d digest) merge(other digest) digest {
	return digest{rows: d.rows + other.rows, sum: d.sum ^ other.sum}
}

// String is how a digest stands in journals and reports.
func (d digest) String() string { return fmt.Sprintf("%d:%016x", d.rows, d.sum) }

func parseDigest(text string) (digest, error) {
	var d digest
	rows, sum, _ := strings.Cut(text, ":")
	var err1, err2 error
	d.rows, err1 = strconv.ParseInt(rows, 10, 64)
	d.sum, err2 = strconv.ParseUint(sum, 16, 64)
	if err1 != nil || err2 != nil {
		return digest{}, fmt.Errorf("the digest %q cannot be read", text)
	}
	return d, nil
}

// rowDigest is the expression that a server computes for a row: the CRC32 of
// the values between '#', and of which are NULL. Its twin is encoder.crc.
func rowDigest(columns []*column) string {
	var values, nulls []string
	mixed := mixesCharsets(columns)
	for _, c := range columns {
		values = append(values, c.digested(mixed))
		if c.Nullable {
			nulls = append(nulls, "ISNULL("+name(c.Name)+")")
		}
	}
	if len(nulls) > 0 {
		values = append(values, "CONCAT("+strings.Join(nulls, ",")+")")
	}
	return "CRC32(CONCAT_WS('#'," + strings.Join(values, ",") + "))"
}

// mixesCharsets says that the columns' texts are in several character sets,
// which a server would convert to one, or refuse to.
func mixesCharsets(columns []*column) bool {
	first := ""
	for _, c := range columns {
		if c.Charset != "" && first != "" && c.Charset != first {
			return true
		}
		first = cmp.Or(first, c.Charset)
	}
	return false
}

// digestOf lets a server compute the digest of the rows of a condition.
func digestOf(ctx context.Context, conn *wire.Conn, t *table, condition string) (digest, error) {
	rows, err := conn.All(ctx, fmt.Sprintf("SELECT COUNT(*), COALESCE(BIT_XOR(%s*%d),0) FROM %s%s",
		rowDigest(t.stored()), digestFactor, t.from(), where(condition)))
	if err != nil {
		return digest{}, fmt.Errorf("computing the digest of rows of %s: %w", t.Name, err)
	}
	sum, err := strconv.ParseUint(rows[0][1].Value, 10, 64)
	return digest{rows: number(rows[0][0]), sum: sum}, err
}

// where puts conditions together; empty ones do not count.
func where(conditions ...string) string {
	var all []string
	for _, c := range conditions {
		if c != "" {
			all = append(all, "("+c+")")
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

// encoder masks rows and digests them. Not safe for concurrent use.
type encoder struct {
	columns []*column
	mask    datacopy.RowMask
	scratch datacopy.Scratch
	row     []byte

	// read and sent are the digests of the rows before and after the mask.
	read, sent digest
}

func newEncoder(t *table, mask datacopy.RowMask) *encoder {
	return &encoder{columns: t.stored(), mask: mask}
}

// begin starts a new chunk.
func (e *encoder) begin() { e.read, e.sent = digest{}, digest{} }

// prepare masks a row in place and adds it to the digests.
func (e *encoder) prepare(fields [][]byte) error {
	if e.mask == nil {
		e.sent.add(e.crc(fields))
		return nil
	}
	e.read.add(e.crc(fields))
	e.scratch.Reset()
	if err := e.mask.Mask(fields, &e.scratch); err != nil {
		return err
	}
	e.sent.add(e.crc(fields))
	return nil
}

// source is the digest of what was read.
func (e *encoder) source() digest {
	if e.mask == nil {
		return e.sent
	}
	return e.read
}

// crc is what rowDigest computes on a server.
func (e *encoder) crc(fields [][]byte) uint32 {
	row := e.row[:0]
	for i, c := range e.columns {
		switch {
		case fields[i] == nil:
		case c.Large:
			row = append(strconv.AppendUint(row, uint64(crc32.ChecksumIEEE(fields[i])), 10), '#')
		default:
			row = append(append(row, fields[i]...), '#')
		}
	}
	for i, c := range e.columns {
		switch {
		case !c.Nullable:
		case fields[i] == nil:
			row = append(row, '1')
		default:
			row = append(row, '0')
		}
	}
	e.row = row
	if len(row) > 0 && row[len(row)-1] == '#' {
		row = row[:len(row)-1]
	}
	return crc32.ChecksumIEEE(row)
}

// appendLine adds a row in the format of LOAD DATA's defaults.
func appendLine(line []byte, fields [][]byte) []byte {
	for i, field := range fields {
		if i > 0 {
			line = append(line, '\t')
		}
		if field == nil {
			line = append(line, `\N`...)
			continue
		}
		line = appendEscaped(line, field)
	}
	return append(line, '\n')
}

// escapes are the bytes that mean something to LOAD DATA.
var escapes = [256]byte{'\\': '\\', '\t': 't', '\n': 'n', 0: '0'}

func isSpecial(b byte) bool { return b == '\\' || b == '\t' || b == '\n' || b == 0 }

func appendEscaped(line, field []byte) []byte {
	start := 0
	for i := 0; i < len(field); i++ {
		if i+8 <= len(field) && !maySpecial(binary.LittleEndian.Uint64(field[i:])) {
			i += 7
			continue
		}
		if b := field[i]; isSpecial(b) {
			line = append(append(line, field[start:i]...), '\\', escapes[b])
			start = i + 1
		}
	}
	return append(line, field[start:]...)
}

// maySpecial says whether one of eight bytes is a backslash or not above a
// newline, which all the special ones are. It is the usual test for a zero byte
// in a word, once with each byte less a newline.
func maySpecial(word uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	backslash := word ^ each*'\\'
	return ((word-each*('\n'+1))&^word|(backslash-each)&^backslash)&high != 0
}
