package mask

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

func testScratch(t testing.TB) *scratch {
	p, err := newPRF(testKey(t, "correct horse battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	return p.of(&datacopy.Scratch{})
}

// TestNumbersArePermuted: all numbers of three digits and more come out once,
// and none leaves what its type takes.
func TestNumbersArePermuted(t *testing.T) {
	s := testScratch(t)
	seen := make([]bool, 70000)
	for x := range uint64(65536) {
		y := s.number(x)
		if seen[y] {
			t.Fatalf("%d is the pseudonym of two numbers", y)
		}
		seen[y] = true
		if x <= 127 && y > 127 || x <= 255 && y > 255 || x <= 32767 && y > 32767 || y > 65535 {
			t.Fatalf("%d became %d, which does not fit its type", x, y)
		}
		if len(strconv.FormatUint(x, 10)) != len(strconv.FormatUint(y, 10)) {
			t.Fatalf("%d became %d", x, y)
		}
	}
	for _, x := range []uint64{1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		y := s.number(x)
		if y == x || x <= 1<<31-1 && y > 1<<31-1 || x <= 1<<32-1 && y > 1<<32-1 || x <= 1<<63-1 && y > 1<<63-1 {
			t.Errorf("%d became %d", x, y)
		}
	}
}

func TestDigitStringsArePermuted(t *testing.T) {
	s := testScratch(t)
	seen := map[string]bool{}
	for i := range 10000 {
		digits := []byte(strconv.Itoa(10000 + i)[1:])
		s.scramble(digits)
		if len(digits) != 4 || seen[string(digits)] {
			t.Fatalf("%04d became %s a second time", i, digits)
		}
		seen[string(digits)] = true
	}
}

func TestPseudonymsKeepTheirForm(t *testing.T) {
	s := testScratch(t)
	for _, tt := range []struct{ value, form string }{
		{"7", "9"}, {"-128", "-999"}, {"00123", "00999"}, {"12.50", "99.99"}, {"0.05", "0.09"}, {"-3.1", "-9.9"},
		{"123456789012345678901234567890", "999999999999999999999999999999"},
		{"8F14E45F-ceea-467f-a0e6-1234567890ab", "uuid"}, {"Anna", "token"}, {"\xff\x00\x01", "raw"},
	} {
		got := pseudonym(s, nil, []byte(tt.value), nil)
		if string(got) == tt.value && len(bytes.Trim(got, "0.")) > 1 {
			t.Errorf("%q stayed as it is", tt.value)
		}
		if form := formOf(got, tt.value); form != tt.form {
			t.Errorf("%q became %q: form %q, not %q", tt.value, got, form, tt.form)
		}
	}
}

// formOf describes a pseudonym; leading zeros count as what they are.
func formOf(got []byte, value string) string {
	switch {
	case isUUID(got):
		return "uuid"
	case !utf8.ValidString(value) && len(got) == len(value):
		return "raw"
	case len(got) == tokenLength && got[0] >= 'a':
		return "token"
	}
	form := bytes.Clone(got)
	for i, c := range form {
		if c >= '0' && c <= '9' && !(i < len(value) && value[i] == '0' && c == '0') {
			form[i] = '9'
		}
	}
	return string(form)
}

func TestCardsAreValid(t *testing.T) {
	s := testScratch(t)
	for range 1000 {
		digits := []byte(strconv.FormatUint(4e15+rand.Uint64N(1e15), 10))
		digits[15] = luhn(digits[:15])
		got := card(s, nil, digits, nil)
		if len(got) != 16 || luhn(got[:15]) != got[15] || !bytes.Equal(got[:6], digits[:6]) {
			t.Fatalf("%s became %s", digits, got)
		}
	}
}

func TestDates(t *testing.T) {
	s := testScratch(t)
	move := dateChanger(30, firstTimestamp, lastTimestamp)
	for range 2000 {
		at := firstTimestamp.AddDate(0, 0, rand.IntN(24800))
		person := []byte(strconv.Itoa(rand.Int()))
		value := at.AppendFormat(nil, "2006-01-02 15:04:05")
		got, err := time.Parse("2006-01-02 15:04:05", string(move(s, nil, value, person)))
		if err != nil {
			t.Fatal(err)
		}
		days := int(got.Sub(at).Hours() / 24)
		if days == 0 || days < -30 || days > 30 || got.Before(firstTimestamp) || got.After(lastTimestamp.AddDate(0, 0, 1)) {
			t.Fatalf("%s of %s became %s", value, person, got)
		}
		unix := strconv.AppendInt(nil, at.Unix(), 10)
		moved, err := strconv.ParseInt(string(move(s, nil, unix, person)), 10, 64)
		if len(unix) >= 9 && (err != nil || moved != got.Unix() && moved < 1<<31-30*day) {
			t.Fatalf("%s of %s became %d, not %d (%v)", unix, person, moved, got.Unix(), err)
		}
	}
	for value, want := range map[string]string{"": "", "soon": "", "2020-13-01": "", "0000-00-00 00:00:00": "0000-00-00 00:00:00", "2020-00-00": ""} {
		if got := move(s, nil, []byte(value), nil); string(got) != want {
			t.Errorf("%q became %q", value, got)
		}
	}
}

// FuzzChange: any value under any kind gives a value, the same one each time,
// without touching what it is made of, and JSON stays JSON.
func FuzzChange(f *testing.F) {
	for _, seed := range []string{"", "4711", "+49 (0) 170/1", "4111111111111111", "2020-02-29T10:00:00Z", `{"a":[{"b":"x"},1e400,{}]}`, "\xff", "Ünal", "-9223372036854775808", "0.0.0"} {
		f.Add([]byte(seed))
	}
	s := testScratch(f)
	changes := map[Kind]changer{}
	for _, kind := range []Kind{Pseudonym, Email, Phone, Card, Date, Name, Empty, Hash} {
		change, err := changerOf(Action{Kind: kind, Days: 10})
		if err != nil {
			f.Fatal(err)
		}
		changes[kind] = change
	}
	for kind, paths := range map[Kind]string{"all": "{$..*: pseudonym}", "root": "{$: email}", "slice": "{'$.a[::2]': null, '$.*.b': {date: {days: 3}}}"} {
		var action Action
		if err := yaml.Unmarshal([]byte("json: "+paths), &action); err != nil {
			f.Fatal(err)
		}
		change, err := changerOf(action)
		if err != nil {
			f.Fatal(err)
		}
		changes[kind] = change
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		for kind, change := range changes {
			got := change(s, []byte("#"), value, nil)
			if got[0] != '#' || !bytes.Equal(before, value) {
				t.Fatalf("%s wrote where it must not", kind)
			}
			if again := change(s, []byte("#"), value, nil); !bytes.Equal(got, again) {
				t.Fatalf("%s made %q and %q of the same", kind, got, again)
			}
			if (kind == "all" || kind == "root" || kind == "slice") && len(value) > 0 && !json.Valid(got[1:]) {
				t.Fatalf("%s made %q", kind, got)
			}
		}
	})
}
