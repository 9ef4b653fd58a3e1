package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/progress"
)

// TestNothingIsAskedTwice holds what a copy costs servers: most of its time is
// theirs, and all of it by the request.
func TestNothingIsAskedTwice(t *testing.T) {
	const objects = 25
	behind, other := startServer(t), startServer(t)
	behind.bucket("source")
	for n := range objects {
		bucket, key := "source", fmt.Sprintf("object/%02d", n)
		if _, err := behind.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(key)}); err != nil {
			t.Fatal(err)
		}
	}
	counts := &tally{}
	one, apart := front(t, behind, counts.add), front(t, other, counts.add)
	tests := []struct {
		name string
		to   datacopy.Address
		copy map[string]int
	}{
		{"on one server", one.bucket("target"), map[string]int{"COPY object": objects}},
		{"between servers", apart.bucket("target"), map[string]int{"GET object": objects, "PUT object": objects}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := datacopy.Request{From: one.address("source"), To: tt.to}
			for _, name := range []string{"HEAD mark", "PUT mark", "DELETE mark", "GET listing of source"} {
				tt.copy[name] = 1
			}
			counts.check(t, "a copy", tt.copy, func(plan *datacopy.Plan) error {
				_, err := s3.New().Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard)
				return err
			}, req)
			listings := map[string]int{"GET listing of source": 1, "GET listing of target": 1}
			req.Mode = datacopy.Incremental
			counts.check(t, "its verification", listings, func(plan *datacopy.Plan) error {
				report, err := s3.New().Verify(t.Context(), req, plan, nil, progress.Discard)
				if err != nil {
					return err
				}
				return report.Err()
			}, req)
			listings["HEAD mark"] = 1
			counts.check(t, "a copy of what did not change", listings, func(plan *datacopy.Plan) error {
				_, err := s3.New().Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard)
				return err
			}, req)
		})
	}
}

// tally counts requests by what they are about.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

// add is for front: it answers nothing by itself.
func (c *tally) add(_ http.ResponseWriter, r *http.Request) bool {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	what, method := "object", r.Method
	switch query := r.URL.Query(); {
	case strings.HasSuffix(key, ".landfall-copy"):
		what = "mark"
	case query.Get("list-type") == "2":
		what = "listing of " + bucket
	case key == "":
		what = "bucket"
	case query.Has("tagging"):
		what = "tags"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		method = "COPY"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[method+" "+what]++
	return false
}

// check plans, and then counts what is asked for by what is done.
func (c *tally) check(t *testing.T, doing string, want map[string]int, do func(*datacopy.Plan) error, req datacopy.Request) {
	t.Helper()
	c.reset()
	plan, err := s3.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	c.reset()
	if err := do(plan); err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
	if diff := cmp.Diff(want, c.reset()); diff != "" {
		t.Errorf("%s asks otherwise (-want +got):\n%s", doing, diff)
	}
}

// reset gives what was counted and begins anew.
func (c *tally) reset() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counted := c.counts
	c.counts = map[string]int{}
	return counted
}
