package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestAgainWithNothingChangedSendsNothing(t *testing.T) {
	one, other := startServer(t), startServer(t)
	req := datacopy.Request{From: one.bucket("source"), To: other.bucket("target")}
	count := one.fill("source", "")
	run(t, req, &datacopy.MemoryJournal{})
	req.Mode = datacopy.Incremental
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if unit := outcome.Result.Units[0]; unit.Count != 0 || unit.Skipped != count {
		t.Errorf("sent %d and skipped %d objects, want 0 and %d", unit.Count, unit.Skipped, count)
	}
}

func TestFindsAndMirrorsEveryDifference(t *testing.T) {
	server := startServer(t)
	req := datacopy.Request{From: server.bucket("source"), To: server.bucket("target")}
	server.fill("source", "")
	outcome := run(t, req, &datacopy.MemoryJournal{})
	server.put("target", "Folder/file", "another of another length")
	server.put("target", "folder/file", "CONTENTS of folder/file")
	server.put("target", "zzz/extra", "")
	server.put("target", " first", "")
	server.remove("target", "in parts")
	server.remove("target", "dash-")
	report, err := s3.New().Verify(t.Context(), req, outcome.Plan, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range report.Units[0].Differences {
		got[d.Key] = d.What
	}
	want := map[string]string{
		"Folder/file": datacopy.Changed, "folder/file": datacopy.Changed, "zzz/extra": datacopy.Extra, " first": datacopy.Extra,
		"in parts": datacopy.Missing, "dash-": datacopy.Missing,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	req.Mode, req.Delete = datacopy.Incremental, true
	unit := run(t, req, &datacopy.MemoryJournal{}).Result.Units[0]
	if unit.Count != 4 || unit.Removed != 2 {
		t.Errorf("sent %d and removed %d objects, want 4 and 2", unit.Count, unit.Removed)
	}
}

// TestSendsAgainOnlyWhatWasNotDone has the target that a crash leaves: its mark,
// what arrived, and what changed in the source since.
func TestSendsAgainOnlyWhatWasNotDone(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	for _, key := range []string{"arrived", "changed since", "never sent"} {
		one.put("source", key, "contents of "+key)
	}
	req := datacopy.Request{From: one.address("source"), To: other.bucket("target")}
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
	other.put("target", "arrived", "contents of arrived")
	other.put("target", "changed since", "what it was")
	journal := &datacopy.MemoryJournal{}
	if err := journal.Begin(plan); err != nil {
		t.Fatal(err)
	}
	unit := run(t, req, journal).Result.Units[0]
	if unit.Repeated != 1 || unit.Count != 2 || unit.Skipped != 1 {
		t.Errorf("the copy that went on: %+v, want one object sent again, one for the first time", unit)
	}
}

// passOn gives requests to a server.
func passOn(behind *server) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: behind.url.Host})
		r.Out.Host = r.In.Host // the signature names the host that was asked
	}}
}

// front passes requests on to a server, but for those that it answers itself.
func front(t *testing.T, behind *server, answer func(http.ResponseWriter, *http.Request) bool) *server {
	t.Helper()
	proxy := passOn(behind)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(gate.Close)
	shown := *behind
	at := *behind.url
	at.Host = strings.TrimPrefix(gate.URL, "http://")
	shown.url = &at
	return &shown
}

// TestNothingIsRemovedOnTheWordOfABadListing has the source's listing fail,
// lie, and end early.
func TestNothingIsRemovedOnTheWordOfABadListing(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	to := other.bucket("target")
	for i := range 20 {
		one.put("source", fmt.Sprintf("object/%02d", i), "contents")
		other.put("target", fmt.Sprintf("object/%02d", i), "contents")
	}
	const empty = `<?xml version="1.0"?><ListBucketResult><Name>source</Name><KeyCount>0</KeyCount><IsTruncated>%t</IsTruncated></ListBucketResult>`
	listing := func(r *http.Request) bool { return r.URL.Query().Get("list-type") == "2" }
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request) bool
		fails  bool
	}{
		{"it fails", func(w http.ResponseWriter, r *http.Request) bool {
			if listing(r) {
				http.Error(w, "no", http.StatusBadRequest)
			}
			return listing(r)
		}, true},
		{"it says that there is more and not where", func(w http.ResponseWriter, r *http.Request) bool {
			if listing(r) {
				fmt.Fprintf(w, empty, true)
			}
			return listing(r)
		}, true},
		{"it is empty, and the objects are there", func(w http.ResponseWriter, r *http.Request) bool {
			if listing(r) {
				fmt.Fprintf(w, empty, false)
			}
			return listing(r)
		}, false},
		{"the objects cannot be asked for", func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case listing(r):
				fmt.Fprintf(w, empty, false)
			case r.Method == http.MethodHead:
				w.WriteHeader(http.StatusForbidden)
			default:
				return false
			}
			return true
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var broken atomic.Bool
			gate := front(t, one, func(w http.ResponseWriter, r *http.Request) bool { return broken.Load() && tt.answer(w, r) })
			req := datacopy.Request{From: gate.address("source"), To: to, Mode: datacopy.Incremental, Delete: true}
			plan, err := s3.New().Plan(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			result, err := s3.New().Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard)
			if (err != nil) != tt.fails {
				t.Errorf("copying: %v", err)
			}
			if len(result.Units) > 0 && result.Units[0].Removed > 0 {
				t.Errorf("removed %d objects", result.Units[0].Removed)
			}
			if got := len(other.everything("target", "object/")); got != 20 {
				t.Errorf("%d of 20 objects are left", got)
			}
		})
	}
}

