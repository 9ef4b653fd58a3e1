package mask

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// class is what a column's type takes.
type class int

const (
	classText class = iota
	classBytes
	classInteger
	classDecimal
	classDate
	classTimestamp
	classOther
)

var classes = map[string]class{
	"char": classText, "varchar": classText, "tinytext": classText, "text": classText, "mediumtext": classText,
	"longtext": classText, "json": classText,
	"binary": classBytes, "varbinary": classBytes, "tinyblob": classBytes, "blob": classBytes,
	"mediumblob": classBytes, "longblob": classBytes,
	"tinyint": classInteger, "smallint": classInteger, "mediumint": classInteger, "int": classInteger,
	"integer": classInteger, "bigint": classInteger,
	"decimal": classDecimal, "numeric": classDecimal,
	"date": classDate, "datetime": classDate, "timestamp": classTimestamp, "uuid": classText,
}

// byteLimits are the sizes of types that have no length of their own.
var byteLimits = map[string]int{"tinytext": 255, "tinyblob": 255, "text": 1<<16 - 1, "blob": 1<<16 - 1}

// kindsOf says which kinds a class takes, beyond null, fixed and keep.
var kindsOf = map[class][]Kind{
	classText:      {Pseudonym, Email, Phone, Card, Date, Name, FirstName, LastName, Empty, Hash, JSON},
	classBytes:     {Pseudonym, Empty, Hash},
	classInteger:   {Pseudonym, Date},
	classDecimal:   {Pseudonym},
	classDate:      {Date},
	classTimestamp: {Date},
}

// columnType reads the type's class and length: varchar(255) is text of 255.
func columnType(declared string) (class, int) {
	name, rest, _ := strings.Cut(strings.ToLower(strings.TrimSpace(declared)), "(")
	name, _, _ = strings.Cut(name, " ")
	kind, known := classes[name]
	if !known {
		return classOther, 0
	}
	if kind != classText && kind != classBytes {
		return kind, 0
	}
	length, _, _ := strings.Cut(rest, ")")
	if n, err := strconv.Atoi(length); err == nil {
		return kind, n
	}
	return kind, byteLimits[name]
}

// column makes the change of one column, or says why the kind does not fit it:
// found out before anything is copied.
func (m *Mask) column(action Action, column datacopy.Column, all []datacopy.Column) (columnMask, error) {
	kind, limit := columnType(column.Type)
	if kind == classText && column.Binary {
		kind = classBytes
	}
	c := columnMask{person: -1, limit: limit, binary: kind == classBytes}
	if err := fits(action, column, kind, limit); err != nil {
		return c, err
	}
	if action.Kind == Null {
		c.null = true
		return c, nil
	}
	if action.Person != "" {
		c.person = slices.IndexFunc(all, func(other datacopy.Column) bool { return strings.EqualFold(other.Name, action.Person) })
		if c.person < 0 {
			return c, fmt.Errorf("its person column %s does not exist", action.Person)
		}
	}
	var err error
	if action.Kind == Date && kind == classTimestamp {
		c.change = dateChanger(action.Days, firstTimestamp, lastTimestamp)
	} else {
		c.change, err = changerOf(action)
	}
	return c, err
}

// fits says why a kind cannot stand in a column.
func fits(action Action, column datacopy.Column, kind class, limit int) error {
	switch action.Kind {
	case Null:
		if !column.Nullable {
			return errors.New("it cannot be NULL: use empty or fixed")
		}
		return nil
	case Fixed:
		if column.Unique {
			return errors.New("it is unique and cannot hold the same text twice: use pseudonym")
		}
		if limit > 0 && len(action.Text) > limit {
			return fmt.Errorf("the fixed text is longer than its %d characters", limit)
		}
		return nil
	}
	if !slices.Contains(kindsOf[kind], action.Kind) {
		return fmt.Errorf("%s does not fit its type %s, which takes %s", action.Kind, column.Type, taken(kind))
	}
	return fitsUnique(action.Kind, column, limit)
}

// taken lists what a class takes.
func taken(kind class) string {
	names := make([]string, 0, 12)
	for _, k := range append(slices.Clone(kindsOf[kind]), Null, Fixed, Keep) {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// fitsUnique refuses what would make different values of a unique column the
// same.
func fitsUnique(kind Kind, column datacopy.Column, limit int) error {
	if !column.Unique {
		return nil
	}
	needed := map[Kind]int{Email: tokenLength + len(mailDomain), Hash: 64}[kind]
	switch {
	case slices.Contains([]Kind{Name, FirstName, LastName, Empty, JSON, Date}, kind):
		return fmt.Errorf("it is unique, and %s makes different values the same: use pseudonym", kind)
	case limit > 0 && limit < needed:
		return fmt.Errorf("it is unique, and its %d characters are too few for %s, which needs %d", limit, kind, needed)
	}
	return nil
}
