package redis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

const (
	// sampledBytes is how much of a value is looked at.
	sampledBytes = 4096
	// sampledFields is about how many fields of a hash, and elements.
	sampledFields = 32
)

var _ datacopy.Sampler = (*Engine)(nil)

// Sample is part of datacopy.Sampler: keys in the order in which SCAN has them,
// with the beginnings of their values.
func (e *Engine) Sample(ctx context.Context, req datacopy.Request, most int, see func(datacopy.Sample) error) error {
	scope, err := newScope(req)
	if err != nil {
		return err
	}
	source, err := connect(ctx, req.From)
	if err != nil {
		return err
	}
	databases, err := pairs(req, source)
	if err != nil {
		return err
	}
	return e.pulse.Attend(ctx, progress.Discard.Note, func(ctx context.Context) error {
		for _, database := range databases {
			if err := e.sampleDatabase(ctx, source, scope, database, most, see); err != nil {
				return source.failed("looking at some keys of", err)
			}
		}
		return nil
	}, source.attended("source"))
}

func (e *Engine) sampleDatabase(ctx context.Context, source *server, scope *scope, database pair, most int, see func(datacopy.Sample) error) error {
	client := source.client(database.from)
	defer client.Close()
	for _, node := range source.layout.Load().nodes {
		l := listing{server: source, side: scope.source(), database: database.from, node: node, retry: e.retry}
		err := l.run(ctx, "0", func(p page) error {
			for _, key := range p.keys {
				if most--; most < 0 {
					return errEnough
				}
				sample, err := sampleKey(ctx, client, string(key))
				if err != nil {
					return err
				}
				sample.Unit, sample.Key = database.unit(), string(scope.name(key))
				if err := see(sample); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sampleKey reads a little of a key, whatever its type; a key that is gone has
// no rows.
func sampleKey(ctx context.Context, client redis.UniversalClient, key string) (datacopy.Sample, error) {
	sample := datacopy.Sample{Columns: []datacopy.Column{{}}}
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return sample, err
	}
	var elements []string
	switch kind {
	case "string":
		var value string
		value, err = client.GetRange(ctx, key, 0, sampledBytes-1).Result()
		elements = []string{value}
	case "list":
		elements, err = client.LRange(ctx, key, 0, sampledFields-1).Result()
	case "set":
		elements, _, err = client.SScan(ctx, key, 0, "", sampledFields).Result()
	case "zset":
		elements, _, err = client.ZScan(ctx, key, 0, "", sampledFields).Result()
	case "hash":
		elements, _, err = client.HScan(ctx, key, 0, "", sampledFields).Result()
		return sampleHash(elements), err
	}
	for i, element := range elements {
		if kind == "zset" && i%2 == 1 {
			continue // a score
		}
		sample.Rows = append(sample.Rows, [][]byte{cut(element)})
	}
	return sample, err
}

// sampleHash makes a row of names and values in turn.
func sampleHash(elements []string) datacopy.Sample {
	var sample datacopy.Sample
	var row [][]byte
	for i := 0; i+1 < len(elements); i += 2 {
		sample.Columns = append(sample.Columns, datacopy.Column{Name: elements[i]})
		row = append(row, cut(elements[i+1]))
	}
	sample.Rows = [][][]byte{row}
	return sample
}

func cut(value string) []byte { return []byte(value[:min(len(value), sampledBytes)]) }
