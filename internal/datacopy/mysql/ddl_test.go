package mysql

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hostile = "CREATE TABLE `a``(,` (\n" +
	"  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'KEY `x` (, ''\\')',\n" +
	"  `e` enum('a,b','c)') DEFAULT ',',\n" +
	"  `g` int(11) GENERATED ALWAYS AS (if(`id` > 0,(1),2)) STORED,\n" +
	"  PRIMARY KEY (`id`),\n" +
	"  UNIQUE KEY `u``q` (`e`(3),`g`),\n" +
	"  KEY `k,(` (`g`),\n" +
	"  FULLTEXT KEY `f` (`e`),\n" +
	"  CONSTRAINT `fk` FOREIGN KEY (`g`) REFERENCES `other` (`id`) ON DELETE CASCADE,\n" +
	"  CONSTRAINT `c` CHECK (`id` > 0 and `e` <> 'FOREIGN KEY')\n" +
	") ENGINE=InnoDB AUTO_INCREMENT=5 COMMENT='(,'"

func TestParseDefinition(t *testing.T) {
	d, err := parseDefinition(hostile)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range d.parts {
		got = append(got, p.id())
	}
	want := []string{"column id", "column e", "column g", "primary key", "unique key u`q", "key k,(", "fulltext key f", "foreign key fk", "check c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	whole := d.bare(func(part) bool { return true })
	if blanks.ReplaceAllString(whole, " ") != blanks.ReplaceAllString(hostile, " ") {
		t.Errorf("put together again:\n%s", whole)
	}
	bare := d.bare(func(part) bool { return false })
	if strings.Contains(bare, "fk") || strings.Contains(bare, "k,(") || !strings.Contains(bare, "`c` CHECK") {
		t.Errorf("bare:\n%s", bare)
	}
	if later := d.later(func(part) bool { return false }, uniquePart, indexPart, foreignPart); len(later) != 3 {
		t.Errorf("later: %v", later)
	}
}

func TestCompareDefinitions(t *testing.T) {
	if got := compareDefinitions(hostile, strings.ReplaceAll(hostile, "int(11)", "int")); len(got) != 0 {
		t.Errorf("the width of a display is a difference: %v", got)
	}
	changed := strings.Replace(strings.Replace(hostile, "enum('a,b','c)')", "enum('a','c)')", 1), "  KEY `k,(` (`g`),\n", "", 1)
	if diff := cmp.Diff([]string{"column e differs", "key k,( is missing"}, compareDefinitions(hostile, changed)); diff != "" {
		t.Error(diff)
	}
}

func TestRewriteDefiner(t *testing.T) {
	for create, want := range map[string]string{
		"CREATE DEFINER=`a``b`@`%` PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'": "CREATE DEFINER=`me`@`%` PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'",
		"CREATE DEFINER=root@localhost VIEW v AS SELECT 1":                   "CREATE DEFINER=`me`@`%` VIEW v AS SELECT 1",
		"CREATE DEFINER=`role` TRIGGER t":                                    "CREATE DEFINER=`me`@`%` TRIGGER t",
		"CREATE PROCEDURE `DEFINER=a@b` () SELECT 1":                         "CREATE PROCEDURE `DEFINER=a@b` () SELECT 1",
		"CREATE DEFINER=": "CREATE DEFINER=`me`@`%`",
	} {
		if got := rewriteDefiner(create, "`me`@`%`"); got != want {
			t.Errorf("%s\n got %s\nwant %s", create, got, want)
		}
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add(hostile)
	f.Add("CREATE TABLE `x` (`a` int, KEY (`a`")
	f.Add("(')")
	f.Fuzz(func(t *testing.T, create string) {
		rewriteDefiner(create, "`a`@`b`")
		d, err := parseDefinition(create)
		if err != nil {
			return
		}
		if again, err := parseDefinition(d.bare(func(part) bool { return true })); err != nil || len(again.parts) != len(d.parts) {
			t.Errorf("%q: taken apart and put together it has other parts: %v", create, err)
		}
	})
}

func TestCollationsOfAnotherProduct(t *testing.T) {
	mariadb := &server{mariadb: true, collations: map[string]bool{"utf8mb4_uca1400_ai_ci": true, "utf8mb4_uca1400_swedish_ai_ci": true, "utf8mb4_bin": true, "utf8mb4_unicode_520_ci": true, "utf8mb4_uca1400_as_cs": true}}
	mysql := &server{collations: map[string]bool{"utf8mb4_0900_ai_ci": true, "utf8mb4_sv_0900_ai_ci": true, "utf8mb4_0900_bin": true, "utf8mb4_bin": true, "utf8mb4_general_ci": true, "utf8mb4_unicode_ci": true, "utf8mb4_0900_as_cs": true}}
	old := &server{mariadb: true, collations: map[string]bool{"utf8mb4_unicode_520_ci": true, "utf8mb4_bin": true}}
	for _, tt := range []struct {
		from, to   *server
		have, want string
	}{
		{mysql, mariadb, "utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci"},
		{mysql, mariadb, "utf8mb4_0900_as_cs", "utf8mb4_uca1400_as_cs"},
		{mysql, mariadb, "utf8mb4_0900_bin", "utf8mb4_bin"},
		{mysql, mariadb, "utf8mb4_bin", ""},
		{mysql, old, "utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_ci"},
		{mysql, old, "utf8mb4_0900_as_cs", "utf8mb4_bin"},
		{mariadb, mysql, "utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci"},
		{mariadb, mysql, "utf8mb4_uca1400_swedish_ai_ci", "utf8mb4_sv_0900_ai_ci"},
		{mariadb, mysql, "utf8mb4_general_nopad_ci", "utf8mb4_general_ci"},
		{mariadb, mysql, "utf8mb4_nopad_bin", "utf8mb4_0900_bin"},
	} {
		if got := newRewriter(tt.from, tt.to, "").collation(tt.have); got != tt.want {
			t.Errorf("%s becomes %q, want %q", tt.have, got, tt.want)
		}
	}
	create := "CREATE TABLE `COLLATE utf8mb4_0900_ai_ci` (`a` varchar(9) COLLATE utf8mb4_0900_ai_ci DEFAULT 'COLLATE utf8mb4_0900_ai_ci') DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"
	got := newRewriter(mysql, mariadb, "").collations(create)
	if strings.Count(got, "uca1400") != 2 || strings.Count(got, "0900") != 2 {
		t.Errorf("rewritten: %s", got)
	}
}

func TestDigestNoticesExchangedValues(t *testing.T) {
	columns := []*column{{Name: "a"}, {Name: "b", Nullable: true}}
	sum := func(rows ...[2]string) digest {
		e := &encoder{columns: columns}
		for _, r := range rows {
			fields := [][]byte{[]byte(r[0]), []byte(r[1])}
			if r[1] == "NULL" {
				fields[1] = nil
			}
			if err := e.prepare(fields); err != nil {
				t.Fatal(err)
			}
		}
		return e.sent
	}
	base := sum([2]string{"1", "x"}, [2]string{"2", "y"})
	if base != sum([2]string{"2", "y"}, [2]string{"1", "x"}) {
		t.Error("the order of rows matters")
	}
	for name, other := range map[string]digest{
		"exchanged values": sum([2]string{"1", "y"}, [2]string{"2", "x"}),
		"NULL for empty":   sum([2]string{"1", ""}, [2]string{"2", "NULL"}),
		"a row more":       sum([2]string{"1", "x"}, [2]string{"2", "y"}, [2]string{"3", "z"}),
	} {
		if base == other {
			t.Errorf("%s: the same digest", name)
		}
	}
	if sum([2]string{"1", ""}) == sum([2]string{"1", "NULL"}) {
		t.Error("NULL and the empty text are the same")
	}
	if parsed, err := parseDigest(base.String()); err != nil || parsed != base {
		t.Errorf("read back: %v, %v", parsed, err)
	}
}

func TestLinesAreEscapedWhereverASpecialByteIs(t *testing.T) {
	for special, want := range map[byte]string{'\\': `\\`, '\t': `\t`, '\n': `\n`, 0: `\0`} {
		for size := 1; size < 20; size++ {
			for at := range size {
				field := bytes.Repeat([]byte{0xff}, size)
				field[at] = special
				if got := string(appendEscaped(nil, field)); got != strings.Repeat("\xff", at)+want+strings.Repeat("\xff", size-at-1) {
					t.Fatalf("%q becomes %q", field, got)
				}
			}
		}
	}
	if got := string(appendEscaped([]byte("x"), []byte("\b\v [^]\x7f\x80 and more"))); got != "x\b\v [^]\x7f\x80 and more" {
		t.Errorf("without special bytes: %q", got)
	}
}

func TestPointsArePrintedAsTheirNumber(t *testing.T) {
	point := func(value float64) []byte {
		bytes := make([]byte, pointSize)
		bytes[pointOrder] = littleEnd
		binary.LittleEndian.PutUint64(bytes[pointX:], math.Float64bits(value))
		return bytes
	}
	e := newReals(&table{Columns: []*column{{Name: "a", Real: true}, {Name: "b"}, {Name: "c", Real: true}, {Name: "d", Real: true}}})
	fields := [][]byte{point(0.1), []byte("x"), nil, point(-1.7976931348623157e308)}
	if err := e.print(fields); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte("0.1"), []byte("x"), nil, []byte("-1.7976931348623157e+308")}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][]byte{{}, make([]byte, pointSize), point(1)[1:]} {
		if err := e.print([][]byte{bad, nil, nil, nil}); err == nil {
			t.Errorf("%x is taken for a point", bad)
		}
	}
}

func TestConditionOfACompositeKey(t *testing.T) {
	table := &table{Key: []string{"a", "b"}}
	c := chunk{from: bound{"1", "2"}, to: bound{"3", "4"}}
	want := "(`a`>=1 AND (`a`>1 OR (`a`=1 AND `b`>2))) AND (`a`<=3 AND (`a`<3 OR (`a`=3 AND `b`<=4)))"
	if got := c.condition(table); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
