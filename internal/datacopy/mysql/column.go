package mysql

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// travel decides how values of the column are read, loaded and digested.
func (c *column) travel(mariadb bool) {
	quoted := name(c.Name)
	c.Expr = quoted
	switch c.Data {
	case "float", "double":
		// As a text a FLOAT loses digits, and printing costs servers more than
		// the rest of the row. A point holds the bytes of a double; among
		// texts a server would convert them.
		c.Expr, c.Real, c.Large = "POINT("+quoted+",0)", true, true
	case "bit":
		c.Expr, c.Load = quoted+"+0", "CAST(@v AS UNSIGNED)"
	case "json":
		// MySQL's own type takes text only.
		c.Large, c.Load = true, "CONVERT(@v USING utf8mb4)"
	case "uuid", "inet4", "inet6":
		// As bytes they would be read as the binary form.
		c.Expr, c.Load = "CAST("+quoted+" AS CHAR CHARACTER SET latin1)", "CONVERT(@v USING latin1)"
	case "blob", "mediumblob", "longblob", "text", "mediumtext", "longtext", "tinyblob", "tinytext":
		c.Large = c.Data[0] == 'm' || c.Data[0] == 'l' || c.Data == "blob" || c.Data == "text"
	case "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection", "geometry", "vector":
		c.Large = true
	}
}

// printed makes the server print a number that would travel as its bytes, for
// a mask.
func (c *column) printed() {
	if c.Real {
		// As a DOUBLE a FLOAT keeps its digits.
		c.Expr, c.Real, c.Large = name(c.Name)+"+0.0E0", false, false
	}
}

// asText makes a column of another character set travel in UTF-8, for a mask.
func (c *column) asText() {
	if c.Charset == "" || c.Charset == "utf8mb4" || c.Charset == "utf8mb3" || c.Charset == "utf8" || c.Charset == "ascii" {
		return
	}
	c.Expr, c.Load = "CONVERT("+name(c.Name)+" USING utf8mb4)", "CONVERT(@v USING utf8mb4)"
}

var (
	integers  = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"}
	temporals = []string{"date", "datetime", "timestamp", "time"}
	texts     = []string{"char", "varchar", "binary", "varbinary"}
	addresses = []string{"uuid", "inet4", "inet6"}
)

// comparable says that a literal of a value compares as the index orders. An
// ENUM is ordered by number and compared by text; floating point is not exact.
func (c *column) comparable() bool {
	return slices.Contains(integers, c.Data) || slices.Contains(temporals, c.Data) ||
		slices.Contains(texts, c.Data) || slices.Contains(addresses, c.Data)
}

// bound gives the expression that reads the column for use in literal.
func (c *column) bound() string {
	if slices.Contains(addresses, c.Data) {
		return c.Expr
	}
	return name(c.Name)
}

// literal writes a value, as the server sent it, for a comparison in the
// column's own collation.
func (c *column) literal(value []byte) (string, error) {
	switch {
	case slices.Contains(integers, c.Data):
		if strings.Trim(string(value), "-.0123456789") != "" || len(value) == 0 {
			return "", fmt.Errorf("the value of %s is no number", c.Name)
		}
		return string(value), nil
	case slices.Contains(temporals, c.Data), slices.Contains(addresses, c.Data):
		if strings.ContainsAny(string(value), "'\\") {
			return "", fmt.Errorf("the value of %s cannot be quoted", c.Name)
		}
		return "_latin1 '" + string(value) + "'", nil
	}
	charset := c.Charset
	if charset == "" {
		charset = "binary"
	}
	if len(value) == 0 {
		return "_" + charset + " ''", nil
	}
	return "_" + charset + " 0x" + hex.EncodeToString(value), nil
}

// digested is the column's part of the digest; as bytes where the character
// sets of columns differ.
func (c *column) digested(bytes bool) string {
	switch {
	case c.Large:
		return "CRC32(" + c.Expr + ")"
	case bytes && c.Charset != "":
		return "CAST(" + c.Expr + " AS BINARY)"
	}
	return c.Expr
}

// shown makes a key's value readable.
func (c *column) shown(value []byte) string {
	switch {
	case value == nil:
		return "NULL"
	case c.Charset == "" && slices.Contains(texts, c.Data):
		return "0x" + hex.EncodeToString(value)
	}
	return strings.ToValidUTF8(string(value), "?")
}
