package haproxy

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var shop = Pair{Backend: "shop", Old: []string{"web1"}, New: []string{"k8s1"}}

// reply is one of HAProxy 2.6.12.
func reply(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile("testdata/reply.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestParseReport(t *testing.T) {
	got, err := parseReport(reply(t), shop)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		Process: "7142", Algorithm: "roundrobin", Extended: true,
		Servers: []Server{
			{Name: "web1", Side: traffic.Old, Weight: 90, Initial: 1, Up: true, Checked: true, Status: "UP", Requests: 49, Latency: []int64{47, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
			{Name: "k8s1", Side: traffic.New, Weight: 10, Initial: 0, Checked: true, Status: "DOWN", Requests: 1, Errors: 1, Latency: []int64{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestHalfAReplyIsNone cuts a good reply everywhere.
func TestHalfAReplyIsNone(t *testing.T) {
	whole := strings.TrimRight(reply(t), "\n") + "\n\n"
	for n := range len(whole) - 1 {
		if got, err := parseReport(whole[:n], shop); err == nil {
			t.Fatalf("%d of %d bytes were read as %+v", n, len(whole), got)
		}
	}
}

func FuzzParseReport(f *testing.F) {
	whole := reply(f)
	f.Add(whole)
	f.Add(strings.ReplaceAll(whole, ",", ",,"))
	f.Add(strings.ReplaceAll(whole, "90", "-90"))
	f.Add("\n\n\n\n\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseReport(text, shop)
		if err != nil {
			return
		}
		if len(r.Servers) != 2 || r.Process == "" {
			t.Fatalf("%+v", r)
		}
		for _, server := range r.Servers {
			if server.Weight < 0 || server.Weight > maxWeight || server.Errors > server.Requests || server.Errors < 0 || server.Sessions < 0 {
				t.Fatalf("%+v", server)
			}
		}
	})
}

func TestCountRequests(t *testing.T) {
	// As HAProxy 2.6.12 counts one request of each kind.
	tests := map[string]struct {
		stat             map[string]int64
		requests, failed int64
	}{
		"answered":                      {map[string]int64{"stot": 1, "req_tot": 1}, 1, 0},
		"answered 500":                  {map[string]int64{"stot": 1, "req_tot": 1, "hrsp_5xx": 1}, 1, 1},
		"reset":                         {map[string]int64{"stot": 1, "eresp": 2}, 1, 1},
		"closed without an answer":      {map[string]int64{"stot": 1, "eresp": 1}, 1, 1},
		"half an answer":                {map[string]int64{"stot": 1, "req_tot": 1, "eresp": 1, "srv_abrt": 1}, 1, 1},
		"refused, tried again in vain":  {map[string]int64{"stot": 2, "econ": 1, "wretr": 1}, 1, 1},
		"taken to another server":       {map[string]int64{"stot": 3, "wretr": 2, "wredis": 1}, 1, 1},
		"the client went away":          {map[string]int64{"stot": 1, "cli_abrt": 1}, 0, 0},
		"under way":                     {map[string]int64{"stot": 1, "scur": 1}, 0, 0},
		"timed out":                     {map[string]int64{"stot": 1, "eresp": 1}, 1, 1},
		"counters that cannot be right": {map[string]int64{"req_tot": 1, "hrsp_5xx": 9, "srv_abrt": 9}, 1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			requests, failed := countRequests(func(column string) int64 { return tt.stat[column] })
			if requests != tt.requests || failed != tt.failed {
				t.Errorf("%d requests, %d failed, want %d and %d", requests, failed, tt.requests, tt.failed)
			}
		})
	}
}

func TestHostileNamesReachNoSocket(t *testing.T) {
	good := Config{Instances: []string{"unix:///run/x.sock"}, Backend: "shop", Old: []string{"web1"}, New: []string{"k8s1"}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"command in the backend":    func(c *Config) { c.Backend = "shop;shutdown frontend http" },
		"line end in a server":      func(c *Config) { c.New = []string{"k8s1\nshow env"} },
		"space":                     func(c *Config) { c.Old = []string{"web1 state maint"} },
		"slash":                     func(c *Config) { c.Old = []string{"../web1"} },
		"empty":                     func(c *Config) { c.Old = []string{""} },
		"no servers":                func(c *Config) { c.New = nil },
		"server on both sides":      func(c *Config) { c.New = []string{"web1"} },
		"HAProxy's own word":        func(c *Config) { c.New = []string{"BACKEND"} },
		"no instances":              func(c *Config) { c.Instances = nil },
		"instance twice":            func(c *Config) { c.Instances = append(c.Instances, c.Instances[0]) },
		"unknown scheme":            func(c *Config) { c.Instances = []string{"ssh://host:22"} },
		"relative path":             func(c *Config) { c.Instances = []string{"unix://run/x.sock"} },
		"no port":                   func(c *Config) { c.Instances = []string{"tcp://host"} },
		"watchdog without a token":  func(c *Config) { c.Instances = []string{"http://host:1"} },
		"password in the address":   func(c *Config) { c.Token, c.Instances = "t", []string{"http://u:secret@host:1"} },
		"control character in host": func(c *Config) { c.Token, c.Instances = "t", []string{"http://ho\x01st:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			change(&config)
			_, err := New(config)
			if fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
}
