package s3_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/progress"
)

// keepVersions turns the versioning of a bucket on.
func (s *server) keepVersions(bucket string) {
	s.t.Helper()
	_, err := s.s3.PutBucketVersioning(s.t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// histories gives the versions of each key, the oldest first: their ETags. IDs
// of this server are in the order of time.
func (s *server) histories(bucket string) map[string][]string {
	s.t.Helper()
	type version struct{ id, what string }
	found := map[string][]version{}
	input := &awss3.ListObjectVersionsInput{Bucket: &bucket}
	for {
		page, err := s.s3.ListObjectVersions(s.t.Context(), input)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, v := range page.Versions {
			found[*v.Key] = append(found[*v.Key], version{*v.VersionId, *v.ETag})
		}
		for _, m := range page.DeleteMarkers {
			found[*m.Key] = append(found[*m.Key], version{*m.VersionId, "deleted"})
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		input.KeyMarker, input.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	all := map[string][]string{}
	for key, versions := range found {
		slices.SortFunc(versions, func(a, b version) int { return strings.Compare(a.id, b.id) })
		for _, v := range versions {
			all[key] = append(all[key], v.what)
		}
	}
	return all
}

// fillVersions makes objects with histories.
func (s *server) fillVersions(bucket string) {
	s.t.Helper()
	s.keepVersions(bucket)
	s.put(bucket, "once", "only one")
	for i := range 5 {
		s.put(bucket, "often/a b+c", fmt.Sprintf("contents %d", i))
	}
	for _, key := range odd {
		s.put(bucket, key, "before")
		s.put(bucket, key, "after")
	}
	s.put(bucket, "gone", "was there")
	s.remove(bucket, "gone")
	s.put(bucket, "back", "was there")
	s.remove(bucket, "back")
	s.put(bucket, "back", "is there again")
	s.putParts(bucket, "parts", 5<<20, 6<<20)
	s.put(bucket, "parts", "one piece now")
}

func TestCopiesHistories(t *testing.T) {
	one, other := startServer(t), startServer(t)
	from := one.bucket("source")
	one.fillVersions("source")
	want := one.histories("source")
	if len(want["often/a b+c"]) != 5 {
		t.Fatalf("the server keeps %v", want)
	}
	for _, to := range []*server{one, other} {
		req := datacopy.Request{From: from, To: to.bucket("target"), Options: map[string]string{"versions": "true"}}
		to.keepVersions("target")
		run(t, req, &datacopy.MemoryJournal{})
		if diff := cmp.Diff(want, to.histories("target")); diff != "" {
			t.Errorf("histories (-source +target):\n%s", diff)
		}
		if want, got := one.everything("source", ""), to.everything("target", ""); !cmp.Equal(want, got) {
			t.Errorf("latest (-source +target):\n%s", cmp.Diff(want, got))
		}
	}
}

func TestAddsWhatAHistoryLacks(t *testing.T) {
	server := startServer(t)
	from := server.bucket("source")
	server.fillVersions("source")
	req := datacopy.Request{From: from, To: server.bucket("target"), Options: map[string]string{"versions": "true"}}
	server.keepVersions("target")
	run(t, req, &datacopy.MemoryJournal{})
	req.Mode = datacopy.Incremental
	if unit := run(t, req, &datacopy.MemoryJournal{}).Result.Units[0]; unit.Count != 0 {
		t.Errorf("sent %d objects of a bucket that did not change", unit.Count)
	}
	server.put("source", "often/a b+c", "contents 5")
	server.remove("source", "once")
	if unit := run(t, req, &datacopy.MemoryJournal{}).Result.Units[0]; unit.Count != 2 {
		t.Errorf("sent %d objects, want the 2 that changed", unit.Count)
	}
	server.put("target", "often/a b+c", "of the target alone")
	server.put("target", "extra", "of the target alone")
	plan, err := s3.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s3.New().Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard); err == nil {
		t.Error("another history was overwritten unasked")
	}
	req.Delete = true
	if unit := run(t, req, &datacopy.MemoryJournal{}).Result.Units[0]; unit.Count != 1 || unit.Removed != 1 {
		t.Errorf("sent %d and removed %d, want one each", unit.Count, unit.Removed)
	}
	if diff := cmp.Diff(server.histories("source"), server.histories("target")); diff != "" {
		t.Errorf("histories (-source +target):\n%s", diff)
	}
}

// TestALostAnswerMakesNoVersion has the target write and the answer not come.
func TestALostAnswerMakesNoVersion(t *testing.T) {
	one, other := startServer(t), startServer(t)
	from := one.bucket("source")
	one.fillVersions("source")
	other.bucket("target")
	other.keepVersions("target")
	var writes atomic.Int64
	gate := front(t, other, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "often") || writes.Add(1) != 3 {
			return false
		}
		passOn(other).ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	req := datacopy.Request{From: from, To: gate.address("target"), Options: map[string]string{"versions": "true"}}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if outcome.Result.Retries == 0 {
		t.Error("no answer was lost")
	}
	if diff := cmp.Diff(one.histories("source"), other.histories("target")); diff != "" {
		t.Errorf("histories (-source +target):\n%s", diff)
	}
}

func TestHistoriesNeedABucketThatKeepsThem(t *testing.T) {
	server := startServer(t)
	req := datacopy.Request{From: server.bucket("source"), To: server.bucket("target"), Options: map[string]string{"versions": "true"}}
	plan, err := s3.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Blockers) != 1 || !strings.Contains(plan.Blockers[0], "versioning") {
		t.Errorf("the plan is stopped by %q", plan.Blockers)
	}
}
