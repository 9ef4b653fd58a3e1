package s3_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/progress"
)

// run copies and verifies, and fails the test unless both sides are equal.
func run(t *testing.T, req datacopy.Request, journal datacopy.Journal) *datacopy.Outcome {
	t.Helper()
	outcome, err := datacopy.Run(t.Context(), s3.New(), req, journal, progress.Discard)
	if err != nil {
		if outcome != nil && outcome.Report != nil {
			for _, unit := range outcome.Report.Units {
				t.Logf("%s: %s %d/%d %+v %s", unit.Name, unit.Answer, unit.Count, unit.TargetCount, unit.Differences, unit.Cause)
			}
		}
		t.Fatal(err)
	}
	return outcome
}

func TestKeepsEverythingThatBelongsToAnObject(t *testing.T) {
	one, other := startServer(t), startServer(t)
	source := one.bucket("source/from/here/")
	count := one.fill("source", "from/here/")
	one.put("source", "elsewhere", "not meant")
	want := one.everything("source", "from/here/")
	tests := []struct {
		name   string
		to     *server
		target string
		prefix string
	}{
		{"on one server", one, "copied", ""},
		{"between servers", other, "copied", ""},
		{"below a prefix", other, "below/a/prefix/", "a/prefix/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := datacopy.Request{From: source, To: tt.to.bucket(tt.target)}
			outcome := run(t, req, &datacopy.MemoryJournal{})
			if sent, _, _ := outcome.Result.Totals(); sent != int64(count) {
				t.Errorf("sent %d objects, want %d", sent, count)
			}
			if len(outcome.Result.NotKept) > 0 {
				t.Errorf("not kept: %v", outcome.Result.NotKept)
			}
			got := tt.to.everything(req.To.Name(), tt.prefix)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the copy differs (-want +got):\n%s", diff)
			}
		})
	}
}
