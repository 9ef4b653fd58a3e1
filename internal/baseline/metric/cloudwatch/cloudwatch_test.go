package cloudwatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/fault"
)

var noon = time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)

// cloudWatch is the service for tests, over its real protocol. It keeps points
// by period, and shows those of the last delay with only a part of what they
// will count.
type cloudWatch struct {
	mu sync.Mutex
	// series by their labels, each with points by the minute that they begin.
	series map[string]map[time.Time]float64
	status string // of results; Complete if empty
	// allowed requests until it throttles; below 0 for any.
	allowed int
	asked   cbor.Map
}

// ServeHTTP answers GetMetricData as the API reference and RPC v2 CBOR say.
func (c *cloudWatch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	input, err := cbor.Decode(body)
	asked, ok := input.(cbor.Map)
	switch {
	case err != nil || !ok || !strings.HasSuffix(r.URL.Path, "/operation/GetMetricData"):
		refuse(w, 404, "UnknownOperationException", r.URL.Path)
		return
	case c.allowed == 0:
		refuse(w, 400, "ThrottlingException", "Rate exceeded")
		return
	case !strings.Contains(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIATEST/"):
		refuse(w, 403, "AccessDeniedException", "not authorized to perform: cloudwatch:GetMetricData")
		return
	}
	c.allowed--
	c.asked = asked
	start, end := timeOf(asked["StartTime"]), timeOf(asked["EndTime"])
	query := asked["MetricDataQueries"].(cbor.List)[0].(cbor.Map)
	if expression, ok := query["Expression"].(cbor.String); ok && strings.Contains(string(expression), "((") {
		refuse(w, 400, "ValidationError", "Error in expression 'guard': syntax")
		return
	}
	if !start.Before(end) {
		refuse(w, 400, "ValidationError", "The parameter StartTime must be less than the parameter EndTime")
		return
	}
	answer(w, 200, cbor.Map{"MetricDataResults": c.results(query["Id"], start, end), "Messages": cbor.List{}})
}

// results are the points within the times, the newest first.
func (c *cloudWatch) results(id cbor.Value, start, end time.Time) cbor.List {
	status := c.status
	if status == "" {
		status = "Complete"
	}
	results := cbor.List{}
	for label, points := range c.series {
		times, values := cbor.List{}, cbor.List{}
		for at := end.Truncate(time.Minute); !at.Before(start); at = at.Add(-time.Minute) {
			if value, ok := points[at]; ok {
				times = append(times, &cbor.Tag{ID: 1, Value: cbor.Uint(at.Unix())})
				values = append(values, cbor.Float64(value))
			}
		}
		results = append(results, cbor.Map{
			"Id": id, "Label": cbor.String(label), "StatusCode": cbor.String(status), "Timestamps": times, "Values": values,
		})
	}
	return results
}

func timeOf(v cbor.Value) time.Time {
	at, _ := cbor.AsTime(v)
	return at.UTC()
}

func answer(w http.ResponseWriter, status int, body cbor.Value) {
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	w.WriteHeader(status)
	w.Write(cbor.Encode(body))
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + code), "message": cbor.String(message)})
}

func account(t *testing.T, handler http.Handler) aws.Config {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	}
}

var errorsOfTheNewSide = Config{
	Namespace: "AWS/ApplicationELB", Metric: "HTTPCode_Target_5XX_Count", Statistic: "Sum",
	Dimensions: map[string]string{"TargetGroup": "targetgroup/kubernetes/1", "LoadBalancer": "app/shop/2"},
}

func read(t *testing.T, handler http.Handler, c Config) (metric.Sample, error) {
	t.Helper()
	s, err := New(account(t, handler), c)
	if err != nil {
		t.Fatal(err)
	}
	return s.Read(t.Context(), noon)
}

func minute(hour, minute int) time.Time { return time.Date(2026, 11, 21, hour, minute, 0, 0, time.UTC) }

