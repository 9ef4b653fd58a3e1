package mysql

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// differences finds the rows of a chunk that are not the same on both sides,
// by key.
func (v *verifier) differences(ctx context.Context, w *worker, u *unit, k chunk) ([]datacopy.Difference, error) {
	e := newEncoder(u.table, u.mask)
	var positions []int
	for i, c := range e.columns {
		if slices.Contains(u.table.Key, c.Name) {
			positions = append(positions, i)
		}
	}
	if !u.table.Unique {
		return []datacopy.Difference{{Key: k.shown(u.table), What: "rows differ; the table has no key to name them by"}}, nil
	}
	here := map[string]uint32{}
	keyOf := func(fields [][]byte) string {
		parts := make([]string, len(positions))
		for i, p := range positions {
			parts[i] = e.columns[p].shown(fields[p])
		}
		return strings.Join(parts, ",")
	}
	if err := w.each(ctx, u, k, e, func(fields [][]byte) error {
		here[keyOf(fields)] = e.crc(fields)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("reading rows of the source: %w", err)
	}
	var found []datacopy.Difference
	targetUnit := &unit{table: &table{}}
	*targetUnit.table = *u.table
	targetUnit.table.Where = ""
	rows, err := w.target.Query(ctx, targetUnit.selectRows(k))
	if err != nil {
		return nil, fmt.Errorf("reading rows of the target: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		key := keyOf(rows.Fields)
		sum, there := here[key]
		switch {
		case !there:
			found = append(found, datacopy.Difference{Key: key, What: datacopy.Extra})
		case sum != e.crc(rows.Fields):
			found = append(found, datacopy.Difference{Key: key, What: datacopy.Changed})
		}
		delete(here, key)
	}
	for key := range here {
		found = append(found, datacopy.Difference{Key: key, What: datacopy.Missing})
	}
	slices.SortFunc(found, func(a, b datacopy.Difference) int {
		return cmp.Or(cmp.Compare(len(a.Key), len(b.Key)), cmp.Compare(a.Key, b.Key))
	})
	return found, rows.Err()
}

// shown names a chunk for people.
func (c chunk) shown(t *table) string {
	switch {
	case c.from == nil && c.to == nil:
		return "all rows"
	case c.from == nil:
		return fmt.Sprintf("(%s) up to %s", strings.Join(t.Key, ", "), strings.Join(c.to, ", "))
	case c.to == nil:
		return fmt.Sprintf("(%s) above %s", strings.Join(t.Key, ", "), strings.Join(c.from, ", "))
	}
	return fmt.Sprintf("(%s) above %s up to %s", strings.Join(t.Key, ", "), strings.Join(c.from, ", "), strings.Join(c.to, ", "))
}

func (c *check) finish() datacopy.UnitReport {
	c.report.Count, c.report.TargetCount = c.here.rows, c.there.rows
	if c.report.Answer != datacopy.Unknown {
		c.report.Digest, c.report.TargetDigest = c.here.String(), c.there.String()
	}
	return c.report
}
