package parity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// many is how many objects each side has.
const many = 10_000

// BenchmarkCompare compares two sides of 10,000 objects, which lists over HTTP
// give page by page as API servers do.
func BenchmarkCompare(b *testing.B) {
	from, to := serve(b, "blue"), serve(b, "green")
	peak := watchHeap()
	for b.Loop() {
		r, err := Compare(b.Context(), from, to, Options{Namespaces: []string{"shop"}}, progress.Discard)
		if err != nil {
			b.Fatal(err)
		}
		if sum := r.Count(); sum.Equal != many || r.Answer != result.Holds {
			b.Fatalf("%s: %+v", r.Summary(), sum)
		}
	}
	b.ReportMetric(float64(peak())/(1<<20), "MiB-heap")
}

// watchHeap gives the most that the heap ever was.
func watchHeap() (peak func() uint64) {
	var most atomic.Uint64
	done := make(chan struct{})
	go func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
			}
		}
	}()
	return func() uint64 { close(done); return most.Load() }
}

// kinds of the benchmark: path, kind and what an object of it looks like.
var benchKinds = []struct{ path, kind, group, body string }{
	{"/api/v1", "ConfigMap", "", `"data":{"a":"` + strings.Repeat("b", 800) + `","c":"d"}`},
	{"/api/v1", "Secret", "", `"type":"Opaque","data":{"a":"` + strings.Repeat("YmJi", 100) + `"}`},
	{"/api/v1", "Service", "", `"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"selector":{"app":"NAME"},"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":80}],"type":"ClusterIP"}`},
	{"/apis/apps/v1", "Deployment", "apps", `"spec":{"replicas":0,"selector":{"matchLabels":{"a":"NAME"}},"template":{"metadata":{"labels":{"a":"NAME"}},"spec":{"containers":[{"name":"a","image":"x/y","env":[` +
		strings.TrimSuffix(strings.Repeat(`{"name":"A","value":"b"},`, 15), ",") + `],"resources":{"requests":{"cpu":"100m"}}}]}}},"status":{"observedGeneration":1}`},
}

// serve is a cluster of many objects.
func serve(b *testing.B, name string) *transfer.Cluster {
	mux := http.NewServeMux()
	answer := func(path, text string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, text)
		})
	}
	answer("/api", `{"kind":"APIVersions","versions":["v1"]}`)
	answer("/apis", `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}]}`)
	resources := map[string][]string{}
	for i, k := range benchKinds {
		plural := strings.ToLower(k.kind) + "s"
		resources[k.path] = append(resources[k.path], fmt.Sprintf(`{"name":%q,"kind":%q,"namespaced":true,"verbs":["list","create"]}`, plural, k.kind))
		mux.HandleFunc("GET "+k.path+"/namespaces/shop/"+plural, func(w http.ResponseWriter, r *http.Request) { page(w, r, i, name) })
	}
	for path, list := range resources {
		version := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")
		answer(path, fmt.Sprintf(`{"kind":"APIResourceList","groupVersion":%q,"resources":[%s]}`, version, strings.Join(list, ",")))
	}
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	cluster, err := transfer.Connect(name, &rest.Config{Host: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	return cluster
}

// page writes a part of a list. What each cluster fills in itself differs.
func page(w http.ResponseWriter, r *http.Request, i int, cluster string) {
	k := benchKinds[i]
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	start, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	end := min(start+limit, many/len(benchKinds))
	next := ""
	if end < many/len(benchKinds) {
		next = strconv.Itoa(end)
	}
	w.Header().Set("Content-Type", "application/json")
	version := strings.TrimPrefix(k.group+"/v1", "/")
	fmt.Fprintf(w, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"1","continue":%q},"items":[`, k.kind, version, next)
	for n := start; n < end; n++ {
		if n > start {
			fmt.Fprint(w, ",")
		}
		name := fmt.Sprintf("o%05d", n)
		fmt.Fprintf(w, `{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":"shop","uid":"%s-%d","resourceVersion":"7","generation":1,"creationTimestamp":"2026-11-21T00:00:00Z","labels":{"app":"shop"},"annotations":{"landfall.dev/transferred-from":%q},`+
			`"managedFields":[{"manager":"kubectl","operation":"Update","apiVersion":%q,"time":"2026-11-21T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}}}}}}}]},%s}`,
			version, k.kind, name, cluster, n, cluster, version, strings.ReplaceAll(k.body, "NAME", name))
	}
	fmt.Fprint(w, "]}")
}
