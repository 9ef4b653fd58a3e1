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
	displayed = regexp.MustCompile(`\b((?:tiny|small|medium|big)?int)\(\d+\)`)
)

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
