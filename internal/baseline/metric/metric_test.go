package metric

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

type source struct {
	value float64
	err   error
}

func (s source) Read(context.Context, time.Time) (Sample, error) {
	return Sample{Value: s.value}, s.err
}

func at(f float64) *float64 { return &f }

func TestBounds(t *testing.T) {
	most := Bounds{Name: "p95", Max: at(0.25)}
	both := Bounds{Name: "rate", Min: at(10), Max: at(1e6)}
	tests := map[string]struct {
		bounds Bounds
		source source
		want   result.Result
	}{
		"at the bound": {most, source{value: 0.25}, result.Result{Answer: result.Holds, Expected: "at most 0.25", Actual: "0.25"}},
		"over it":      {most, source{value: 0.250001}, result.Result{Answer: result.Fails, Expected: "at most 0.25", Actual: "0.25"}},
		"endless":      {most, source{value: math.Inf(1)}, result.Result{Answer: result.Fails, Expected: "at most 0.25", Actual: "+Inf"}},
		"NaN":          {most, source{value: math.NaN()}, result.Result{Expected: "at most 0.25", Actual: "NaN", Reason: "the query gives no number: it divides nothing by nothing"}},
		"no data":      {most, source{err: ErrNoData}, result.Result{Expected: "at most 0.25", Reason: "no data"}},
		"between":      {both, source{value: 12345}, result.Result{Answer: result.Holds, Expected: "from 10 to 1000000", Actual: "12345"}},
		"below":        {both, source{value: 9}, result.Result{Answer: result.Fails, Expected: "from 10 to 1000000", Actual: "9"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Name = tt.bounds.Name
			got := tt.bounds.Read(t.Context(), tt.source, time.Now())
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(result.Result{}, "Duration")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadBounds(t *testing.T) {
	for name, b := range map[string]Bounds{
		"none":      {},
		"NaN":       {Max: at(math.NaN())},
		"endless":   {Min: at(math.Inf(-1))},
		"backwards": {Min: at(2), Max: at(1)},
	} {
		if err := b.Check(); fault.ClassOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Bounds{Max: at(0)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestWindow(t *testing.T) {
	for _, w := range []time.Duration{-time.Second, time.Millisecond, 48 * time.Hour} {
		if _, err := Window(w); err == nil {
			t.Errorf("%s is accepted", w)
		}
	}
	if w, err := Window(0); err != nil || w != DefaultWindow {
		t.Errorf("%s, %v", w, err)
	}
}

func TestSeveralNamesSome(t *testing.T) {
	err := Several(5, []string{"a", "b\x1b", "c", "d", "e"}, "use sum(…)")
	if want := `the query gives 5 numbers instead of one (a, b\x1b, c, …)`; err.Error() != want || fault.HintOf(err) == "" {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestHTTPClientIsBounded(t *testing.T) {
	var elsewhere bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	client := HTTPClient(nil)
	if _, err := client.Get(server.URL + "/redirect"); err == nil || elsewhere || !strings.Contains(err.Error(), "which is not followed") {
		t.Errorf("a redirect: %v, followed: %v", err, elsewhere)
	}
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil || errors.Is(err, io.EOF) || n != MaxAnswer {
		t.Errorf("%d bytes were read, %v", n, err)
	}
}
