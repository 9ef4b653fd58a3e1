// Package rdb reads the snapshot that a Redis or Valkey server writes for its
// replicas and into dump files, as a stream and in flat memory. It does not
// build values: it finds where each ends, so that the same bytes can be handed
// to RESTORE (Payload), and gives large ones in parts, whose elements can be
// decoded (Elements). It knows no connections and no copies. Start at
// Reader.Next.
//
// The format has no specification; what is known of it here is what rdb.h and
// rdb.c of Redis 8 and Valkey 9 say: versions 1 to 12 and 80, which Redis from
// 2.4 to 8 and Valkey up to 9 write. An opcode or type that is not known is an error
// (ErrUnknown), since there is no way past it.
package rdb

import "errors"

// ErrUnknown says that the snapshot has something that this package does not
// know, of a newer server for example.
var ErrUnknown = errors.New("an unknown part of the format")

// Type is how a value is written.
type Type byte

// Types of values, as rdb.h numbers them.
const (
	String           Type = 0
	List             Type = 1
	Set              Type = 2
	Zset             Type = 3
	Hash             Type = 4
	Zset2            Type = 5
	Module2          Type = 7
	HashZipmap       Type = 9
	ListZiplist      Type = 10
	SetIntset        Type = 11
	ZsetZiplist      Type = 12
	HashZiplist      Type = 13
	ListQuicklist    Type = 14
	StreamListpacks  Type = 15
	HashListpack     Type = 16
	ZsetListpack     Type = 17
	ListQuicklist2   Type = 18
	StreamListpacks2 Type = 19
	SetListpack      Type = 20
	StreamListpacks3 Type = 21
	// ValkeyHash2 has an expiry for each field; Redis used the number before
	// the release of 7.4 only.
	ValkeyHash2    Type = 22
	HashMetadata   Type = 24
	HashListpackEx Type = 25
)

// Parts that are no values.
const (
	// opLeast is the least that is no type. It says that slots are being moved
	// to this node (Valkey 9), which is not known here: what the node has of
	// them is not to be seen yet.
	opLeast        = 243
	opSlotInfo     = 244
	opFunction2    = 245
	opModuleAux    = 247
	opIdle         = 248
	opFreq         = 249
	opAux          = 250
	opResize       = 251
	opExpiryMillis = 252
	opExpiry       = 253
	opSelect       = 254
	opEnd          = 255
)

// Record is a value, or a part of one. Its memory is valid until the next call
// of Reader.Next.
type Record struct {
	Database int
	Key      []byte
	// Expiry is in milliseconds since 1970; -1 is never.
	Expiry int64
	Type   Type
	// Size is about how many bytes of data Raw stands for; it may be packed.
	Size int
	// Raw is the value as it is written, without its type and, of a part,
	// without the number of elements. Parts of a String are its bytes.
	Raw []byte
	// Count is the number of elements (of hashes pairs) in a part.
	Count int
	// First and Last are both set for a value that comes whole.
	First, Last bool
	// Left says that the value is too large and of a type that has no parts:
	// Raw is not there, and whoever wants it reads it elsewhere.
	Left bool
}

// Whole says that Raw is a whole value.
func (r *Record) Whole() bool { return r.First && r.Last && !r.Left }