func TestRead(t *testing.T) {
	whole := map[time.Time]float64{minute(11, 56): 5, minute(11, 57): 4, minute(11, 58): 3, minute(11, 59): 2, minute(12, 0): 1}
	expression := Config{Expression: "SUM(SEARCH('...', 'Sum'))"}
	tests := map[string]struct {
		service *cloudWatch
		config  Config
		want    float64
		says    string
		class   fault.Class
	}{
		// At 12:00:30 the point of 12:00 is not over, that of 11:59 still fills up.
		"the newest that is complete": {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole}, allowed: -1}, errorsOfTheNewSide, 3, "", 0},
		"an expression":               {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole}, allowed: -1}, expression, 3, "", 0},
		"without delay": {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole}, allowed: -1}, func() Config {
			c := errorsOfTheNewSide
			c.Delay = -1
			return c
		}(), 2, "", 0},
		"only what fills up": {&cloudWatch{series: map[string]map[time.Time]float64{"x": {minute(11, 59): 2, minute(12, 0): 1}}, allowed: -1}, errorsOfTheNewSide, 0, "no data", fault.Failed},
		"too old":            {&cloudWatch{series: map[string]map[time.Time]float64{"x": {minute(11, 40): 2}}, allowed: -1}, errorsOfTheNewSide, 0, "no data", fault.Failed},
		"no points":          {&cloudWatch{series: map[string]map[time.Time]float64{"x": {}}, allowed: -1}, errorsOfTheNewSide, 0, "no data", fault.Failed},
		"no series":          {&cloudWatch{allowed: -1}, expression, 0, "no data", fault.Failed},
		"two series":         {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole, "y": whole}, allowed: -1}, expression, 0, "2 numbers instead of one", fault.Invalid},
		"throttled":          {&cloudWatch{}, errorsOfTheNewSide, 0, "ThrottlingException: Rate exceeded", fault.Failed},
		"failed in there":    {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole}, allowed: -1, status: "InternalError"}, errorsOfTheNewSide, 0, "it failed itself", fault.Failed},
		"may not be read":    {&cloudWatch{series: map[string]map[time.Time]float64{"x": whole}, allowed: -1, status: "Forbidden"}, errorsOfTheNewSide, 0, "may not be read", fault.Refused},
		"bad expression":     {&cloudWatch{allowed: -1}, Config{Expression: "SUM(("}, 0, "does not take the query", fault.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, tt.service, tt.config)
			if tt.says == "" && (err != nil || got.Value != tt.want) {
				t.Errorf("got %+v, %v; want %g", got, err, tt.want)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || fault.ClassOf(err) != tt.class) {
				t.Errorf("got %+v, %v (%s); want an error that says %q", got, err, fault.ClassOf(err), tt.says)
			}
		})
	}
}

func TestWhatCloudWatchSees(t *testing.T) {
	service := &cloudWatch{allowed: -1}
	if _, err := read(t, service, errorsOfTheNewSide); !errors.Is(err, metric.ErrNoData) {
		t.Error(err)
	}
	query := service.asked["MetricDataQueries"].(cbor.List)[0].(cbor.Map)
	stat := query["MetricStat"].(cbor.Map)
	m := stat["Metric"].(cbor.Map)
	if m["Namespace"] != cbor.String("AWS/ApplicationELB") || stat["Stat"] != cbor.String("Sum") || stat["Period"] != cbor.Uint(60) || len(m["Dimensions"].(cbor.List)) != 2 {
		t.Errorf("CloudWatch was asked %v", query)
	}
	if start := timeOf(service.asked["StartTime"]); !start.Equal(minute(11, 57)) {
		t.Errorf("from %s on", start)
	}
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"garbage": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello</html>") },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"half":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0xa1, 0x71, 'M', 'e'}) },
		"huge":    func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, metric.MaxAnswer+1)) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := read(t, handler, errorsOfTheNewSide); err == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestASilentCloudWatch(t *testing.T) {
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // without that nobody sees that the client has gone
		<-r.Context().Done()
	})
	s, err := New(account(t, silent), errorsOfTheNewSide)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Read(ctx, noon); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestBadConfigs(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"nothing":      func(c *Config) { *c = Config{} },
		"both":         func(c *Config) { c.Expression = "SUM(m1)" },
		"no statistic": func(c *Config) { c.Statistic = "" },
		"period":       func(c *Config) { c.Period = 7 * time.Second },
		"window":       func(c *Config) { c.Window = -time.Second },
	} {
		c := errorsOfTheNewSide
		change(&c)
		if _, err := New(aws.Config{}, c); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
