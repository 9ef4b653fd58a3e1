package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What MySQL prints for itself alone, in comments that MariaDB passes by
// without a word, and what MariaDB calls the same.
var (
	invisibleColumn = regexp.MustCompile(`/\*!80023 INVISIBLE \*/`)
	invisibleIndex  = regexp.MustCompile(`/\*!80000 INVISIBLE \*/`)
	referenceSystem = regexp.MustCompile(`\s*/\*!80003 SRID \d+ \*/`)
	notEnforced     = regexp.MustCompile(`/\*!80016 NOT ENFORCED \*/`)
)

// What MariaDB prints and MySQL does not take.
var (
	ignoredIndex = regexp.MustCompile(`\s+IGNORED\b`)
	versioning   = regexp.MustCompile(`(?i)\s+WITH SYSTEM VERSIONING`)
	// calledDefault begins a default that a function gives, which MySQL wants in
	// brackets, except for the time.
	calledDefault = regexp.MustCompile(`\bDEFAULT ([a-z_0-9]+)\(`)
)

// translate puts a table's definition into the words of the target's product.
// What it has none for is left out, and said.
func (r *rewriter) translate(d *definition) {
	if r.from.mariadb == r.to.mariadb {
		return
	}
	one := r.toMySQL
	if r.to.mariadb {
		one = r.toMariaDB
	}
	table, _ := cutName(strings.TrimLeft(strings.TrimPrefix(d.head, "CREATE TABLE"), " "))
	d.parts = slices.DeleteFunc(d.parts, func(p part) bool { return r.hasNoWord(p, table) })
	for i := range d.parts {
		d.parts[i].text = one(d.parts[i])
	}
	if !r.to.mariadb {
		d.tail = replaceUnquoted(d.tail, versioning, "")
	}
}

// hasNoWord says that the target has nothing like a part of a table.
func (r *rewriter) hasNoWord(p part, table string) bool {
	what := ""
	switch {
	case p.kind == periodPart && !r.to.mariadb:
		what = "periods of rows"
	case r.to.mariadb && p.kind == checkPart && hasUnquoted(p.text, notEnforced):
		what = "checks that are not enforced"
	case r.to.mariadb && (p.kind == indexPart || p.kind == uniquePart) && overExpression(p.text):
		what = "indexes over expressions"
	default:
		return false
	}
	r.notKept[fmt.Sprintf("%s of table %s: the target knows no %s", p.id(), table, what)] = true
	return true
}

// overExpression says that an index is over more than columns: it has a bracket
// where a name would be.
func overExpression(index string) bool {
	found := false
	scan(index, func(i, depth int) bool {
		found = index[i] == '(' && depth == 2 && (index[i-1] == '(' || index[i-1] == ',')
		return !found
	})
	return found
}

func (r *rewriter) toMariaDB(p part) string {
	switch p.kind {
	case columnPart:
		if hasUnquoted(p.text, referenceSystem) {
			r.notKept["that column "+p.name+" takes only values of its reference system (SRID)"] = true
		}
		return replaceUnquoted(replaceUnquoted(p.text, referenceSystem, ""), invisibleColumn, "INVISIBLE")
	case indexPart, uniquePart:
		ignored := "IGNORED"
		if !r.to.atLeast(10, 6, 0) {
			ignored = ""
		}
		return replaceUnquoted(p.text, invisibleIndex, ignored)
	}
	return p.text
}

func (r *rewriter) toMySQL(p part) string {
	switch p.kind {
	case columnPart:
		return bracketDefault(p.text)
	case indexPart, uniquePart:
		return replaceUnquoted(p.text, ignoredIndex, " INVISIBLE")
	}
	return p.text
}

// bracketDefault puts a default that a function gives into brackets.
func bracketDefault(column string) string {
	place := findUnquoted(column, calledDefault)
	if place == nil || column[place[2]:place[3]] == "current_timestamp" {
		return column
	}
	start, end := place[2], -1
	scan(column[start:], func(i, depth int) bool {
		if column[start+i] == ')' && depth == 0 {
			end = start + i + 1
			return false
		}
		return true
	})
	if end < 0 {
		return column
	}
	return column[:start] + "(" + column[start:end] + ")" + column[end:]
}

// unfit says what of a table the target's server does not take: columns of types
// that it has not, and that there is no primary key.
func (r *rewriter) unfit(t *table) []string {
	var unknown []string
	if r.to.requiresKey && !hasPrimary(t.Make) {
		unknown = append(unknown, "table "+t.Name+" has no primary key, which the target requires (sql_require_primary_key)")
	}
	for _, c := range t.Columns {
		var known bool
		switch c.Data {
		case "inet6":
			known = r.to.mariadb && r.to.atLeast(10, 5, 0)
		case "uuid":
			known = r.to.mariadb && r.to.atLeast(10, 7, 0)
		case "inet4":
			known = r.to.mariadb && r.to.atLeast(10, 10, 0)
		case "vector":
			known = r.to.mariadb && r.to.atLeast(11, 7, 0) || !r.to.mariadb && r.to.atLeast(9, 0, 0)
		default:
			continue
		}
		if !known {
			unknown = append(unknown, fmt.Sprintf("column %s of table %s is of type %s, which the target does not know: exclude the table, or change the column at the source", c.Name, t.Name, c.Type))
		}
	}
	return unknown
}

// hasPrimary says that a definition has a primary key.
func hasPrimary(create string) bool {
	d, err := parseDefinition(create)
	return err == nil && slices.ContainsFunc(d.parts, func(p part) bool { return p.kind == primaryPart })
}

// findUnquoted finds a pattern that begins outside quotes.
func findUnquoted(text string, pattern *regexp.Regexp) []int {
	var place []int
	scan(text, func(i, _ int) bool {
		if found := pattern.FindStringSubmatchIndex(text[i:]); found != nil && found[0] == 0 {
			for _, at := range found {
				place = append(place, i+at)
			}
			return false
		}
		return true
	})
	return place
}

func hasUnquoted(text string, pattern *regexp.Regexp) bool { return findUnquoted(text, pattern) != nil }

// replaceUnquoted replaces a pattern where it stands outside quotes first.
func replaceUnquoted(text string, pattern *regexp.Regexp, with string) string {
	place := findUnquoted(text, pattern)
	if place == nil {
		return text
	}
	return text[:place[0]] + with + text[place[1]:]
}
