package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// sampledBytes is how much of a value is looked at.
const sampledBytes = 4096

// Sample implements datacopy.Sampler: the first rows of each table, in whatever
// order the server has them, long values cut off.
func (e *Engine) Sample(ctx context.Context, req datacopy.Request, most int, see func(datacopy.Sample) error) error {
	names, err := req.Names()
	if err != nil {
		return err
	}
	from, err := open(ctx, req.From, "source")
	if err != nil {
		return err
	}
	conn, err := from.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	schema, err := from.readSchema(ctx, conn)
	if err != nil {
		return err
	}
	for _, t := range schema.Tables {
		if !names.Has(t.Name) {
			continue
		}
		sample, err := t.sample(ctx, conn, most)
		if err != nil {
			return fmt.Errorf("reading some rows of table %s: %w", t.Name, from.explain(err))
		}
		if err := see(sample); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) sample(ctx context.Context, conn *wire.Conn, most int) (datacopy.Sample, error) {
	sample := datacopy.Sample{Unit: t.Name, Columns: t.described()}
	if len(sample.Columns) == 0 {
		return sample, nil
	}
	read := make([]string, len(sample.Columns))
	for i, c := range sample.Columns {
		read[i] = fmt.Sprintf("LEFT(%s, %d)", name(c.Name), sampledBytes)
	}
	rows, err := conn.All(ctx, fmt.Sprintf("SELECT %s FROM %s LIMIT %d", strings.Join(read, ", "), name(t.Name), most))
	if err != nil {
		return sample, err
	}
	for _, row := range rows {
		values := make([][]byte, len(row))
		for i, value := range row {
			if value.Valid {
				values[i] = []byte(value.Value)
			}
		}
		sample.Rows = append(sample.Rows, values)
	}
	return sample, nil
}
