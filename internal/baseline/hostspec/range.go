package hostspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bound is one condition of a range: ">= 1.22".
type Bound struct {
	// Op is one of = != < <= > >=.
	Op string
	// Operand is a version or a number.
	Operand string
}

// comparisons, the longer ones first.
var comparisons = []string{">=", "<=", "!=", "==", "=", ">", "<"}

// ParseRange reads bounds, separated by commas, that must all hold:
// ">= 1.22, < 2". A bound without a comparison means "=".
func ParseRange(text string) ([]Bound, error) {
	var bounds []Bound
	for part := range strings.SplitSeq(text, ",") {
		bound := Bound{Op: "=", Operand: strings.TrimSpace(part)}
		for _, op := range comparisons {
			if rest, found := strings.CutPrefix(bound.Operand, op); found {
				bound = Bound{Op: strings.Replace(op, "==", "=", 1), Operand: strings.TrimSpace(rest)}
				break
			}
		}
		if bound.Operand == "" || strings.ContainsAny(bound.Operand, " <>=!|") {
			return nil, fmt.Errorf("reading the range %q: want bounds such as \">= 1.22, < 2\"", text)
		}
		bounds = append(bounds, bound)
	}
	return bounds, nil
}

// Holds says whether the bound holds where comparing the value with Operand
// gave c: negative for smaller, 0 for equal, positive for greater.
func (b Bound) Holds(c int) bool {
	switch b.Op {
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return c == 0
}

func validNumbers(text string) error {
	bounds, err := ParseRange(text)
	if err != nil {
		return err
	}
	for _, bound := range bounds {
		if _, ok := ParseNumber(bound.Operand); !ok {
			return fmt.Errorf("reading the range %q: %q is no number", text, bound.Operand)
		}
	}
	return nil
}

// ParseNumber reads a decimal number. As in the settings of PHP and nginx it
// may end in k, m or g, small or large, for powers of 1,024.
func ParseNumber(text string) (float64, bool) {
	factor := 1.0
	if i := len(text) - 1; i > 0 {
		if power := slices.Index([]byte("kmg"), text[i]|0x20); power >= 0 {
			factor = []float64{1 << 10, 1 << 20, 1 << 30}[power]
			text = text[:i]
		}
	}
	if strings.Trim(text, "0123456789.+-eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n * factor, err == nil
}
