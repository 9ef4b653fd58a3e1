package triage

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

func questions() *Report {
	spec := &hostspec.Spec{}
	for _, name := range []string{"/opt/a", "/opt/b", "/opt/c"} {
		spec.Add(hostspec.File, name)
	}
	spec.Add(hostspec.Service, "worker", hostspec.Attribute{Name: "running", Value: hostspec.Bool(true)})
	spec.Sort()
	return Run(spec, BuiltIn())
}

func TestAsk(t *testing.T) {
	tests := []struct {
		name, typed string
		want        []hostspec.Decision
	}{
		{"one by one", "image: ours\n\nd!\nx\n\n", []hostspec.Decision{
			{Item: "service/worker", Class: "image", Reason: "ours"}, // then /opt/a stays open
			{Item: "file//opt/b", Class: "drop"}, {Item: "file//opt/c", Class: "drop"},
		}},
		{"wrong, then right", "bogus\np\nq\n", []hostspec.Decision{{Item: "service/worker", Class: "platform"}}},
		{"all of a group", "\ni!: vendor\n", []hostspec.Decision{
			{Item: "file//opt/a", Class: "image", Reason: "vendor"}, {Item: "file//opt/b", Class: "image", Reason: "vendor"}, {Item: "file//opt/c", Class: "image", Reason: "vendor"},
		}},
		{"the input ends", "s\n", []hostspec.Decision{{Item: "service/worker", Class: "store"}}},
		{"nobody there", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := Ask(t.Context(), questions(), strings.NewReader(tt.typed), &out)
			if diff := gocmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s\n%s", err, diff, out.String())
			}
		})
	}
}

func TestAskEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent := silence{make(chan struct{})}
	if _, err := Ask(ctx, questions(), silent, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// silence is an input on which nothing is ever typed.
type silence struct{ never chan struct{} }

func (s silence) Read([]byte) (int, error) { <-s.never; return 0, nil }
