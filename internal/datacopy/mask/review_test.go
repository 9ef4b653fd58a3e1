package mask

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// shop is a little of a shop's data: what is personal in it is known.
func shop() []datacopy.Sample {
	return []datacopy.Sample{
		{
			Unit: "customers",
			Columns: []datacopy.Column{
				{Name: "id", Type: "bigint(20)", Unique: true}, {Name: "name", Type: "varchar(80)"}, {Name: "contact", Type: "varchar(200)", Unique: true},
				{Name: "plan", Type: "varchar(20)"}, {Name: "settings", Type: "longtext"}, {Name: "birth_date", Type: "date"}, {Name: "seen_from", Type: "varchar(45)"},
			},
			Rows: [][][]byte{
				row("1", "Anna Sommer", "anna@shop.test", "gold", `{"lang":"en","friends":[{"mail":"b@shop.test","score":3}]}`, "1980-01-01", "10.0.0.1"),
				row("2", "Bo", "bo@shop.test", "basic", `{"lang":"de"}`, "1970-01-01", "2001:db8::1"),
			},
		},
		{
			Unit:    "orders",
			Columns: []datacopy.Column{{Name: "id", Type: "bigint(20)"}, {Name: "customer", Type: "bigint(20)", References: "customers.id"}, {Name: "item", Type: "varchar(100)"}, {Name: "paid_by", Type: "varchar(34)"}},
			Rows:    [][][]byte{row("1", "1", "lamp", "DE89370400440532013000"), row("2", "2", "rope", "4111 1111 1111 1111")},
		},
		{Unit: "stock", Columns: []datacopy.Column{{Name: "name", Type: "varchar(100)"}, {Name: "price", Type: "int(11)"}}, Rows: [][][]byte{row("lamp", "30")}},
	}
}

func TestFind(t *testing.T) {
	var got []string
	samples := append(shop(),
		datacopy.Sample{Unit: "db0", Key: "user:17", Columns: []datacopy.Column{{Name: "email"}, {Name: "n"}}, Rows: [][][]byte{row("anna@shop.test", "1")}},
		datacopy.Sample{Unit: "db0", Key: "stock:lamp", Columns: []datacopy.Column{{}}, Rows: [][][]byte{row("30")}},
	)
	for _, sample := range samples {
		for _, f := range Find("db", sample) {
			got = append(got, f.Place()+": "+string(f.Kind)+": "+f.Why)
		}
	}
	want := []string{
		"customers.name: name: the name of a person's table",
		"customers.contact: email: 2 of 2 values look like e-mail addresses",
		"customers.settings $.friends[*].mail: email: 1 of 1 values look like e-mail addresses",
		"customers.birth_date: date: its name",
		"customers.seen_from: pseudonym: 2 of 2 values look like IP addresses",
		"orders.paid_by: pseudonym: 1 of 2 values look like IBANs",
		"user:*.email: email: 1 of 1 values look like e-mail addresses",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFindShowsNoValues(t *testing.T) {
	for _, sample := range shop() {
		for _, f := range Find("db", sample) {
			if shown := f.Place() + f.Why; strings.Contains(shown, "shop.test") || strings.Contains(shown, "10.0") {
				t.Errorf("a value is shown: %s", shown)
			}
		}
	}
}

// TestDraftsAreComplete: what is suggested can be parsed, fits, and leaves
// nothing missing.
func TestDraftsAreComplete(t *testing.T) {
	var findings []Finding
	for _, sample := range shop() {
		findings = append(findings, Find("db", sample)...)
	}
	text, err := Draft(findings, map[string]datacopy.Kind{"db": datacopy.MySQL})
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(text), "draft.golden")
	review := reviewShop(t, string(text))
	if len(review.Missing) != 0 || len(review.Problems) != 0 || review.Covered != len(findings) {
		t.Errorf("missing %v, problems %v, covered %d of %d", review.Missing, review.Problems, review.Covered, len(findings))
	}
}

func reviewShop(t *testing.T, text string) *Review {
	t.Helper()
	rules, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := rules.For("db", datacopy.MySQL, testKey(t, "correct horse battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	review := NewReview("db", m)
	for _, sample := range shop() {
		if err := review.See(sample); err != nil {
			t.Fatal(err)
		}
	}
	review.Conclude()
	return review
}

func TestReview(t *testing.T) {
	review := reviewShop(t, `
version: landfall.dev/mask/v1
rules:
  - table: customers
    columns:
      id: pseudonym
      name: keep
      contact: email
      settings: {json: {"$.friends[*].score": empty}}
      birth_date: email
      emial: email
  - {table: clients, columns: {mail: email}}
  - {table: stock, columns: {cost: empty}}
`)
	var missing []string
	for _, f := range review.Missing {
		missing = append(missing, f.Place())
	}
	if diff := cmp.Diff([]string{"customers.settings $.friends[*].mail", "customers.seen_from", "orders.paid_by"}, missing); diff != "" {
		t.Errorf("missing: -want +got:\n%s", diff)
	}
	for _, want := range []string{
		"email does not fit its type date", "orders.customer refers to customers.id, which is masked otherwise",
		"the rule about tables clients fits nothing", "the rule about tables stock fits nothing",
		"the rule about tables customers names column emial, which is in none of them",
	} {
		if !slices.ContainsFunc(review.Problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("no problem says %q: %v", want, review.Problems)
		}
	}
	if len(review.Problems) != 5 {
		t.Errorf("%d problems: %v", len(review.Problems), review.Problems)
	}
}

func TestPathsCover(t *testing.T) {
	for path, covered := range map[string]bool{
		"$.a.b": true, "$.a": true, "$..b": true, "$.a.*": true, "$.*.b": true, "$": true, "$.a.c": false, "$.b": false, "$.a.b.c": false,
	} {
		rules, err := Parse(bytes.NewReader([]byte("version: landfall.dev/mask/v1\nrules: [{key: k, value: {json: {'" + path + "': empty}}}]")))
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.Rules[0].Value.covers("$.a.b"); got != covered {
			t.Errorf("%s covers $.a.b: %v", path, got)
		}
	}
}

func TestKeyPatterns(t *testing.T) {
	for key, want := range map[string]string{
		"user:17:cart": "user:*:cart", "stock:lamp": "stock:lamp", "s/2024/a[1].csv": "s/*/*.csv", "what?": `what\?`, "": "",
		"session:anna@shop.test": "session:*",
	} {
		if got := KeyPattern(key); got != want {
			t.Errorf("%q gives %q, not %q", key, got, want)
		}
	}
}
