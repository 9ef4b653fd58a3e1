package mysql

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// byReading is a splitter whose chunks end where they were read to.
func byReading(t *testing.T, journal datacopy.Journal) *splitter {
	t.Helper()
	s, err := newSplitter(&table{Name: "t", Key: []string{"id"}}, 10, journal)
	if err != nil {
		t.Fatal(err)
	}
	s.byReading = true
	return s
}

func taken(t *testing.T, s *splitter) chunk {
	t.Helper()
	c, more, err := s.next(t.Context(), nil)
	if err != nil || !more {
		t.Fatalf("the next chunk: %v, %v", more, err)
	}
	return c
}

func TestChunksByReadingFollowOneAnother(t *testing.T) {
	journal := &datacopy.MemoryJournal{}
	s := byReading(t, journal)
	first := taken(t, s)
	if first.limit != 10 || first.from != nil {
		t.Fatalf("the first chunk is %+v", first)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := s.next(over, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a second reader does not wait for the first: %v", err)
	}
	if err := s.end(&first, bound{"30"}); err != nil {
		t.Fatal(err)
	}
	abandoned := taken(t, s)
	s.abandon()
	last := taken(t, s)
	if diff := cmp.Diff(abandoned.name(), last.name()); diff != "" || last.from[0] != "30" {
		t.Errorf("after one that was abandoned comes %+v", last)
	}
	if err := s.end(&last, nil); err != nil {
		t.Fatal(err)
	}
	if _, more, err := s.next(t.Context(), nil); more || err != nil || !s.idle() {
		t.Errorf("after the last: %v, %v, idle %v", more, err, s.idle())
	}

	again := byReading(t, journal)
	for _, want := range []chunk{first, last} {
		got := taken(t, again)
		if !got.known || got.limit != 0 || got.condition(s.table) != want.condition(s.table) {
			t.Errorf("another pass begins with %+v, want %+v", got, want)
		}
	}
	if !again.idle() {
		t.Error("another pass finds more than the journal has")
	}
}

func TestPlacesOfRows(t *testing.T) {
	columns := []*column{{Name: "v", Data: "int", Expr: "`v`"}, {Name: "b", Data: "varchar", Charset: "latin1", Expr: "`b`"}, {Name: "a", Data: "int", Expr: "`a`"}}
	whole := &table{Columns: columns, Key: []string{"a", "b"}, Unique: true}
	place, err := whole.placeOf([][]byte{[]byte("7"), []byte("x"), []byte("1")})
	if diff := cmp.Diff(bound{"1", "_latin1 0x78"}, place); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for what, other := range map[string]*table{
		"a key that many rows share":   {Columns: columns, Key: []string{"a"}},
		"a key that is not copied":     {Columns: []*column{{Name: "a", Data: "int", Expr: "`a`", Generated: true}}, Key: []string{"a"}, Unique: true},
		"a key that is read otherwise": {Columns: []*column{{Name: "a", Data: "int", Expr: "CONVERT(`a` USING utf8mb4)"}}, Key: []string{"a"}, Unique: true},
		"no key":                       {Columns: columns, Unique: true},
		"a table that is one chunk":    {Columns: columns, Key: []string{"a"}, Unique: true, Whole: true},
	} {
		if _, ok := other.keyPositions(); ok {
			t.Errorf("%s says where a row is", what)
		}
	}
}
