package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// blanks, and words that servers print or leave out as they like.
var (
	blanks    = regexp.MustCompile(`\s+`)
	displayed = regexp.MustCompile(`\b((?:tiny|small|medium|big)?int|year)\(\d+\)`)
)

// unseenIndex is what products print after an index in ways of their own.
var unseenIndex = regexp.MustCompile(`( USING BTREE)?( IGNORED| INVISIBLE| /\*!80000 INVISIBLE \*/)?$`)

// compareTables says in words how a table of the target differs from what the
// copy would make of the source's. Each product prints definitions in words of
// its own, so of another's only what counts for the data and the keys is
// compared.
func compareTables(want, have *table, sameProduct bool) []string {
	if sameProduct {
		return compareDefinitions(want.Make, have.Create)
	}
	a, err1 := parseDefinition(want.Make)
	b, err2 := parseDefinition(have.Create)
	if err1 != nil || err2 != nil {
		return []string{"a definition cannot be read"}
	}
	wanted, there := described(want, a), described(have, b)
	var differences []string
	for id, text := range wanted {
		switch other, ok := there[id]; {
		case !ok:
			differences = append(differences, id+" is missing")
		case other != text:
			differences = append(differences, id+" differs")
		}
	}
	for id := range there {
		if _, ok := wanted[id]; !ok {
			differences = append(differences, id+" is extra")
		}
	}
	slices.Sort(differences)
	return differences
}

// described gives columns and keys in words that are no product's.
func described(t *table, d *definition) map[string]string {
	all := map[string]string{}
	for _, p := range d.parts {
		switch c := t.column(p.name); {
		case p.kind == columnPart && c != nil:
			kind, charset := displayed.ReplaceAllString(c.Type, "$1"), strings.Replace(c.Charset, "utf8mb3", "utf8", 1)
			switch c.Data {
			case "json": // a text in MariaDB
				kind, charset = "longtext", "utf8mb4"
			case "geomcollection":
				kind = "geometrycollection"
			}
			all[p.id()] = fmt.Sprintf("%s %s null=%t generated=%t increments=%t",
				kind, charset, c.Nullable, c.Generated, autoIncrement.MatchString(unquoted(p.text)))
		case p.kind != checkPart:
			all[p.id()] = normal(unseenIndex.ReplaceAllString(p.text, ""))
		}
	}
	return all
}

// compareDefinitions says in words how two tables differ, for a target that
// should be defined as want.
func compareDefinitions(want, have string) []string {
	a, err1 := parseDefinition(want)
	b, err2 := parseDefinition(have)
	if err1 != nil || err2 != nil {
		return []string{"a definition cannot be read"}
	}
	var differences []string
	theirs := map[string]string{}
	for _, p := range b.parts {
		theirs[p.id()] = normal(p.text)
	}
	for _, p := range a.parts {
		text, there := theirs[p.id()]
		delete(theirs, p.id())
		switch {
		case !there:
			differences = append(differences, p.id()+" is missing")
		case text != normal(p.text):
			differences = append(differences, p.id()+" differs")
		}
	}
	for id := range theirs {
		differences = append(differences, id+" is extra")
	}
	slices.Sort(differences)
	return differences
}

var partNames = map[partKind]string{
	columnPart: "column", primaryPart: "primary key", uniquePart: "unique key", indexPart: "key", fulltextPart: "fulltext key",
	spatialPart: "spatial key", foreignPart: "foreign key", checkPart: "check", periodPart: "period",
}

func (p part) id() string {
	if p.name == "" && p.kind != primaryPart {
		return fmt.Sprintf("%s %s", partNames[p.kind], normal(p.text))
	}
	return strings.TrimSpace(partNames[p.kind] + " " + p.name)
}

func normal(text string) string {
	return displayed.ReplaceAllString(blanks.ReplaceAllString(text, " "), "$1")
}
