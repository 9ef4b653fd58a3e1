package mask

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

var customers = []datacopy.Column{
	{Name: "id", Type: "bigint(20)", Unique: true}, {Name: "Firstname", Type: "varchar(40)"}, {Name: "nickname", Type: "varchar(40)"},
	{Name: "email", Type: "varchar(60)", Unique: true}, {Name: "phone", Type: "varchar(30)"}, {Name: "card", Type: "char(19)"},
	{Name: "born", Type: "date", Nullable: true}, {Name: "profile", Type: "json"}, {Name: "secret", Type: "char(16)"},
	{Name: "remark", Type: "text"}, {Name: "plan", Type: "enum('basic','gold')"}, {Name: "visits", Type: "int(11)"},
}

func testKey(t testing.TB, secret string) Key {
	t.Helper()
	key, err := NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testMask(t testing.TB, store string, kind datacopy.Kind) *Mask {
	t.Helper()
	file, err := os.Open("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rules, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := rules.For(store, kind, testKey(t, "correct horse battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func row(values ...string) [][]byte {
	cells := make([][]byte, len(values))
	for i, value := range values {
		if value != "NULL" {
			cells[i] = []byte(value)
		}
	}
	return cells
}

// TestRows pins what becomes of a row: pseudonyms must stay the same from
// version to version, or copies of different times no longer fit together.
func TestRows(t *testing.T) {
	rows, err := testMask(t, "db", datacopy.MySQL).Rows("Customers", customers)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	scratch := &datacopy.Scratch{}
	for _, cells := range [][][]byte{
		row("4711", "Anna Sommer", "annie", "Anna@Shop.test", "+49 170 123-456", "4111 1111 1111 1111", "1980-02-29", `{"street":"Hill 1","mails":["anna@shop.test"],"visits":12,"note":"vip","x":1.50}`, "hunter2", "likes tea", "gold", "7"),
		row("4712", "Änne", "ä", " anna@shop.test ", "0170/123456", "371449635398431", "NULL", `not json`, "", "", "basic", "0"),
		row("0", "", "", "", "", "12", "0000-00-00", "NULL", "NULL", "NULL", "NULL", "NULL"),
	} {
		before := bytes.Join(cells, []byte("|"))
		original := append([][]byte(nil), cells...)
		scratch.Reset()
		if err := rows.Mask(cells, scratch); err != nil {
			t.Fatal(err)
		}
		if after := bytes.Join(original, []byte("|")); !bytes.Equal(before, after) {
			t.Errorf("the row's own bytes were written to: %s", after)
		}
		for i, cell := range cells {
			text := "NULL"
			if cell != nil {
				text = fmt.Sprintf("%q", cell)
			}
			fmt.Fprintf(&out, "%s: %s\n", customers[i].Name, text)
		}
		out.WriteString("\n")
	}
	golden.Assert(t, out.String(), "rows.golden")
}

// TestJoinsStayIntact: the same person is the same in another table, as another
// type, in another store and behind another scratch; another key makes another.
func TestJoinsStayIntact(t *testing.T) {
	m := testMask(t, "db", datacopy.MySQL)
	people, err := m.Rows("customers", customers)
	if err != nil {
		t.Fatal(err)
	}
	orders, err := m.Rows("orders", []datacopy.Column{
		{Name: "customer", Type: "varchar(20)"}, {Name: "ordered", Type: "datetime(6)"}, {Name: "remark", Type: "text", Nullable: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	person := row("4711", "Anna", "a", "anna@shop.test", "1", "1", "2000-01-01", "{}", "s", "r", "basic", "1")
	order := row("4711", "2000-01-01 10:11:12.000001", "call her")
	if err := people.Mask(person, &datacopy.Scratch{}); err != nil {
		t.Fatal(err)
	}
	if err := orders.Mask(order, &datacopy.Scratch{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(person[0], order[0]) {
		t.Errorf("customer %s has an order of %s", person[0], order[0])
	}
	if want := string(person[6]) + " 10:11:12.000001"; string(order[1]) != want {
		t.Errorf("the person's dates moved differently: %s and %s", person[6], order[1])
	}
	if order[2] != nil {
		t.Errorf("remark is %q, not NULL", order[2])
	}
	user, err := testMask(t, "cache", datacopy.Redis).Value("db0", "user:4711")
	if err != nil {
		t.Fatal(err)
	}
	got, err := user.Mask("email", []byte("ANNA@shop.test"), &datacopy.Scratch{})
	if err != nil || !bytes.Equal(got, person[3]) {
		t.Errorf("the cache knows her as %s, the database as %s (%v)", got, person[3], err)
	}
}

func TestValues(t *testing.T) {
	cache := testMask(t, "cache", datacopy.Redis)
	for key, masked := range map[string]bool{"user:1": true, "session:a/b\xff": true, "stock:lamp": false, "xsession:1": false} {
		value, err := cache.Value("db0", key)
		if err != nil || (value != nil) != masked {
			t.Errorf("%q: masked %v, want %v (%v)", key, value != nil, masked, err)
		}
	}
	session, err := cache.Value("db0", "session:1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := session.Mask("", []byte(`{"user":{"name":"Anna"},"n":12345678901234567890}`), &datacopy.Scratch{})
	if err != nil || bytes.Contains(got, []byte("Anna")) || !bytes.Contains(got, []byte(`"n":12345678901234567890`)) {
		t.Errorf("got %s (%v)", got, err)
	}
}

func TestRulesThatDoNotFit(t *testing.T) {
	for name, tt := range map[string]struct{ columns, column, want string }{
		"type":         {"{c: email}", "int(11)", "email does not fit its type int(11)"},
		"null":         {"{c: null}", "text", "it cannot be NULL"},
		"unique name":  {"{c: name}", "varchar(50) unique", "makes different values the same"},
		"unique short": {"{c: email}", "varchar(20) unique", "too few for email"},
		"unique fixed": {"{c: {fixed: x}}", "varchar(20) unique", "cannot hold the same text twice"},
		"long fixed":   {"{c: {fixed: abcdef}}", "varchar(5)", "longer than its 5"},
		"person":       {"{c: {date: {person: who}}}", "date", "person column who does not exist"},
		"spatial":      {"{c: pseudonym}", "point", "does not fit its type point"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := Parse(strings.NewReader("version: landfall.dev/mask/v1\nrules: [{table: t, columns: " + tt.columns + "}]"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := rules.For("db", datacopy.MySQL, testKey(t, "correct horse battery staple"))
			if err != nil {
				t.Fatal(err)
			}
			declared, unique := strings.CutSuffix(tt.column, " unique")
			_, err = m.Rows("t", []datacopy.Column{{Name: "c", Type: declared, Unique: unique}})
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.ClassOf(err) != fault.Invalid {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDigestTellsMasksApart(t *testing.T) {
	one, other := testMask(t, "db", datacopy.MySQL), testMask(t, "db", datacopy.MySQL)
	if one.Digest() != other.Digest() || one.Digest() == "" {
		t.Errorf("the same rules and key have the digests %q and %q", one.Digest(), other.Digest())
	}
	if cache := testMask(t, "cache", datacopy.Redis); cache.Digest() == one.Digest() {
		t.Error("other rules have the same digest")
	}
	rules, err := Parse(strings.NewReader("version: landfall.dev/mask/v1\nrules: [{table: t, columns: {c: email}}]"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := rules.For("db", datacopy.MySQL, testKey(t, "correct horse battery staple"))
	b, _ := rules.For("db", datacopy.MySQL, testKey(t, "incorrect horse battery staple"))
	if a.Digest() == b.Digest() {
		t.Error("another key has the same digest")
	}
}

func TestKeys(t *testing.T) {
	if _, err := NewKey([]byte(" short \n")); fault.ClassOf(err) != fault.Invalid || strings.Contains(err.Error(), "short") {
		t.Errorf("a short secret gave %v", err)
	}
	key := testKey(t, "correct horse battery staple\n")
	if key.Fingerprint() != testKey(t, "correct horse battery staple").Fingerprint() {
		t.Error("the line's end counts")
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(form, key); shown != "[mask key]" {
			t.Errorf("%s shows %s", form, shown)
		}
	}
	rules, err := Parse(strings.NewReader("version: landfall.dev/mask/v1\nrules: [{table: t, columns: {c: email}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rules.For("db", datacopy.MySQL, Key{}); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("pseudonyms without a key gave %v", err)
	}
}

func BenchmarkRow(b *testing.B) {
	rows, err := testMask(b, "db", datacopy.MySQL).Rows("customers", customers)
	if err != nil {
		b.Fatal(err)
	}
	from := row("4711", "Anna Sommer", "annie", "anna@shop.test", "+49 170 123-456", "4111 1111 1111 1111", "1980-02-29", "", "hunter2", "likes tea", "gold", "7")
	cells := make([][]byte, len(from))
	scratch := &datacopy.Scratch{}
	b.ReportAllocs()
	for b.Loop() {
		copy(cells, from)
		scratch.Reset()
		if err := rows.Mask(cells, scratch); err != nil {
			b.Fatal(err)
		}
	}
}
