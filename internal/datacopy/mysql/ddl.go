package mysql

import (
	"errors"
	"strings"
)

// definition is a CREATE TABLE taken apart: what belongs to the data, and what
// is added after it.
type definition struct {
	// head is "CREATE TABLE `x` (", tail what comes after the list.
	head, tail string
	parts      []part
}

// part is a column, an index or a constraint.
type part struct {
	kind partKind
	// name is that of column, index or constraint, "" when it has none.
	name string
	text string
}

type partKind int

const (
	columnPart partKind = iota
	primaryPart
	uniquePart
	indexPart
	fulltextPart
	spatialPart
	foreignPart
	checkPart
	periodPart
)

// parseDefinition takes the answer of SHOW CREATE TABLE apart. It knows
// quotes, comments in quotes and brackets, but no SQL beyond.
func parseDefinition(create string) (*definition, error) {
	start := -1
	scan(create, func(i, depth int) bool {
		if create[i] == '(' && depth == 1 {
			start = i
			return false
		}
		return true
	})
	if start < 0 {
		return nil, errors.New("its definition has no list of columns")
	}
	d := &definition{head: create[:start+1]}
	begin, end := start+1, -1
	scan(create[start:], func(i, depth int) bool {
		at := start + i
		switch {
		case create[at] == ')' && depth == 0:
			end = at
		case create[at] == ',' && depth == 1:
			d.add(create[begin:at])
			begin = at + 1
			return true
		default:
			return true
		}
		return false
	})
	if end < 0 {
		return nil, errors.New("the list of its columns does not end")
	}
	d.add(create[begin:end])
	d.tail = create[end:]
	return d, nil
}

// scan calls visit for every byte outside quotes, with the depth of brackets
// after that byte, until it gives false.
func scan(text string, visit func(i, depth int) bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '`', '\'', '"':
			i = skipQuoted(text, i)
			continue
		case '(':
			depth++
		case ')':
			depth--
		}
		if !visit(i, depth) {
			return
		}
	}
}

// skipQuoted gives the position of the closing quote. A doubled quote is part
// of the text, and so is one after a backslash, except in names.
func skipQuoted(text string, start int) int {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i
		}
	}
	return len(text)
}

var partPrefixes = []struct {
	prefix string
	kind   partKind
}{
	{"PRIMARY KEY", primaryPart}, {"UNIQUE KEY", uniquePart}, {"KEY", indexPart}, {"FULLTEXT KEY", fulltextPart},
	{"SPATIAL KEY", spatialPart}, {"VECTOR KEY", fulltextPart}, {"PERIOD FOR", periodPart},
}

func (d *definition) add(text string) {
	p := part{text: strings.TrimSpace(text)}
	switch {
	case strings.HasPrefix(p.text, "`"):
		p.name, _ = cutName(p.text)
	case strings.HasPrefix(p.text, "CONSTRAINT"), strings.HasPrefix(p.text, "CHECK"):
		p.kind = checkPart
		rest := strings.TrimSpace(strings.TrimPrefix(p.text, "CONSTRAINT"))
		if strings.HasPrefix(rest, "`") {
			p.name, rest = cutName(rest)
		}
		if strings.HasPrefix(strings.TrimSpace(rest), "FOREIGN KEY") {
			p.kind = foreignPart
		}
	case strings.HasPrefix(p.text, "FOREIGN KEY"):
		p.kind = foreignPart
	default:
		for _, known := range partPrefixes {
			if rest, ok := strings.CutPrefix(p.text, known.prefix); ok {
				p.kind = known.kind
				if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "`") {
					p.name, _ = cutName(rest)
				}
				break
			}
		}
	}
	d.parts = append(d.parts, p)
}

// cutName takes a quoted name off the front.
func cutName(text string) (unquoted, rest string) {
	end := skipQuoted(text, 0)
	if end >= len(text) {
		return text, ""
	}
	return strings.ReplaceAll(text[1:end], "``", "`"), text[end+1:]
}

// bare is the statement that makes the table with only what loading needs:
// columns, primary key, checks, and the indexes in keep.
func (d *definition) bare(keep func(part) bool) string {
	var lines []string
	for _, p := range d.parts {
		switch p.kind {
		case columnPart, primaryPart, checkPart, periodPart:
			lines = append(lines, p.text)
		default:
			if keep(p) {
				lines = append(lines, p.text)
			}
		}
	}
	return d.head + "\n  " + strings.Join(lines, ",\n  ") + "\n" + d.tail
}

// later gives the parts that bare leaves out, of the kinds asked for.
func (d *definition) later(keep func(part) bool, kinds ...partKind) []part {
	var parts []part
	for _, p := range d.parts {
		for _, kind := range kinds {
			if p.kind == kind && !keep(p) {
				parts = append(parts, p)
			}
		}
	}
	return parts
}

// rewriteDefiner puts another account (as SQL) in the place of the one that a
// view, trigger, routine or event was made by. Without a definer nothing
// changes.
func rewriteDefiner(create, account string) string {
	const word = "DEFINER="
	at := -1
	scan(create, func(i, _ int) bool {
		if strings.HasPrefix(create[i:], word) {
			at = i
			return false
		}
		return true
	})
	if at < 0 {
		return create
	}
	i := at + len(word)
	for range 2 { // user, then host
		switch {
		case i < len(create) && strings.IndexByte("`'\"", create[i]) >= 0:
			i = skipQuoted(create, i) + 1
		default:
			for i < len(create) && create[i] != '@' && create[i] != ' ' {
				i++
			}
		}
		if i >= len(create) || create[i] != '@' {
			break
		}
		i++
	}
	return create[:at] + word + account + create[min(i, len(create)):]
}
