package s3

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

const (
	// sampledBytes is how large an object may be to be looked into.
	sampledBytes = 64 << 10
	// sampledObjects is how many are.
	sampledObjects = 100
)

var _ datacopy.Sampler = (*Engine)(nil)

// Sample is part of datacopy.Sampler: the first keys, and what small objects
// with the name of a text hold.
func (e *Engine) Sample(ctx context.Context, req datacopy.Request, most int, see func(datacopy.Sample) error) error {
	names, err := req.Names()
	if err != nil {
		return err
	}
	from, err := e.open(ctx, req.From, 1)
	if err != nil {
		return err
	}
	looked := 0
	l := &listing{bucket: from}
	for p := range l.pages(ctx) {
		if p.err != nil {
			return p.err
		}
		for _, o := range p.objects {
			if !names.Has(o.key) {
				continue
			}
			if most--; most < 0 {
				return nil
			}
			sample := datacopy.Sample{Unit: from.name, Key: o.key, Columns: []datacopy.Column{{}}}
			if looked < sampledObjects && o.size <= sampledBytes && isText(o.key) {
				looked++
				if sample.Rows, err = lines(ctx, from, req.From.Prefix()+o.key); err != nil {
					return from.failed("looking into "+o.key+" of", err)
				}
			}
			if err := see(sample); err != nil {
				return err
			}
		}
	}
	return nil
}

// isText goes by the name: most objects are pictures.
func isText(key string) bool {
	for _, end := range []string{".json", ".csv", ".txt", ".ndjson", ".jsonl", ".xml", ".html", ".log"} {
		if strings.HasSuffix(strings.ToLower(key), end) {
			return true
		}
	}
	return false
}

// lines gives a document as one row, other texts a row for each line.
func lines(ctx context.Context, b *bucket, key string) ([][][]byte, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(key)})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, sampledBytes))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(key, ".json") {
		return [][][]byte{{text}}, nil
	}
	var rows [][][]byte
	for line := range bytes.Lines(text) {
		rows = append(rows, [][]byte{bytes.TrimSpace(line)})
	}
	return rows, nil
}
