package suggest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClosest(t *testing.T) {
	tests := map[string]struct {
		word       string
		candidates []string
		want       []string
	}{
		"a letter swapped":        {"wbe", []string{"worker", "web", "schema"}, []string{"web"}},
		"nothing is like it":      {"payments", []string{"web", "db"}, nil},
		"no candidates":           {"web", nil, nil},
		"nearest first":           {"1.4.2", []string{"1.4.12", "1.4.1", "2.0.0"}, []string{"1.4.1", "1.4.12"}},
		"the beginning of a name": {"1.4", []string{"1.4.0-rc.1-debian", "9"}, []string{"1.4.0-rc.1-debian"}},
		"capitals do not matter":  {"runbefore", []string{"runBefore", "resources"}, []string{"runBefore"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Closest(test.word, test.candidates, 2)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
