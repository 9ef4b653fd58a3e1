package datacopy

// Mask changes personal data in flight. Engines ask once per table or key what
// is to be done, so that what has no rule costs nothing. A mask is
// deterministic: the same value under the same rules and secret gives the same
// pseudonym, in every table, store and run. It is safe for concurrent use, and
// so is what its methods give.
type Mask interface {
	// Digest identifies rules and secret without revealing either. A copy is
	// only resumed, and only verified, with the mask it began with.
	Digest() string

	// Rows gives what changes the rows of a table, or nil when every column is
	// kept. An error means that the rules do not fit the table.
	Rows(table string, columns []Column) (RowMask, error)

	// Value gives what changes the value of a key of Redis or the body of an
	// object, or nil when it is kept.
	Value(unit, key string) (ValueMask, error)
}

// NameMask is a Mask that may change names of keys and objects, too. Different names stay
// different.
type NameMask interface {
	Mask

	// Renames says whether any rule changes names.
	Renames() bool

	// Name gives the name that a key is written under. renamed says that a rule
	// is about it, also of a name in the target: then it may be one that a mask
	// made, and which key it stands for cannot be told from it.
	Name(unit, key string) (name string, renamed bool)
}

// RowMask changes rows of one table.
type RowMask interface {
	// Columns are the positions in the columns given to Rows that may change.
	Columns() []int
	// Reads are the positions of the values that Mask looks at: those that may
	// change, and what they depend on.
	Reads() []int
	// Mask changes values of a row in place; nil is NULL. Values that it reads
	// are texts as the server prints them in UTF-8 (bytes for binary columns);
	// others are whatever they travel as. Mask may replace elements but never writes into the bytes they refer to; what it
	// puts there may be used until its next call with the same scratch.
	Mask(row [][]byte, scratch *Scratch) error
}

// ValueMask changes parts of one key's value.
type ValueMask interface {
	// Mask gives the value to send for one element: field is the hash field,
	// "" for strings, lists, sets and objects. The input is not changed.
	Mask(field string, value []byte, scratch *Scratch) ([]byte, error)
}

// Scratch is memory that one worker lends to masks, so that they need not
// allocate for each value. The zero Scratch is ready. Not safe for concurrent
// use.
type Scratch struct {
	// Buffer is reset by the engine before each row or value; masks append to
	// it and refer to its parts.
	Buffer []byte
	// State is the mask's own: an HMAC, a parser.
	State any
}

// Reset makes the buffer free for the next row or value.
func (s *Scratch) Reset() { s.Buffer = s.Buffer[:0] }

// Column describes a column of a table to a mask.
type Column struct {
	Name string
	// Type is that of the server, in lower case: "varchar(255)", "datetime(6)".
	Type     string
	Nullable bool
	// Binary says that values are bytes rather than text.
	Binary bool
	// Unique says that the column alone has a unique or primary key.
	Unique bool
	// References is "table.column" of a foreign key over this column alone.
	References string
}
