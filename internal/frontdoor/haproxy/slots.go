package haproxy

import (
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/landfall-dev/landfall/internal/frontdoor"
)

// slots are the servers of each backend by position, "" for a free one.
// A server keeps its position as long as it lives, so that a change touches
// nothing else.
type slots map[string][]string

// assign gives every server of the table a position, keeping those of before.
func assign(before slots, t frontdoor.Table) slots {
	after := slots{}
	for _, backend := range t.Backends {
		after[backend.Name] = place(before[backend.Name], backend.Servers)
	}
	return after
}

func place(before, servers []string) []string {
	size := max(len(before), minSlots)
	for size < len(servers) {
		size *= 2
	}
	after := make([]string, size)
	var fresh []string
	for _, server := range servers {
		if i := slices.Index(before, server); i >= 0 {
			after[i] = server
		} else {
			fresh = append(fresh, server)
		}
	}
	// Places that were free come first: a newcomer there can serve before the
	// one it follows has to go.
	for _, takeOver := range []bool{false, true} {
		for i := range after {
			wasFree := i >= len(before) || before[i] == ""
			if len(fresh) > 0 && after[i] == "" && (wasFree || takeOver) {
				after[i], fresh = fresh[0], fresh[1:]
			}
		}
	}
	return after
}

// changes are the runtime commands that lead from one assignment to another.
// ok is false when only a reload can: a backend came, went or grew.
func changes(before, after slots) (commands []string, ok bool) {
	if len(before) != len(after) {
		return nil, false
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, known := before[name]
		if !known || len(old) != len(after[name]) {
			return nil, false
		}
		commands = append(commands, changesOf(name, old, after[name])...)
	}
	return commands, true
}

// changesOf lets servers in before it takes others out, so that a backend
// never stands without one in between.
func changesOf(backend string, before, after []string) []string {
	var arrivals, takeovers, departures []string
	for i, address := range after {
		commands := change(fmt.Sprintf("%s/s%d", backend, i), address)
		switch {
		case address == before[i]:
		case before[i] == "":
			arrivals = append(arrivals, commands...)
		case address != "":
			takeovers = append(takeovers, commands...)
		default:
			departures = append(departures, commands...)
		}
	}
	return slices.Concat(arrivals, takeovers, departures)
}

// change puts one server in or out. In maintenance a server gets no new
// request, while those under way end by themselves.
func change(server, address string) []string {
	if address == "" {
		return []string{"set server " + server + " state maint"}
	}
	host, port, _ := net.SplitHostPort(address)
	return []string{
		"set server " + server + " state maint",
		"set server " + server + " addr " + host + " port " + port,
		"set server " + server + " state ready",
	}
}
