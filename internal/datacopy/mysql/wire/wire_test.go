package wire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// answer lets a Conn read bytes as if a server had sent them.
func answer(sent []byte) *Conn {
	client, server := net.Pipe()
	go func() {
		// A command is written in two parts, header and payload.
		for range 2 {
			_, _ = server.Read(make([]byte, 1<<16))
		}
		server.Write(sent)
		server.Close()
	}()
	return &Conn{net: client, reader: bufio.NewReaderSize(client, readBuffer)}
}

// packets frames payloads as a server does after a command.
func packets(payloads ...string) []byte {
	var out []byte
	for i, p := range payloads {
		out = append(out, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(i+1))
		out = append(out, p...)
	}
	return out
}

const definition = "\x03def\x01s\x01t\x01t\x04name\x04orig"

func TestRowsAreReadFromPackets(t *testing.T) {
	long := strings.Repeat("x", 300)
	c := answer(packets("\x02", definition, definition, "\xfe\x00\x00\x00\x00", "\x01a\xfb", "\x00\xfc\x2c\x01"+long, "\xfe\x00\x00\x00\x00"))
	defer c.Close()
	rows, err := c.All(t.Context(), "SELECT")
	if err != nil || len(rows) != 2 || rows[0][0].Value != "a" || rows[0][1].Valid || rows[1][0].Value != "" || !rows[1][0].Valid || rows[1][1].Value != long {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestErrorsOfServers(t *testing.T) {
	c := answer(packets("\xff\x7a\x04#42S02Table 'x' doesn't exist"))
	defer c.Close()
	_, err := c.Exec(t.Context(), "SELECT")
	if Code(err) != 1146 || !strings.Contains(err.Error(), "Table 'x'") || c.Broken() {
		t.Errorf("%v, broken: %v", err, c.Broken())
	}
	for name, sent := range map[string][]byte{
		"truncated header":    {1, 0},
		"truncated row":       packets("\x01", definition, "\xfe\x00\x00\x00\x00", "\x09abc"),
		"out of order":        {1, 0, 0, 9, 0},
		"nothing":             {},
		"empty packet":        packets(""),
		"a file nobody asked": packets("\xfbfile"),
	} {
		c := answer(sent)
		if rows, err := c.All(t.Context(), "SELECT"); err == nil || !c.Broken() {
			t.Errorf("%s: %v, %v, broken: %v", name, rows, err, c.Broken())
		}
		c.Close()
	}
}

func TestContextEndsWaiting(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	go io.Copy(io.Discard, server)
	c := &Conn{net: client, reader: bufio.NewReaderSize(client, readBuffer)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := c.Exec(ctx, "SELECT SLEEP(60)"); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(packets("\x01", definition, "\xfe\x00\x00\x00\x00", "\x01a", "\xfe\x00\x00\x00\x00"))
	f.Add(packets("\x00\x01\x00\x02\x00\x00\x00"))
	f.Add(packets("\xff\x7a\x04#42S02Table"))
	f.Fuzz(func(_ *testing.T, sent []byte) {
		c := &Conn{net: discard{}, reader: bufio.NewReaderSize(bytes.NewReader(sent), readBuffer)}
		_, _ = c.All(context.Background(), "SELECT")
		c = &Conn{net: discard{}, reader: bufio.NewReaderSize(bytes.NewReader(sent), readBuffer)}
		_, _ = c.Load(context.Background(), "LOAD", []byte("row\n"))
	})
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
func (discard) SetDeadline(time.Time) error { return nil }
