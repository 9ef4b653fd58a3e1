package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestSaysWhichKeyIsWrong(t *testing.T) {
	server := startServer(t)
	right := server.bucket("source")
	target := server.bucket("target")
	wrong := func(bucket, key, secret string) datacopy.Address {
		shown, at := *server, *server.url
		at.User = url.UserPassword(key, secret)
		shown.url = &at
		return shown.address(bucket)
	}
	tests := []struct {
		name string
		from datacopy.Address
		to   datacopy.Address
	}{
		{"secret of the source", wrong("source", "root", "another"), target},
		{"key of the source", wrong("source", "nobody", "another"), target},
		{"secret of the target", right, wrong("target", "root", "another")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s3.Impatient(time.Minute, 2).Plan(t.Context(), datacopy.Request{From: tt.from, To: tt.to})
			if err == nil || !strings.Contains(fault.HintOf(err), "key") {
				t.Errorf("planning: %v, hint %q; want one about the key", err, fault.HintOf(err))
			}
			if err != nil && strings.Contains(err.Error(), "another") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// cut answers as the server behind would and ends the connection half way.
func cut(behind http.Handler, w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	behind.ServeHTTP(whole, r)
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	body := whole.Body.Bytes()
	if len(body) == 0 { // an answer of headers alone is cut before them
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// once says yes to the first request of each kind.
func once() func(kind string) bool {
	var seen sync.Map
	return func(kind string) bool {
		_, before := seen.LoadOrStore(kind, true)
		return !before
	}
}

// kindOf names what a request is about.
func kindOf(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Get("list-type") == "2":
		return "listing"
	case query.Has("partNumber"):
		return "part"
	case query.Has("tagging"), strings.HasSuffix(r.URL.Path, ".landfall-copy"):
		return "other"
	}
	return r.Method
}

// TestTruncatedAnswersAreAskedForAgain cuts the first answer of every kind, of
// both servers.
func TestTruncatedAnswersAreAskedForAgain(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.fill("source", "")
	to := other.bucket("target")
	var cuts sync.Map
	cutting := func(behind *server) *server {
		first, handler := once(), passOn(behind)
		return front(t, behind, func(w http.ResponseWriter, r *http.Request) bool {
			if kind := kindOf(r); kind != "other" && kind != "POST" && first(kind) {
				cuts.Store(r.Method+" "+kind, true)
				cut(handler, w, r)
			}
			return false
		})
	}
	req := datacopy.Request{From: cutting(one).address("source"), To: cutting(other).address(to.Name())}
	outcome, err := datacopy.Run(t.Context(), s3.Impatient(time.Minute, 5), req, &datacopy.MemoryJournal{}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Result.Retries == 0 {
		t.Error("nothing was asked for again")
	}
	for _, want := range []string{"GET listing", "GET GET", "PUT PUT", "PUT part"} {
		if _, was := cuts.Load(want); !was {
			t.Errorf("no %s was cut", want)
		}
	}
	if diff := cmp.Diff(one.everything("source", ""), other.everything("target", "")); diff != "" {
		t.Errorf("the copy differs (-want +got):\n%s", diff)
	}
}

// TestAListingThatEndsEarlyIsNoListing has an answer that is whole as HTTP, and
// half of its document.
func TestAListingThatEndsEarlyIsNoListing(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	to := other.bucket("target")
	for n := range 10 {
		one.put("source", fmt.Sprintf("object/%02d", n), "contents")
		other.put("target", fmt.Sprintf("object/%02d", n), "contents")
	}
	var broken atomic.Bool
	handler := passOn(one)
	gate := front(t, one, func(w http.ResponseWriter, r *http.Request) bool {
		if !broken.Load() || kindOf(r) != "listing" {
			return false
		}
		whole := httptest.NewRecorder()
		handler.ServeHTTP(whole, r)
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		return true
	})
	engine := s3.Impatient(time.Minute, 2)
	req := datacopy.Request{From: gate.address("source"), To: to, Mode: datacopy.Incremental, Delete: true}
	plan, err := engine.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if _, err := engine.Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard); err == nil {
		t.Error("half a listing was taken for one")
	}
	if got := len(other.everything("target", "object/")); got != 10 {
		t.Errorf("%d of 10 objects are left", got)
	}
}

// TestAServerThatFallsSilentIsLeft has the source stop in the middle of an
// object, and then go on.
func TestAServerThatFallsSilentIsLeft(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.put("source", "large", strings.Repeat("contents ", 300_000))
	first, ended := once(), make(chan struct{})
	t.Cleanup(func() { close(ended) })
	handler := passOn(one)
	gate := front(t, one, func(w http.ResponseWriter, r *http.Request) bool {
		if kindOf(r) != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/large") || !first("large") {
			return false
		}
		whole := httptest.NewRecorder()
		handler.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-ended:
		}
		return true
	})
	req := datacopy.Request{From: gate.address("source"), To: other.bucket("target")}
	outcome, err := datacopy.Run(t.Context(), s3.Impatient(2*time.Second, 8), req, &datacopy.MemoryJournal{}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Result.Retries == 0 {
		t.Error("the silence was waited out")
	}
}

// hostile are keys that break what takes them apart; S3 allows 1,024 bytes.
var hostile = []string{
	"case", "Case", "CASE", "ends in a slash/", "a space", " begins with one", "plus+plus", "percent%25%2F%zz", "日本語/ключ/😀",
	"new\nline", "tab\there", "<xml>&amp;\"'", "a?b=c&d#e;f", "back\\slash", "dots/...", "..dots", "a/..b/c",
	strings.Repeat(strings.Repeat("k", 99)+"/", 10) + strings.Repeat("l", 24),
}

func TestCopiesHostileKeys(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	var kept []string
	for _, key := range hostile {
		// What a server over a folder cannot hold is not ours to copy.
		_, err := one.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: ref("source"), Key: &key, Body: strings.NewReader(bodyOf(key))})
		if err != nil {
			t.Logf("the server does not take %q: %v", key, err)
			continue
		}
		kept = append(kept, key)
	}
	if len(kept) < len(hostile)-3 {
		t.Errorf("the server took %d of %d keys", len(kept), len(hostile))
	}
	for _, to := range []*server{one, other} {
		req := datacopy.Request{From: one.address("source"), To: to.bucket("target")}
		if sent, _, _ := run(t, req, &datacopy.MemoryJournal{}).Result.Totals(); sent != int64(len(kept)) {
			t.Errorf("sent %d of %d objects", sent, len(kept))
		}
		if diff := cmp.Diff(one.everything("source", ""), to.everything("target", "")); diff != "" {
			t.Errorf("the copy differs (-want +got):\n%s", diff)
		}
	}
}

// bodyOf is what an object holds; a folder holds nothing.
func bodyOf(key string) string {
	if strings.HasSuffix(key, "/") {
		return ""
	}
	return "contents of " + key
}

// TestAKeyThatAListingGarblesIsMissed has a key that the server does not tell
// as it is: nothing can be copied by that name, and nobody may think it was.
func TestAKeyThatAListingGarblesIsMissed(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	one.put("source", "bell\a", "contents")
	req := datacopy.Request{From: one.address("source"), To: other.bucket("target")}
	outcome, err := datacopy.Run(t.Context(), s3.New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if err == nil { // the server has learned to tell it
		if diff := cmp.Diff(one.everything("source", ""), other.everything("target", "")); diff != "" {
			t.Errorf("the copy differs (-want +got):\n%s", diff)
		}
		return
	}
	if fault.ClassOf(err) != fault.NotHolding || len(outcome.Report.Units[0].Differences) != 1 {
		t.Errorf("the copy says %v", err)
	}
}

// TestInvalidUTF8InAListing has a server that sends what is no text. Keys that
// are encoded are copied byte by byte; what cannot be read is an error.
func TestInvalidUTF8InAListing(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	to := other.bucket("target")
	const listed = `<?xml version="1.0"?><ListBucketResult>%s<IsTruncated>false</IsTruncated><Contents><Key>%s</Key>` +
		`<Size>0</Size><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></Contents></ListBucketResult>`
	tests := map[string]struct{ encoding, key, asked string }{
		"encoded":         {"<EncodingType>url</EncodingType>", "a%FFb", "a\xffb"},
		"as it is":        {"", "a\xffb", "a\xffb"},
		"broken encoding": {"<EncodingType>url</EncodingType>", "a%F", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Value
			gate := front(t, one, func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case kindOf(r) == "listing":
					fmt.Fprintf(w, listed, tt.encoding, tt.key)
				case strings.HasPrefix(r.URL.Path, "/source/"):
					asked.Store(strings.TrimPrefix(r.URL.Path, "/source/"))
					w.WriteHeader(http.StatusNotFound)
				default:
					return false
				}
				return true
			})
			engine := s3.Impatient(time.Minute, 2)
			req := datacopy.Request{From: gate.address("source"), To: to, Mode: datacopy.Incremental}
			plan, err := engine.Plan(t.Context(), req)
			if tt.asked == "" {
				if err == nil || !strings.Contains(err.Error(), "not encoded as agreed") {
					t.Errorf("planning: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, progress.Discard); err != nil {
				t.Errorf("copying: %v", err)
			}
			if got, _ := asked.Load().(string); got != tt.asked {
				t.Errorf("the source was asked for %q, want %q", got, tt.asked)
			}
		})
	}
}

// TestAFullDiskEndsInACopyThatGoesOn has the target on a small file system of
// its own, which then grows.
func TestAFullDiskEndsInACopyThatGoesOn(t *testing.T) {
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	for n := range 12 {
		one.put("source", fmt.Sprintf("object/%02d", n), strings.Repeat("contents", 128<<10))
	}
	other.Kill()
	if err := syscall.Mount("tmpfs", other.Dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("needs to mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(other.Dir, syscall.MNT_DETACH) })
	other.Restart()
	to := other.bucket("target")
	before := one.everything("source", "")
	req := datacopy.Request{From: one.address("source"), To: to, Parallel: 4}
	journal := &datacopy.MemoryJournal{}
	_, err := datacopy.Run(t.Context(), s3.Impatient(time.Minute, 3), req, journal, progress.Discard)
	if err == nil || fault.HintOf(err) == "" {
		t.Fatalf("the disk is full, and the copy says %v, hint %q", err, fault.HintOf(err))
	}
	t.Logf("a full disk: %v (%s)", err, fault.HintOf(err))
	if _, err := os.Stat(filepath.Join(other.Dir, "target", ".landfall-copy")); errors.Is(err, os.ErrNotExist) {
		t.Error("the target is not marked as incomplete")
	}
	if err := syscall.Mount("tmpfs", other.Dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	run(t, req, journal)
	if diff := cmp.Diff(before, one.everything("source", "")); diff != "" {
		t.Errorf("the source is another (-want +got):\n%s", diff)
	}
}
