package loki

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
)

// pages goes through the answer to one query. A page ends at a number of
// lines, which may be in the middle of those of one nanosecond: the lines of a
// full page's last nanosecond are left to the next page, which begins there.
type pages struct {
	source  *Source
	query   logs.Query
	logQL   string
	origins map[logs.Origin]*logs.Origin
}

// row is one line of a page.
type row struct {
	at     int64
	text   string
	origin *logs.Origin
}

// forward gives all lines, the oldest first.
func (p *pages) forward(ctx context.Context, emit func(*logs.Batch) error) error {
	since, until := p.query.Since.UnixNano(), p.query.Until.UnixNano()+1 // Loki's end is not included
	for since < until {
		rows, full, err := p.page(ctx, since, until, p.source.opts.Limit, false)
		if err != nil {
			return err
		}
		if full {
			last := rows[len(rows)-1].at
			if rows[0].at == last {
				rows, err = p.nanosecond(ctx, last)
				since = last + 1
			} else {
				rows = rows[:sortedIndex(rows, last)]
				since = last
			}
			if err != nil {
				return err
			}
		}
		if err := emitRows(rows, emit); err != nil {
			return err
		}
		if !full {
			return nil
		}
	}
	return nil
}

// newest gives the newest lines asked for, the oldest of them first.
func (p *pages) newest(ctx context.Context, emit func(*logs.Batch) error) error {
	since, until := p.query.Since.UnixNano(), p.query.Until.UnixNano()+1
	var found []row // the newest first
	for len(found) < p.query.Tail && since < until {
		rows, full, err := p.page(ctx, since, until, p.source.opts.Limit, true)
		if err != nil {
			return err
		}
		if full {
			first := rows[0].at
			if first == rows[len(rows)-1].at {
				rows, err = p.nanosecond(ctx, first)
				until = first
			} else {
				rows = rows[sortedIndex(rows, first+1):]
				until = first + 1
			}
			if err != nil {
				return err
			}
		}
		slices.Reverse(rows)
		found = append(found, rows...)
		if !full {
			break
		}
	}
	found = found[:min(len(found), p.query.Tail)]
	slices.Reverse(found)
	return emitRows(found, emit)
}

// sortedIndex is where rows of the time begin.
func sortedIndex(rows []row, at int64) int {
	i, _ := slices.BinarySearchFunc(rows, at, func(r row, at int64) int { return cmp.Compare(r.at, at) })
	return i
}

// maxPage is the largest page servers give by default, in lines.
const maxPage = 5000

// nanosecond gives all lines of one nanosecond that has more of them than a
// page.
func (p *pages) nanosecond(ctx context.Context, at int64) ([]row, error) {
	for limit := p.source.opts.Limit * 2; ; limit *= 2 {
		limit = min(limit, max(maxPage, p.source.opts.Limit))
		rows, full, err := p.page(ctx, at, at+1, limit, false)
		if err != nil || !full {
			return rows, err
		}
		if limit >= maxPage {
			return nil, fmt.Errorf("reading Loki's answer: more than %d lines at %s: Loki cannot give them all; narrow the query by component or text",
				limit, time.Unix(0, at).UTC().Format(time.RFC3339Nano))
		}
	}
}

// page asks for one page and gives its lines in ascending order of time. full
// says that there may be more.
func (p *pages) page(ctx context.Context, since, until int64, limit int, backward bool) (rows []row, full bool, err error) {
	streams, err := p.source.ask(ctx, p.logQL, since, until, limit, backward)
	if err != nil {
		return nil, false, err
	}
	for _, s := range streams {
		origin := p.origin(s.Labels)
		if backward {
			slices.Reverse(s.Values)
		}
		for _, v := range s.Values {
			at, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, false, fmt.Errorf("reading Loki's answer: %q is no time in nanoseconds", v[0])
			}
			rows = append(rows, row{at, v[1], origin})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	return rows, len(rows) >= limit, nil
}

// origin reads a stream's labels; equal origins are one pointer.
func (p *pages) origin(labels map[string]string) *logs.Origin {
	l := p.source.opts.Labels
	o := logs.Origin{Component: labels[l.Component], Pod: labels[l.Pod], Container: labels[l.Container]}
	if p.origins[o] == nil {
		p.origins[o] = &o
	}
	return p.origins[o]
}

// batchLines is how many lines a batch holds.
const batchLines = 256

func emitRows(rows []row, emit func(*logs.Batch) error) error {
	for chunk := range slices.Chunk(rows, batchLines) {
		b := logs.NewBatch()
		for _, r := range chunk {
			b.Append(r.origin, r.at, "", []byte(r.text))
		}
		if err := emit(b); err != nil {
			return err
		}
	}
	return nil
}
