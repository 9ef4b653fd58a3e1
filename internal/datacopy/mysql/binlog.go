package mysql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/landfall-dev/landfall/internal/fault"
)

// take notes what an event says.
func (f *follower) take(event *replication.BinlogEvent) error {
	if event.Header.LogPos > 0 {
		f.seen.Pos = event.Header.LogPos
	}
	if event.Header.Timestamp > 0 {
		f.at = time.Unix(int64(event.Header.Timestamp), 0)
	}
	switch e := event.Event.(type) {
	case *replication.RotateEvent:
		f.seen = mysql.Position{Name: string(e.NextLogName), Pos: uint32(e.Position)}
	case *replication.RowsEvent:
		if string(e.Table.Schema) == f.database {
			f.changed(string(e.Table.Table), e.Rows, int(e.ColumnCount))
		}
	case *replication.QueryEvent:
		return f.statement(string(e.Schema), string(e.Query))
	case *replication.XIDEvent:
		f.safe = f.seen
	}
	return nil
}

// statement looks at what is in the log as text: the ends of transactions, and
// definitions, which a copy cannot follow.
func (f *follower) statement(database, query string) error {
	first, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	switch strings.ToUpper(first) {
	case "COMMIT":
		f.safe = f.seen
	case "TRUNCATE":
		if database == f.database {
			for _, u := range f.units {
				f.whole[u] = f.whole[u] || strings.Contains(query, u.table.Name)
			}
		}
	case "CREATE", "ALTER", "DROP", "RENAME":
		if database == f.database {
			return fault.New(fault.Refused, "Copy anew.", "the source's definition was changed meanwhile: %.60s", query)
		}
	}
	for u, whole := range f.whole {
		if !whole {
			delete(f.whole, u)
		}
	}
	return nil
}

// changed notes rows of a table, before and after a change.
func (f *follower) changed(table string, rows [][]any, columns int) {
	u := f.byName[table]
	if u == nil || f.whole[u] {
		return
	}
	if !u.table.Unique || u.table.Whole || columns != len(u.table.Columns) {
		f.whole[u] = true
		return
	}
	for _, row := range rows {
		condition, err := u.table.rowCondition(row)
		if err != nil {
			f.whole[u] = true
			return
		}
		if f.pending[u] == nil {
			f.pending[u] = map[string]bool{}
		}
		if !f.pending[u][condition] {
			f.pending[u][condition] = true
			f.waiting++
		}
	}
}

// rowCondition selects the row that an event is about by its key.
func (t *table) rowCondition(row []any) (string, error) {
	var parts []string
	for i, c := range t.Columns {
		for _, key := range t.Key {
			if key != c.Name || i >= len(row) {
				continue
			}
			value, err := c.logged(row[i])
			if err != nil {
				return "", err
			}
			parts = append(parts, name(key)+" = "+value)
		}
	}
	if len(parts) != len(t.Key) {
		return "", errors.New("the event has not all of the key")
	}
	return "(" + strings.Join(parts, " AND ") + ")", nil
}

// logged gives the literal for a value of the binary log, which does not know
// signs, nor the zeros at the end of a BINARY.
func (c *column) logged(value any) (string, error) {
	unsigned := strings.Contains(c.Type, "unsigned")
	switch v := value.(type) {
	case nil:
		return "", errors.New("a key is NULL")
	case int8:
		if unsigned {
			return strconv.Itoa(int(uint8(v))), nil
		}
	case int16:
		if unsigned {
			return strconv.Itoa(int(uint16(v))), nil
		}
	case int32:
		if unsigned && c.Data == "mediumint" {
			return strconv.FormatUint(uint64(uint32(v)&0xffffff), 10), nil
		} else if unsigned {
			return strconv.FormatUint(uint64(uint32(v)), 10), nil
		}
	case int64:
		if unsigned {
			return strconv.FormatUint(uint64(v), 10), nil
		}
	case []byte:
		return c.literal(c.padded(v))
	case string:
		return c.literal(c.padded([]byte(v)))
	}
	return c.literal(fmt.Append(nil, value))
}

// padded gives a BINARY its length again.
func (c *column) padded(value []byte) []byte {
	if c.Data != "binary" {
		return value
	}
	size, _ := strconv.Atoi(strings.Trim(strings.TrimPrefix(c.Type, "binary"), "()"))
	for len(value) < size {
		value = append(value, 0)
	}
	return value
}
