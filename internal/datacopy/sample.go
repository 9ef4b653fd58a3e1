package datacopy

import "context"

// Sampler is an Engine that shows a little of what is in a store, so that
// personal data can be found before it is copied.
type Sampler interface {
	Engine
	// Sample gives every table with a few of its rows, or some keys with their
	// values, at most that many of each unit. It reads the source only, and
	// little of it. An error of see ends it.
	Sample(ctx context.Context, req Request, most int, see func(Sample) error) error
}

// Sample is a table with some of its rows, or a key with its value. It holds
// what may be personal data: it is looked at and never shown.
type Sample struct {
	// Unit is as in plans: the table, "db0", the bucket.
	Unit string
	// Key is that of Redis or S3, "" for tables.
	Key string
	// Columns are those of the table; of a key, the fields of a hash, or one
	// without a name.
	Columns []Column
	// Rows hold a value for each column; nil is NULL.
	Rows [][][]byte
}
