package rdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy/redis/rdb"
)

func snapshotOf(product string) string { return filepath.Join("testdata", product+".rdb") }

// TestSnapshotsOfRealServers reads what servers wrote once.
func TestSnapshotsOfRealServers(t *testing.T) {
	for product := range products {
		t.Run(product, func(t *testing.T) {
			text, err := os.ReadFile(snapshotOf(product))
			if err != nil {
				t.Fatal(err)
			}
			told := tell(t, text)
			golden := filepath.Join("testdata", product+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(told), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), told); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// tell says what a snapshot has.
func tell(t *testing.T, text []byte) string {
	t.Helper()
	// The server put the parts of its disk file before the mark of a stream.
	r, err := rdb.NewReader(bytes.NewReader(append(text, "mark"...)), 2500, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%d %q type %d expires %d: %s\n", record.Database, record.Key, record.Type, record.Expiry, describe(record))
	}
	if mark, err := r.Rest(4); err != nil || string(mark) != "mark" {
		t.Errorf("behind the snapshot: %q, %v", mark, err)
	}
	return told.String()
}

func describe(record *rdb.Record) string {
	switch {
	case record.Left:
		return "left"
	case record.Whole():
		return fmt.Sprintf("%d bytes of %d", len(record.Raw), record.Size)
	}
	return fmt.Sprintf("a part of %d, %d bytes, first %t, last %t", record.Count, len(record.Raw), record.First, record.Last)
}

// TestTypesOfOtherVersions reads what Redis 7.0 does not write any more, or not
// yet.
func TestTypesOfOtherVersions(t *testing.T) {
	ziplist := "\x1d\x00\x00\x00\x0a\x00\x00\x00\x06\x00" +
		"\x00\x02hi" + "\x04\xf3" + "\x02\xfe\x85" + "\x03\xc0\x00\x80" + "\x04\xf0\x01\x00\x80" + "\x05\x40\x01x" + "\xff"
	listpack := "\x00\x00\x00\x00\x06\x00" +
		"\x7f\x01" + "\x82hi\x03" + "\xdf\xff\x02" + "\xe0\x01y\x03" + "\xf2\x00\x00\x80\x04" + "\xf0\x01\x00\x00\x00z\x06" + "\xff"
	tests := []struct {
		name string
		kind rdb.Type
		raw  string
		want []string
	}{
		{"scores as text", rdb.Zset, "\x04\x01a\x031.5\x01b\xfd\x01c\xfe\x01d\xff", []string{"a", "1.5", "b", "nan", "c", "inf", "d", "-inf"}},
		{"a list without nodes", rdb.List, "\x02\x01a\xc0\xfe", []string{"a", "-2"}},
		{"a list of ziplists", rdb.ListQuicklist, "\x01" + text(ziplist), []string{"hi", "2", "-123", "-32768", "-8388607", "x"}},
		{"a hash in a ziplist", rdb.HashZiplist, text(ziplist), []string{"hi", "2", "-123", "-32768", "-8388607", "x"}},
		{"a set in a listpack", rdb.SetListpack, text(listpack), []string{"127", "hi", "-1", "y", "-8388608", "z"}},
		{"numbers", rdb.SetIntset, text("\x02\x00\x00\x00\x02\x00\x00\x00\xff\xff\x01\x00"), []string{"-1", "1"}},
		{"packed", rdb.Set, "\x01\xc3\x05\x0a\x01ab\xc0\x01", []string{strings.Repeat("ab", 5)}},
		{"fields that expire", rdb.HashMetadata, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01f\x01v", nil},
		{"fields that expire in a listpack", rdb.HashListpackEx, "\x00\x00\x00\x00\x00\x00\x00\x00" + text(listpack), nil},
		{"a hash of Redis 2.4", rdb.HashZipmap, text("\x01\x01a\x01\x00b\xff"), nil},
		{"a value of a module", rdb.Module2, "\x81abcdefgh\x02\x05\x05\x02hi\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reader(t, "REDIS0012"+string(rune(tt.kind))+text("key")+tt.raw+"\xff12345678")
			record, err := r.Next()
			if err != nil || !record.Whole() || string(record.Raw) != tt.raw {
				t.Fatalf("%+v, %v", record, err)
			}
			if rdb.Decodes(tt.kind) != (tt.want != nil) {
				t.Errorf("type %d is decoded: %t", tt.kind, rdb.Decodes(tt.kind))
			}
			if tt.want != nil {
				elements, _, err := rdb.WholeElements(tt.kind, record.Raw, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, element := range elements {
					got = append(got, string(element))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("elements (-want +got):\n%s", diff)
				}
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// text is a short string as it is written.
func text(s string) string { return string(rune(len(s))) + s }

func reader(t *testing.T, snapshot string) *rdb.Reader {
	t.Helper()
	r, err := rdb.NewReader(strings.NewReader(snapshot), 1000, 500)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestValkey(t *testing.T) {
	r := reader(t, "VALKEY080\x16\x03key\x01\x01f\x01v\x01\x02\x03\x04\x05\x06\x07\x08\xff12345678")
	record, err := r.Next()
	if err != nil || record.Type != rdb.ValkeyHash2 || !record.Whole() || r.Version() != 80 {
		t.Errorf("%+v of version %d, %v", record, r.Version(), err)
	}
}

func TestSnapshotsThatAreBroken(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"nothing", "", io.ErrUnexpectedEOF},
		{"no snapshot", "HTTP/1.1 400", nil},
		{"no version", "REDISabcd", nil},
		{"no end", "REDIS0010\x00\x01k\x01v", io.ErrUnexpectedEOF},
		{"no checksum", "REDIS0010\xff1234", io.ErrUnexpectedEOF},
		{"a key that is too short", "REDIS0010\x00\x0akey", io.ErrUnexpectedEOF},
		{"a value of 8 EiB", "REDIS0010\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xffv", io.ErrUnexpectedEOF},
		{"a hash of 8 EiB", "REDIS0010\x04\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01v", io.ErrUnexpectedEOF},
		{"an unknown type", "REDIS0010\x63\x01k\x01v", rdb.ErrUnknown},
		{"an unknown part", "REDIS0010\xf3\x01k\x01v", rdb.ErrUnknown},
		{"an unknown encoding", "REDIS0010\x00\x01k\xc7v", rdb.ErrUnknown},
		{"a module that stopped", "REDIS0010\x07\x01k\x00\x09", rdb.ErrUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := readAll([]byte(tt.text))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("reading: %v, want %v", err, tt.want)
			}
		})
	}
}

// readAll reads and decodes whatever there is.
func readAll(snapshot []byte) error {
	r, err := rdb.NewReader(bytes.NewReader(snapshot), 1000, 300)
	if err != nil {
		return err
	}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// What is decoded may be broken, and only must not stop the program.
		switch {
		case record.Left, !rdb.Decodes(record.Type):
		case record.Whole() && record.Type == rdb.String:
			_, _ = rdb.AppendString(nil, record.Raw)
		case record.Whole():
			_, _, _ = rdb.WholeElements(record.Type, record.Raw, nil, nil)
		default:
			_, _, _ = rdb.Elements(record.Type, record.Raw, nil, nil)
		}
	}
}

func FuzzSnapshots(f *testing.F) {
	for product, head := range map[string]string{"redis-7.0": "REDIS0010", "redis-8.0": "REDIS0012", "valkey-9.1": "VALKEY080"} {
		text, err := os.ReadFile(snapshotOf(product))
		if err != nil {
			f.Fatal(err)
		}
		// Short seeds: long ones take their time to be made smaller.
		for begin := range slices.Chunk(text, 1500) {
			f.Add(append([]byte(head), begin...))
		}
	}
	f.Add([]byte("REDIS0010\x00\x01k\x01v\xff12345678"))
	f.Add([]byte("REDIS0010\x04\x01k\x01\x01f\xc3\x05\x0a\x01ab\xc0\x01\xff12345678"))
	f.Add([]byte("REDIS0010\x0b\x01k\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\xff12345678"))
	f.Fuzz(func(_ *testing.T, snapshot []byte) { _ = readAll(snapshot) })
}

// FuzzDecoding decodes values of every type, without a snapshot around them.
func FuzzDecoding(f *testing.F) {
	f.Add(byte(rdb.HashZiplist), []byte("\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01a"))
	f.Add(byte(rdb.SetListpack), []byte("\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff"))
	f.Add(byte(rdb.Zset), []byte("\x01\x01a\x011"))
	f.Fuzz(func(_ *testing.T, kind byte, raw []byte) {
		_, _, _ = rdb.Elements(rdb.Type(kind), raw, nil, nil)
		_, _ = rdb.AppendString(nil, raw)
	})
}

// TestFooterHasTheSum compares with the slow way.
func TestFooterHasTheSum(t *testing.T) {
	table := crc64.MakeTable(0x95ac9329ac4bc9b5)
	for _, n := range []int{0, 1, 6, 7, 8, 9, 100, 1001} {
		raw := []byte(strings.Repeat("payload", n))[:n]
		payload := append([]byte{byte(rdb.Hash)}, raw...)
		payload = rdb.Footer(payload, rdb.Hash, raw, 10)
		want := ^crc64.Update(^uint64(0), table, payload[:len(payload)-8])
		var got uint64
		for i, b := range payload[len(payload)-8:] {
			got |= uint64(b) << (8 * i)
		}
		if got != want {
			t.Errorf("sum of %d bytes is %x, want %x", n, got, want)
		}
	}
}
