package wire

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKindsWriteValues(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{Bytes, "", "\x00\x00"},
		{Bytes, "a\x00b", "\x00\x03a\x00b"},
		{Bytes, strings.Repeat("x", 251), "\x00\xfc\xfb\x00" + strings.Repeat("x", 251)},
		{Bytes, strings.Repeat("x", 1<<16), "\x00\xfd\x00\x00\x01" + strings.Repeat("x", 1<<16)},
		{Signed, "0", "\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{Signed, "-2", "\x00\xfe\xff\xff\xff\xff\xff\xff\xff"},
		{Signed, "-9223372036854775808", "\x00\x00\x00\x00\x00\x00\x00\x00\x80"},
		{Signed, "00042", "\x00\x2a\x00\x00\x00\x00\x00\x00\x00"},
		{Unsigned, "18446744073709551615", "\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
		{Double, "12345678", "\x0012345678"},
		{Date, "0000-00-00", "\x00\x00"},
		{Date, "2026-02-00", "\x00\x04\xea\x07\x02\x00"},
		{DateTime, "0000-00-00 00:00:00.000000", "\x00\x00"},
		{DateTime, "2026-11-21 00:00:00", "\x00\x04\xea\x07\x0b\x15"},
		{DateTime, "2026-11-21 23:59:08", "\x00\x07\xea\x07\x0b\x15\x17\x3b\x08"},
		{DateTime, "2026-11-21 23:59:08.5", "\x00\x0b\xea\x07\x0b\x15\x17\x3b\x08\x20\xa1\x07\x00"},
		{DateTime, "2026-11-21 00:00:00.000001", "\x00\x0b\xea\x07\x0b\x15\x00\x00\x00\x01\x00\x00\x00"},
	} {
		got, err := c.kind.Append(nil, []byte(c.value))
		if err != nil || string(got) != c.want {
			t.Errorf("%#x %.40q becomes %.40q, %v; want %.40q", uint16(c.kind), c.value, got, err, c.want)
		}
		if len(got) > len(c.value)+MostAdded {
			t.Errorf("%#x %.40q grows by %d", uint16(c.kind), c.value, len(got)-len(c.value))
		}
	}
	for _, kind := range []Kind{Bytes, Signed, Unsigned, Double, Date, DateTime} {
		if got, err := kind.Append([]byte("x"), nil); err != nil || string(got) != "x\x01" {
			t.Errorf("%#x NULL becomes %q, %v", uint16(kind), got, err)
		}
	}
}

func TestKindsRefuseWhatIsNoValue(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		values []string
	}{
		{Signed, []string{"", "-", "1.5", "1e3", "9223372036854775808"}},
		{Unsigned, []string{"", "-1", "18446744073709551616", "x"}},
		{Double, []string{"", "1234567", "123456789"}},
		{Date, []string{"", "2026-11-2", "2026-11-211", "2026/11/21", "2o26-11-21"}},
		{DateTime, []string{"", "2026-11-21 ", "2026-11-21 10:00", "2026-11-21T10:00:00", "2026-11-21 10:00:00.", "2026-11-21 10:00:00.1234567", "2026-11-21 10:00:00,5"}},
	} {
		for _, value := range c.values {
			if got, err := c.kind.Append(nil, []byte(value)); err == nil {
				t.Errorf("%#x %q becomes %q", uint16(c.kind), value, got)
			}
		}
	}
}

// mariadb is the first packet of a MariaDB 10.11, mysql of a MySQL 8.0.
var (
	mariadb = "\x5d\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00\x08\x00\x00\x00saltsalt\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00moresaltmore\x00mysql_native_password\x00"
	mysql8  = "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00saltsalt\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00moresaltmore\x00caching_sha2_password\x00"
)

// recorder is a connection that greets, and keeps what it is told.
type recorder struct {
	net.Conn
	greeting string
	told     []byte
}

func (r *recorder) Read(b []byte) (int, error) { return copy(b, r.greeting), nil }

func (r *recorder) Write(b []byte) (int, error) {
	r.told = append(r.told, b...)
	return len(b), nil
}

func TestArraysAreAgreedOnWithServersThatKnowThem(t *testing.T) {
	answer := append([]byte{60, 0, 0, 1, 0x85, 0xa6, 0x0f, 0x00}, make([]byte, 60)...)
	for name, c := range map[string]struct {
		greeting string
		want     []byte
	}{
		"MariaDB": {mariadb, func() []byte {
			changed := bytes.Clone(answer)
			changed[4], changed[32] = 0x84, 4
			return changed
		}()},
		"MySQL":     {mysql8, answer},
		"truncated": {mariadb[:50], answer},
		"empty":     {"", answer},
	} {
		before := bytes.Clone(answer)
		r := &recorder{greeting: c.greeting}
		g := &greeting{Conn: r}
		_, _ = g.Read(make([]byte, 4096))
		if _, err := g.Write(answer); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, r.told); diff != "" || g.arrays != (name == "MariaDB") {
			t.Errorf("%s: arrays %v, told (-want +got):\n%s", name, g.arrays, diff)
		}
		if !bytes.Equal(before, answer) {
			t.Errorf("%s: the caller's bytes are changed", name)
		}
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte(mariadb))
	f.Add([]byte(mysql8))
	f.Fuzz(func(_ *testing.T, packet []byte) { extensions(packet) })
}

func FuzzAnswersToArrays(f *testing.F) {
	f.Add(packets("\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", definition, "\xfe\x00\x00\x00\x00"))
	f.Add(packets("\xff\x7a\x04#42S02Table"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := &Conn{net: discard{}, reader: bufio.NewReaderSize(bytes.NewReader(sent), readBuffer), arrays: true}
		if _, err := c.Array(context.Background(), "INSERT", []Kind{Bytes}, []byte("\x00\x01x")); err == nil && c.statement.statement == "" {
			t.Error("rows were sent without a statement")
		}
	})
}
