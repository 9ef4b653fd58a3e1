package s3_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/progress"
)

// hiding is a mask that changes names below users/, and nothing else.
type hiding struct{}

func (hiding) Digest() string { return "hiding" }

func (hiding) Rows(string, []datacopy.Column) (datacopy.RowMask, error) { return nil, nil }

func (hiding) Value(string, string) (datacopy.ValueMask, error) { return nil, nil }

func (hiding) Renames() bool { return true }

func (hiding) Name(_, key string) (string, bool) {
	who, person := strings.CutPrefix(key, "users/")
	if !person {
		return key, false
	}
	sum := sha256.Sum256([]byte(who))
	return "users/" + hex.EncodeToString(sum[:8]), true
}

// fillUsers puts in objects whose order masking destroys.
func (s *server) fillUsers(bucket string, count int) {
	s.t.Helper()
	for n := range count {
		s.put(bucket, fmt.Sprintf("users/ann-%02d@shop.test", n), fmt.Sprintf("picture %d", n))
	}
	s.put(bucket, "logo", "of nobody")
	s.putParts(bucket, "users/in parts", 5<<20, 6<<20)
}

func TestMasksNamesOfObjects(t *testing.T) {
	one, other := startServer(t), startServer(t)
	from := one.bucket("source")
	one.fillUsers("source", 20)
	want := map[string]string{}
	for key, all := range one.everything("source", "") {
		name, _ := hiding{}.Name("", key)
		want[name] = all
	}
	for _, to := range []*server{one, other} {
		req := datacopy.Request{From: from, To: to.bucket("target"), Mask: hiding{}}
		run(t, req, &datacopy.MemoryJournal{})
		if diff := cmp.Diff(want, to.everything("target", "")); diff != "" {
			t.Errorf("the copy differs (-want +got):\n%s", diff)
		}
	}
}

func TestReplacesWhatHasMaskedNames(t *testing.T) {
	server := startServer(t)
	req := datacopy.Request{From: server.bucket("source"), To: server.bucket("target"), Mask: hiding{}}
	server.fillUsers("source", 5)
	outcome := run(t, req, &datacopy.MemoryJournal{})
	server.put("target", "users/of an earlier copy", "old")
	server.put("target", "extra", "old")
	name, _ := hiding{}.Name("", "users/ann-03@shop.test")
	server.remove("target", name)
	report, err := s3.New().Verify(t.Context(), req, outcome.Plan, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range report.Units[0].Differences {
		got[d.Key] = d.What
	}
	want := map[string]string{"users/ann-03@shop.test": datacopy.Missing, "objects with masked names": "2 more than in the source"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	req.Replace = true
	if unit := run(t, req, &datacopy.MemoryJournal{}).Result.Units[0]; unit.Removed != 7 || unit.Count != 7 {
		t.Errorf("removed %d and sent %d objects, want 7 each: those of masked names, the extra one", unit.Removed, unit.Count)
	}
}

// TestGoesOnWithMaskedNames has the target that a crash leaves.
func TestGoesOnWithMaskedNames(t *testing.T) {
	one, other := startServer(t), startServer(t)
	req := datacopy.Request{From: one.bucket("source"), To: other.bucket("target"), Mask: hiding{}}
	one.fillUsers("source", 5)
	plan, err := s3.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.s3.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: ref("target"), Key: ref(".landfall-copy"), Body: strings.NewReader(""), Metadata: map[string]string{"plan": plan.ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2} {
		name, _ := hiding{}.Name("", fmt.Sprintf("users/ann-%02d@shop.test", n))
		other.put("target", name, fmt.Sprintf("picture %d", n))
	}
	journal := &datacopy.MemoryJournal{}
	if err := journal.Begin(plan); err != nil {
		t.Fatal(err)
	}
	if unit := run(t, req, journal).Result.Units[0]; unit.Skipped+unit.Repeated != 2 || unit.Count+int64(unit.Skipped) != 7 {
		t.Errorf("the copy that went on: %+v, want 2 of 7 known", unit)
	}
}

func TestMaskedNamesCannotBeChosen(t *testing.T) {
	server := startServer(t)
	req := datacopy.Request{From: server.bucket("source"), To: server.bucket("target"), Mask: hiding{}, Exclude: []string{"logo"}}
	plan, err := s3.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Blockers) != 1 {
		t.Errorf("the plan is stopped by %q", plan.Blockers)
	}
}
