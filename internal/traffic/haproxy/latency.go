package haproxy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// HAProxy's statistics have only averages of the last 1,024 requests, in which
// a slow twentieth does not show. The configuration that Snippet renders
// therefore counts answers by server and time in the general purpose counters
// of a stick table. Times are from the request's headers to the answer's.

// latencyBounds are the upper ends of the buckets; one more is for what took
// longer.
var latencyBounds = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// forever is the upper end of the last bucket.
const forever = time.Duration(math.MaxInt64)

// latencyTable is the stick table of a backend. That it is there tells, too,
// that the rest of the snippet is.
func latencyTable(backend string) string { return "landfall_" + backend }

// parseLatency reads `show table`: counts by server.
func parseLatency(block string) (map[string][]int64, error) {
	counts := map[string][]int64{}
	for line := range strings.Lines(block) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		server, buckets := "", make([]int64, len(latencyBounds)+1)
		seen := 0
		for _, field := range fields {
			name, value, _ := strings.Cut(field, "=")
			if name == "key" {
				server = value
			}
			index, found := strings.CutPrefix(name, "gpc")
			i, err := strconv.Atoi(index)
			if !found || err != nil {
				continue // another kind of datum
			}
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || i < 0 || i >= len(buckets) || n < 0 {
				return nil, fmt.Errorf("reading HAProxy's table of latencies: %q", line)
			}
			buckets[i] = n
			seen++
		}
		if server == "" || seen != len(buckets) {
			return nil, fmt.Errorf("reading HAProxy's table of latencies: %q", line)
		}
		counts[server] = buckets
	}
	return counts, nil
}

// cumulate makes of counts by bucket what traffic.Counters has.
func cumulate(counts []int64) []traffic.LatencyBucket {
	buckets := make([]traffic.LatencyBucket, len(counts))
	total := int64(0)
	for i, n := range counts {
		total += n
		buckets[i] = traffic.LatencyBucket{Upper: forever, Count: total}
		if i < len(latencyBounds) {
			buckets[i].Upper = latencyBounds[i]
		}
	}
	return buckets
}
