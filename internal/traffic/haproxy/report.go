package haproxy

import (
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// Report is what one HAProxy says about a pair at one moment.
type Report struct {
	// Process is its id: another one means a reload or a restart.
	Process string `json:"process"`
	// Algorithm of the backend's `balance`, and the name of the cookie that makes
	// clients stick to a server; both are told to operators only.
	Algorithm string `json:"algorithm,omitempty"`
	Cookie    string `json:"cookie,omitempty"`
	// Servers of both sides, the old one's first.
	Servers []Server `json:"servers"`
	// Extended: the backend has what Snippet adds to it.
	Extended bool `json:"extended,omitempty"`
	// DeadMan says that a watchdog has returned traffic; see traffic.Instance.
	DeadMan string `json:"deadMan,omitempty"`
}

// Server is one server of a pair.
type Server struct {
	Name string       `json:"name"`
	Side traffic.Side `json:"side"`
	// Weight now, and that of the configuration.
	Weight  int `json:"weight"`
	Initial int `json:"initial"`
	// Up: it gets requests if it has weight. Checked: HAProxy knows so by a
	// health check. Status is HAProxy's word for both.
	Up      bool   `json:"up"`
	Checked bool   `json:"checked"`
	Status  string `json:"status"`
	// Held in maintenance over the runtime interface: it gets nothing at all.
	Held bool `json:"held,omitempty"`
	// Sessions open now.
	Sessions int64 `json:"sessions"`
	// Requests and those among them without a good answer; see countRequests.
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
	// Latency counts requests by bucket of latencyBounds, not cumulated; nil
	// where the backend does not count.
	Latency []int64 `json:"latency,omitempty"`
}

// on gives the servers of a side.
func (r Report) on(side traffic.Side) []Server {
	var servers []Server
	for _, server := range r.Servers {
		if server.Side == side {
			servers = append(servers, server)
		}
	}
	return servers
}

// weight is the sum of a side's weights.
func (r Report) weight(side traffic.Side) int {
	total := 0
	for _, server := range r.on(side) {
		total += server.Weight
	}
	return total
}

// At tells whether weights say exactly w.
func (r Report) At(w traffic.Weight) bool { return r.instance("").At(w) }

// instance says the report in the words of traffic. Weights are in effect at
// once. What goes on after a side has lost its weight are its open sessions;
// clients that stick to it and are quiet just now cannot be seen.
func (r Report) instance(name string) traffic.Instance {
	i := traffic.Instance{Name: name, Old: r.weight(traffic.Old), New: r.weight(traffic.New), Settled: true, DeadMan: r.DeadMan}
	for _, server := range r.Servers {
		if r.weight(server.Side) == 0 {
			i.Residual += int(server.Sessions)
		}
	}
	return i
}

// health of a side: at least half of its servers are up. Servers that are not
// checked say nothing, nor do those in maintenance.
func (r Report) health(side traffic.Side) traffic.Health {
	up, known, held := 0, 0, 0
	var down []string
	servers := r.on(side)
	for _, server := range servers {
		switch {
		case server.Held:
			held++
		case server.Up && server.Checked:
			known++
			up++
		case !server.Up:
			known++
			down = append(down, server.Name+": "+server.Status)
		}
	}
	reason := fmt.Sprintf("%d of %d servers are up", up, len(servers))
	if len(down) > 0 {
		reason += " (" + strings.Join(down, ", ") + ")"
	}
	switch {
	case known == 0 && held > 0:
		return traffic.Health{Reason: "its servers are in maintenance, where HAProxy does not check them"}
	case known == 0:
		return traffic.Health{Reason: "its servers have no `check` in HAProxy's configuration"}
	}
	return traffic.Health{Known: true, Healthy: 2*up >= known, Reason: reason}
}

// counters adds up a side.
func (r Report) counters(side traffic.Side) traffic.Counters {
	var c traffic.Counters
	counts := make([]int64, len(latencyBounds)+1)
	counted := true
	for _, server := range r.on(side) {
		c.Requests += server.Requests
		c.Errors += server.Errors
		c.Sessions += server.Sessions
		counted = counted && server.Latency != nil
		for i, n := range server.Latency {
			counts[i] += n
		}
	}
	if counted {
		c.Latency = cumulate(counts)
	}
	return c
}
