package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stamp is the i-th of many times, several of which share a nanosecond.
func stamp(i int) time.Time {
	return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC).Add(time.Duration(i/3) * 100 * time.Millisecond)
}

func stampedLog(from, to int) string {
	var log strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&log, "%s line %d\n", stamp(i).Format("2006-01-02T15:04:05.000000000Z"), i)
	}
	return log.String()
}

func drain(t *testing.T, s *Stamped) (texts []string, err error) {
	t.Helper()
	for {
		b, err := s.Next()
		if err != nil {
			return texts, err
		}
		for _, l := range b.Lines {
			texts = append(texts, string(l.Text))
		}
	}
}

// since cuts a log as the kubelet does: whole lines not before the time.
func since(log string, at time.Time) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if stamp, _, _ := strings.Cut(line, " "); stamp >= at.Format("2006-01-02T15:04:05.000000000Z") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// TestStampedResumesAtEveryByte breaks the stream behind every byte and goes
// on: each line comes exactly once, lines of one nanosecond included.
func TestStampedResumesAtEveryByte(t *testing.T) {
	const n = 60
	log := stampedLog(0, n)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	broken := errors.New("broken")
	for at := range len(log) {
		first := NewStamped(io.MultiReader(strings.NewReader(log[:at]), iotest.ErrReader(broken)), &Origin{}, StampedOptions{})
		got, err := drain(t, first)
		if !errors.Is(err, broken) {
			t.Fatalf("broken at %d: %v", at, err)
		}
		position := first.Position()
		rest := log
		if position.Begun() {
			rest = since(log, position.Since())
		}
		more, err := drain(t, NewStamped(strings.NewReader(rest), &Origin{}, StampedOptions{Fill: true, From: position}))
		if !errors.Is(err, io.EOF) {
			t.Fatalf("resumed at %d: %v", at, err)
		}
		if diff := cmp.Diff(want, append(got, more...)); diff != "" {
			t.Fatalf("broken at byte %d (-want +got):\n%s", at, diff)
		}
	}
}

func TestStampedMarksGapAfterRotation(t *testing.T) {
	first := NewStamped(strings.NewReader(stampedLog(0, 10)), &Origin{}, StampedOptions{Fill: true})
	drain(t, first)
	got, _ := drain(t, NewStamped(strings.NewReader(stampedLog(40, 42)), &Origin{}, StampedOptions{Fill: true, From: first.Position()}))
	want := []string{"lines may be missing: the log was rotated or replaced between 10:00:00.300 and 10:00:01.300", "line 40", "line 41"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStampedResumesInsideRotatedSecond(t *testing.T) {
	first := NewStamped(strings.NewReader(stampedLog(0, 10)), &Origin{}, StampedOptions{Fill: true})
	drain(t, first)
	// The new file begins within the second, before what was seen last.
	got, _ := drain(t, NewStamped(strings.NewReader(stampedLog(6, 14)), &Origin{}, StampedOptions{Fill: true, From: first.Position()}))
	if diff := cmp.Diff([]string{"line 12", "line 13"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStampedForms(t *testing.T) {
	long := strings.Repeat("x", MaxLine*2+10)
	tests := map[string]struct {
		log  string
		want []string
	}{
		"empty":              {"", nil},
		"no last newline":    {"2026-11-21T10:00:00.000000001Z a", []string{"1 a"}},
		"empty text":         {"2026-11-21T10:00:00.000000001Z \n2026-11-21T10:00:00.000000002Z\n", []string{"1 ", "2 "}},
		"local time":         {"2026-11-21T11:00:00.000000001+01:00 a\n", []string{"1 a"}},
		"kubelet's remark":   {"2026-11-21T10:00:00.000000007Z a\nunable to read\n", []string{"7 a", "7 the node says: unable to read"}},
		"carriage returns":   {"2026-11-21T10:00:00.000000001Z a\rb\r\n", []string{"1 a\rb\r"}},
		"giant line":         {"2026-11-21T10:00:00.000000003Z " + long + "\n2026-11-21T10:00:00.000000004Z b\n", []string{"3 " + long, "4 b"}},
		"not UTF-8 and NULs": {"2026-11-21T10:00:00.000000001Z \xff\x00\n", []string{"1 \xff\x00"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(test.log), iotest.OneByteReader(strings.NewReader(test.log))} {
				if name == "giant line" {
					src = iotest.HalfReader(strings.NewReader(test.log))
				}
				s := NewStamped(src, &Origin{}, StampedOptions{})
				var got []string
				for {
					b, err := s.Next()
					if err != nil {
						break
					}
					for _, l := range b.Lines {
						if n := len(got); n > 0 && l.At == 1795255200000000003 {
							got[n-1] += string(l.Text) // pieces of the giant
							continue
						}
						got = append(got, fmt.Sprintf("%d %s", l.At%1000, l.Text))
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestStampedGrepStillCountsLines(t *testing.T) {
	keep := func(_ int64, text []byte) bool { return bytes.HasSuffix(text, []byte("7")) }
	s := NewStamped(strings.NewReader(stampedLog(0, 30)), &Origin{}, StampedOptions{Keep: keep, Fill: true})
	got, _ := drain(t, s)
	if diff := cmp.Diff([]string{"line 7", "line 17", "line 27"}, got); diff != "" {
		t.Error(diff)
	}
	if got, want := s.Position().Last, stamp(29).UnixNano(); got != want {
		t.Errorf("position at %d, want %d", got, want)
	}
}

func FuzzStamped(f *testing.F) {
	f.Add([]byte(stampedLog(0, 5)), 7)
	f.Add([]byte("\n\n2026-11-21T10:00:00.00000000xZ a\n"), 1)
	f.Add([]byte("0001-01-01T00:00:00.000000000Z a\n9999-12-31T23:59:59.999999999Z b"), 3)
	f.Fuzz(func(t *testing.T, log []byte, size int) {
		size = max(1, min(size, 1<<16))
		origin := &Origin{}
		whole := NewStamped(bytes.NewReader(log), origin, StampedOptions{Fill: true})
		pieces := NewStamped(&smallReader{bytes.NewReader(log), size}, origin, StampedOptions{})
		a, _ := drain(t, whole)
		b, _ := drain(t, pieces)
		if len(log) < MaxLine {
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("reading in pieces of %d changes the lines:\n%s", size, diff)
			}
		}
	})
}

type smallReader struct {
	r    io.Reader
	size int
}

func (s *smallReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.size)]) }

func TestClockAgreesWithTime(t *testing.T) {
	var c Clock
	for _, s := range []string{
		"2026-11-21T10:00:00.123456789Z", "2026-11-21T10:00:00.000000000Z", "1970-01-01T00:00:00.000000000Z",
		"2026-02-30T10:00:00.000000000Z", "2026-11-21T10:00:00.5Z", "2026-11-21T10:00:00+05:30", "2026-11-21 10:00:00Z", "",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		got, ok := c.Parse([]byte(s))
		if ok != (err == nil) || ok && got != want.UnixNano() {
			t.Errorf("Parse(%q) = %d, %v; time says %v, %v", s, got, ok, want, err)
		}
	}
}

func BenchmarkStamped(b *testing.B) {
	log := []byte(stampedLog(0, 3000))
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		s := NewStamped(bytes.NewReader(log), &Origin{}, StampedOptions{Fill: true})
		for {
			batch, err := s.Next()
			if err != nil {
				break
			}
			batch.Release()
		}
	}
}
