package mask

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

const rulesOfNames = `version: landfall.dev/mask/v1
rules:
  - {key: "user:keep:*", value: empty}
  - {key: "user:*", names: [email], fields: {email: email}}
  - {key: "cart:*:of:*", names: [keep, pseudonym]}
`

func nameMaskOf(t *testing.T, text string) *Mask {
	t.Helper()
	rules, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey([]byte("a key for tests of names"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := rules.For("cache", datacopy.Redis, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNamesOfKeys(t *testing.T) {
	m := nameMaskOf(t, rulesOfNames)
	for _, tt := range []struct{ key, want string }{
		{"other", `^other$`},
		{"user:keep:ann@shop.test", `^user:keep:ann@shop\.test$`},
		{"user:ann@shop.test", `^user:[a-z][0-9a-z]{12}@example\.com$`},
		{"user:Ann@shop.test", `^user:[a-z][0-9a-z]{12}@example\.com-[0-9a-z]{8}$`},
		{"user:", `^user:$`},
		{"cart:7:of:4711", `^cart:7:of:[0-9]{4}$`},
		{"cart:a:of:b:of:c\xff\n", `(?s)^cart:a:of:.+$`},
	} {
		got, _ := m.Name("db0", tt.key)
		if !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%q becomes %q, want %s", tt.key, got, tt.want)
		}
		if again, _ := m.Name("db1", tt.key); again != got {
			t.Errorf("%q becomes %q, then %q", tt.key, got, again)
		}
	}
	if m.Renames() != true || nameMaskOf(t, "version: landfall.dev/mask/v1\nrules: [{key: a, value: empty}]").Renames() {
		t.Error("what renames is not known")
	}
}

// The address in a name is that in a field.
func TestNamesAreThePseudonymsOfValues(t *testing.T) {
	m := nameMaskOf(t, rulesOfNames)
	name, _ := m.Name("db0", "user:ann@shop.test")
	fields, err := m.Value("db0", "user:ann@shop.test")
	if err != nil {
		t.Fatal(err)
	}
	value, err := fields.Mask("email", []byte("Ann@shop.test"), &datacopy.Scratch{})
	if err != nil || name != "user:"+string(value) {
		t.Errorf("the name is %q, the field %q, %v", name, value, err)
	}
}

func TestAddressesInNamesAreFoundAndDrafted(t *testing.T) {
	const key = "cart:7:ann.lee@shop.test:open"
	sample := datacopy.Sample{Unit: "db0", Key: key, Columns: []datacopy.Column{{}}}
	found := Find("cache", sample)
	want := []Finding{{Store: "cache", Unit: "db0", Key: "cart:*:*:open", Star: 2, Kind: Email, Why: "e-mail addresses in names"}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	draft, err := Draft(found, map[string]datacopy.Kind{"cache": datacopy.Redis})
	if err != nil {
		t.Fatal(err)
	}
	m := nameMaskOf(t, string(draft))
	if name, _ := m.Name("db0", key); !regexp.MustCompile(`^cart:7:[0-9a-z]{13}@example\.com:open$`).MatchString(name) {
		t.Errorf("under the drafted rules %q becomes %q:\n%s", key, name, draft)
	}
	for text, missing := range map[string]int{string(draft): 0, "version: landfall.dev/mask/v1\nrules: [{key: 'cart:*', value: empty}]": 1} {
		review := NewReview("cache", nameMaskOf(t, text))
		if err := review.See(sample); err != nil || len(review.Missing) != missing {
			t.Errorf("under %s: %+v, %v; want %d missing", text, review.Missing, err, missing)
		}
	}
}

func TestNamesOfObjectsAreMaskedLikeKeys(t *testing.T) {
	const key = "users/ann.lee@shop.test/photo.jpg"
	found := Find("media", datacopy.Sample{Unit: "media", Key: key, Columns: []datacopy.Column{{}}})
	draft, err := Draft(found, map[string]datacopy.Kind{"media": datacopy.S3})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := Parse(strings.NewReader(string(draft)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, draft)
	}
	secret, err := NewKey([]byte("a key for tests of names"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := rules.For("media", datacopy.S3, secret)
	if err != nil {
		t.Fatal(err)
	}
	name, renamed := m.Name("media", key)
	if !renamed || !m.Renames() || !regexp.MustCompile(`^users/[0-9a-z]{13}@example\.com/photo\.jpg$`).MatchString(name) {
		t.Errorf("%q becomes %q under\n%s", key, name, draft)
	}
	if value, err := m.Value("media", key); value != nil || err != nil {
		t.Errorf("a rule about names changes contents: %v, %v", value, err)
	}
}

// Two keys that become one lose data.
func FuzzNamesStayDifferent(f *testing.F) {
	f.Add("ann@shop.test", "Ann@shop.test")
	f.Add("4711", "04711")
	f.Add("<ann@shop.test>", "ann@shop.test")
	f.Add("Anna <ann@shop.test>", "<ann@shop.test>")
	f.Add(" a", "a")
	f.Add("0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e")
	rules, err := Parse(strings.NewReader("version: landfall.dev/mask/v1\nrules: [{key: 'e:*', names: [email]}, {key: 'p:*', names: [pseudonym]}]"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := NewKey([]byte("a key for tests of names"))
	if err != nil {
		f.Fatal(err)
	}
	m, err := rules.For("cache", datacopy.Redis, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b {
			return
		}
		for _, prefix := range []string{"e:", "p:"} {
			nameA, _ := m.Name("db0", prefix+a)
			if nameB, _ := m.Name("db0", prefix+b); nameA == nameB {
				t.Errorf("%q and %q both become %q", prefix+a, prefix+b, nameA)
			}
		}
	})
}
