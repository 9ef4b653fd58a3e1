package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/landfall-dev/landfall/internal/servertest"
)

// apiOf is an API whose server gives one answer to everything, without a network.
func apiOf(t *testing.T, body string) v1.API {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: "http://prometheus.invalid", RoundTripper: answer(body)})
	if err != nil {
		t.Fatal(err)
	}
	return v1.NewAPI(client)
}

type answer string

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	io.WriteString(w, string(a))
	return w.Result(), nil
}

// TestRealPrometheus asks Debian's Prometheus, which scrapes a page of ours.
func TestRealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: hack/prerequisites.sh prometheus")
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "shop_requests_total{code=\"200\"} 99\nshop_requests_total{code=\"500\"} 1\n")
	}))
	t.Cleanup(page.Close)
	url := start(t, program, page.Listener.Addr().String())

	read := func(query string) (float64, error) {
		sample, err := source(t, Config{URL: url, Query: query, Window: 5 * time.Second}).Read(t.Context(), time.Now())
		return sample.Value, err
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := read(`sum(max_over_time(shop_requests_total{code="500"}[$window])) / sum(max_over_time(shop_requests_total[$window]))`)
		if err == nil && got == 0.01 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %g, %v", got, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	for query, says := range map[string]string{
		"nobody_counts_this":             "no data",
		"shop_requests_total":            "2 numbers instead of one",
		"sum(":                           "it does not take the query",
		"shop_requests_total[1m]":        "a matrix instead of a number",
		"sum(shop_requests_total) / 0 *": "it does not take the query",
	} {
		if got, err := read(query); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %g, %v; want an error that says %q", query, got, err, says)
		}
	}
}

// start runs Prometheus until the test ends, and gives its address.
func start(t *testing.T, program, target string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 500ms, scrape_timeout: 400ms}\nscrape_configs: [{job_name: shop, static_configs: [{targets: [%q]}]}]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := servertest.FreeAddress(t)
	servertest.Run(t, exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address),
		servertest.Answers("http://"+address+"/-/ready"))
	return "http://" + address
}