func TestLeavesTagsAwayWhereToldAndWhereDenied(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.put("source", "tagged", "contents")
	denying := front(t, one, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("tagging") {
			http.Error(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, http.StatusForbidden)
			return true
		}
		return false
	})
	told := datacopy.Request{From: one.address("source"), To: one.bucket("told"), Options: map[string]string{"tags": "false"}}
	if outcome := run(t, told, &datacopy.MemoryJournal{}); !strings.Contains(strings.Join(outcome.Plan.NotKept, " "), "tags") {
		t.Errorf("the plan keeps %v", outcome.Plan.NotKept)
	}
	denied := run(t, datacopy.Request{From: denying.address("source"), To: other.bucket("denied")}, &datacopy.MemoryJournal{})
	if !strings.Contains(strings.Join(denied.Result.NotKept, " "), "tags of 1 object") {
		t.Errorf("the result says of what is not kept: %v", denied.Result.NotKept)
	}
	for _, target := range []struct {
		server *server
		bucket string
	}{{one, "told"}, {other, "denied"}} {
		if got := target.server.everything(target.bucket, "")["tagged"]; !strings.HasSuffix(got, "map[]") || !strings.Contains(got, "owner:ann") {
			t.Errorf("%s: the object has %s", target.bucket, got)
		}
	}
}

// TestCopiesWhatChangesMeanwhileAsItIsThen writes an object between its listing
// and its turn.
func TestCopiesWhatChangesMeanwhileAsItIsThen(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.put("source", "steady", "contents")
	one.put("source", "moving", "what was listed")
	var writes atomic.Int64
	gate := front(t, one, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/moving") && !r.URL.Query().Has("tagging") && writes.Add(1) <= 2 {
			one.put("source", "moving", fmt.Sprintf("write %d", writes.Load()))
		}
		return false
	})
	run(t, datacopy.Request{From: gate.address("source"), To: other.bucket("target")}, &datacopy.MemoryJournal{})
	if writes.Load() < 3 {
		t.Errorf("the object was asked for %d times", writes.Load())
	}
	if diff := cmp.Diff(one.everything("source", ""), other.everything("target", "")); diff != "" {
		t.Errorf("the copy differs (-want +got):\n%s", diff)
	}
}

// TestTheServerGoesAndComesBack kills the target while objects are streamed.
func TestTheServerGoesAndComesBack(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.fill("source", one.bucket("source").Prefix())
	req := datacopy.Request{From: one.address("source"), To: other.bucket("target"), MaxBytesPerSecond: 8 << 20, Parallel: 4}
	away := storetest.During(func() {
		other.Kill()
		time.AfterFunc(300*time.Millisecond, other.Restart)
	})
	outcome, err := datacopy.Run(t.Context(), s3.New(), req, &datacopy.MemoryJournal{}, away)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Result.Retries == 0 {
		t.Error("the server was not missed")
	}
}

// TestNoPartsAreLeftLying stops a copy in the middle of an upload in parts.
func TestNoPartsAreLeftLying(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.putParts("source", "in parts", 5<<20, 21<<20)
	var parts atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	to := other.bucket("target")
	gate := front(t, other, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && r.URL.Query().Has("partNumber") && parts.Add(1) == 2 {
			cancel()
		}
		return false
	})
	req := datacopy.Request{From: one.address("source"), To: gate.address("target")}
	_, err := datacopy.Run(ctx, s3.New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the interrupted copy: %v", err)
	}
	out, failed := other.s3.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: ref(to.Name())})
	if failed != nil {
		t.Fatal(failed)
	}
	if len(out.Uploads) != 0 {
		t.Errorf("%d uploads are left after: %v", len(out.Uploads), err)
	}
}

func ref(text string) *string { return &text }

func (s *server) remove(bucket, key string) {
	s.t.Helper()
	if _, err := s.s3.DeleteObject(s.t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		s.t.Fatal(err)
	}
}
