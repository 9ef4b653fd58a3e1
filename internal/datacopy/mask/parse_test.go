package mask

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestWrongRulesAreRefused(t *testing.T) {
	const version = "version: landfall.dev/mask/v1\n"
	for name, tt := range map[string]struct{ text, want string }{
		"empty":            {"", "the file is empty"},
		"version":          {"version: v0\nrules: []", `version is "v0"`},
		"field":            {version + "rules: [{table: t, colums: {a: email}}]", "field colums not found"},
		"kind":             {version + "rules: [{table: t, columns: {a: mail}}]", `there is no kind "mail"`},
		"nothing":          {version + "rules: [{table: t}]", "rule 1: want columns or where"},
		"two":              {version + "rules: [{table: t, key: k, columns: {a: email}}]", "want one of table, key and object"},
		"fields of table":  {version + "rules: [{table: t, fields: {a: email}}]", "fields are of keys"},
		"value of table":   {version + "rules: [{table: t, columns: {a: email}, value: email}]", "value is of keys"},
		"where of key":     {version + "rules: [{key: k, where: x, value: empty}]", "columns and where are of tables"},
		"null of key":      {version + "rules: [{key: k, fields: {a: null}}]", "null is for columns"},
		"person of key":    {version + "rules: [{key: k, value: {date: {person: x}}}]", "person is for columns"},
		"path":             {version + "rules: [{key: k, value: {json: {'user.name': email}}}]", "is no JSONPath"},
		"path as column":   {version + "rules: [{table: t, columns: {$.a: email}}]", "paths belong into"},
		"glob":             {version + "rules: [{table: 't[', columns: {a: email}}]", "reading the pattern"},
		"json in json":     {version + "rules: [{key: k, value: {json: {$.a: {json: {$.b: email}}}}}]", "json inside json"},
		"days":             {version + "rules: [{table: t, columns: {a: {date: {days: 0}}}}]", "days must be"},
		"date field":       {version + "rules: [{table: t, columns: {a: {date: {day: 1}}}}]", `there is no field "day"`},
		"names of table":   {version + "rules: [{table: 'a*', names: [email]}]", "names are of keys and objects"},
		"too many names":   {version + "rules: [{key: 'a*', names: [email, hash]}]", "names are 2"},
		"name that merges": {version + "rules: [{key: 'a*', names: [firstName]}]", "makes names that were different the same"},
		"name of a class":  {version + "rules: [{key: 'a[0-9]*', names: [email]}]", "no wildcards but *"},
		"two kinds":        {version + "rules: [{table: t, columns: {a: {fixed: x, date: {}}}}]", "want a kind"},
		"same column":      {version + "rules: [{table: t, columns: {a: email, A: keep}}]", "comes twice"},
		"kind with value":  {version + "rules: [{table: t, columns: {a: {email: x}}}]", "takes nothing"},
		"second document":  {version + "rules: []\n---\nrules: []", "more than one document"},
		"columns as list":  {version + "rules: [{table: t, columns: [a]}]", "want NAME: KIND"},
		"not yaml":         {"\x00\x01{", "reading mask rules"},
		"larger than life": {version + strings.Repeat("#", maxDocument), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if fault.ClassOf(err) != fault.Invalid {
				t.Errorf("class %v", fault.ClassOf(err))
			}
		})
	}
}

func TestWhatWinsAmongNames(t *testing.T) {
	rules, err := Parse(strings.NewReader("version: landfall.dev/mask/v1\nrules: [{table: 't*', columns: {'*': empty, 'e*': hash, email: email, '*_email': keep}}]"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Kind{}
	for _, column := range []string{"EMAIL", "extra", "work_email", "note"} {
		got[column] = rules.Rules[0].Columns.find(column).Kind
	}
	want := map[string]Kind{"EMAIL": Email, "extra": Hash, "work_email": Keep, "note": Empty}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzParse: whatever is read either is an error or can be used.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/rules.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("version: landfall.dev/mask/v1\nrules: [{table: '*', columns: {'*': null}}]"))
	f.Add([]byte("rules: &a [*a]"))
	key := testKey(f, "correct horse battery staple")
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := Parse(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		for _, kind := range []datacopy.Kind{datacopy.MySQL, datacopy.Redis, datacopy.S3} {
			m, err := rules.For("db", kind, key)
			if err != nil {
				t.Fatal(err)
			}
			if rows, err := m.Rows("customers", customers); err == nil && rows != nil {
				if err := rows.Mask(row("1", "a", "b", "c@d", "1", "2", "1999-01-01", "{}", "s", "r", "basic", "1"), &datacopy.Scratch{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.Value("u", "user:1"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
