package redis

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// served gives a wire whose other end sends what is given and goes away.
func served(t testing.TB, reply []byte) *wire {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		_, _ = theirs.Write(reply)
		theirs.Close()
	}()
	w := newWire(ours)
	t.Cleanup(w.close)
	return w
}

func TestRepliesThatAreBroken(t *testing.T) {
	tests := []struct{ name, reply string }{
		{"nothing", ""},
		{"no end of line", "$3"},
		{"another kind", ":3\r\n"},
		{"no number", "$x\r\n"},
		{"a negative length", "$-2\r\n"},
		{"too long", "$99999999999\r\n"},
		{"too short", "$5\r\nabc"},
		{"no end of string", "$3\r\nabcde"},
		{"an error", "-ERR no\r\n"},
		{"a line without end", string(bytes.Repeat([]byte("x"), 1<<20))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if value, _, err := served(t, []byte(tt.reply)).bulk(nil); err == nil {
				t.Errorf("read %q, want an error", value)
			}
		})
	}
}

// TestServersThatSayNothing take a command, or a part of a reply, and stop there.
func TestServersThatSayNothing(t *testing.T) {
	for _, said := range []string{"", "$5\r\n", "$5\r\nab"} {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		go func() { _, _ = theirs.Write([]byte(said)) }()
		w := newWire(ours)
		t.Cleanup(w.close)
		w.patience = 30 * time.Millisecond
		_, _, err := w.bulk(nil)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !passing(err) {
			t.Errorf("after %q: %v, want a time-out, which may pass", said, err)
		}
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	w := newWire(ours)
	t.Cleanup(w.close)
	w.patience = 30 * time.Millisecond
	w.command("PING")
	if err := w.flush(); !errors.Is(err, os.ErrDeadlineExceeded) || !passing(err) {
		t.Errorf("writing: %v, want a time-out, which may pass", err)
	}
}

func TestPassMovesEveryByte(t *testing.T) {
	value := bytes.Repeat([]byte("\x00\r\n$-1\r\n\xff"), 40_000)
	from := served(t, append(append([]byte("$360000\r\n"), value...), "\r\n+OK\r\n"...))
	var sent bytes.Buffer
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { _, _ = sent.ReadFrom(theirs); close(done) }()
	to := newWire(ours)
	n, err := from.bulkHeader()
	if err != nil || n != len(value) {
		t.Fatalf("length %d, %v", n, err)
	}
	if err := from.pass(to, n); err != nil {
		t.Fatal(err)
	}
	if err := from.ok(); err != nil {
		t.Errorf("the reply after it: %v", err)
	}
	if err := to.flush(); err != nil {
		t.Fatal(err)
	}
	to.close()
	<-done
	if want := "$360000\r\n" + string(value) + "\r\n"; sent.String() != want {
		t.Errorf("sent %d bytes, want %d", sent.Len(), len(want))
	}
}

func FuzzReplies(f *testing.F) {
	for _, seed := range []string{"$3\r\nabc\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n", ":5\r\n", "-ERR\r\n", "*-1\r\n", "$-1\r\n", "+OK\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		l := &listing{side: side{scope: &scope{all: true}}}
		if page, err := l.read(served(t, reply)); err == nil && page == nil {
			t.Error("neither a page nor an error")
		}
		r := &reading{kind: typeHash, step: 10}
		_ = r.read(served(t, reply))
		_, _, _ = served(t, reply).bulk(nil)
		_, _ = served(t, reply).integerReply()
	})
}

func TestSlots(t *testing.T) {
	// From the specification of Redis Cluster.
	for key, want := range map[string]int{"123456789": 12739, "foo": 12182, "{user1000}.following": 3443, "{user1000}.followers": 3443, "": 0} {
		if got := slotOf([]byte(key)); got != want {
			t.Errorf("slot of %q is %d, want %d", key, got, want)
		}
	}
	if slotOf([]byte("foo{}{bar}")) == slotOf([]byte("bar")) {
		t.Error("an empty tag counts")
	}
	if slotOf([]byte("foo{{bar}}zap")) != slotOf([]byte("{bar")) {
		t.Error("the tag is not what stands between the first braces")
	}
}
