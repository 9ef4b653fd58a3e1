// Package suggest finds what somebody may have meant by a mistyped name.
package suggest

import (
	"cmp"
	"slices"
	"strings"
)

// Closest are at most n of the candidates, the most similar to word first and
// none that is not similar at all. Candidates that word begins, or that begin
// word, count as similar.
func Closest(word string, candidates []string, n int) []string {
	type scored struct {
		name     string
		distance int
	}
	var near []scored
	for _, c := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if related := strings.HasPrefix(c, word) || strings.HasPrefix(word, c); d <= max(len(word), len(c))/3+1 || related {
			near = append(near, scored{c, d})
		}
	}
	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, s := range near[:min(n, len(near))] {
		names = append(names, s.name)
	}
	return names
}

// DidYouMean is a clause to append to a message (`, did you mean "web"?`), or
// empty when nothing is similar.
func DidYouMean(word string, candidates []string) string {
	near := Closest(word, candidates, 1)
	if len(near) == 0 {
		return ""
	}
	return `, did you mean "` + near[0] + `"?`
}

// distance is Levenshtein's: how many characters must be put in, taken out or
// changed. Long words are cut: what is compared is what people type.
func distance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
