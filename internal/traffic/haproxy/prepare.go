package haproxy

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

const algorithmHint = "Use `balance roundrobin`, or a hash with `hash-type consistent`, in HAProxy's backend."

var errStatic = fault.New(fault.Refused, algorithmHint, "the backend's balance algorithm is static: it knows only all or nothing")

// uneven are the algorithms that take weights but do not share requests by
// them, with the reason.
var uneven = map[string]string{
	"leastconn": "while servers are idle, leastconn gives each the same, whatever its weight",
	"first":     "first fills one server after the other, whatever their weights",
	"static-rr": "static-rr does not let weights change",
}

// Prepare looks whether the backend can share requests as Write will say. It
// gives a new side that an earlier migration has drained back to service, with
// weight 0. It changes nothing once the new side has weight.
func (p Process) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	r, err := p.Report(ctx)
	if err != nil {
		return traffic.Preparation{}, fault.Wrap(fault.ClassOf(err), fmt.Errorf("preparing backend %s: %w", p.Pair.Backend, err), fault.HintOf(err))
	}
	if r.weight(traffic.New) > 0 {
		return traffic.Preparation{Done: true, Step: fmt.Sprintf("%s has traffic on its new side already", p.Pair.Backend)}, f.Check()
	}
	if err := p.suitable(r); err != nil {
		return traffic.Preparation{}, err
	}
	commands := trial(p.Pair, r.on(traffic.Old))
	if drained(r.on(traffic.New)) {
		for _, server := range r.on(traffic.New) {
			commands = append(commands, p.Pair.command(server.Name, "state ready"))
		}
	}
	if err := p.tell(ctx, f, commands); err != nil {
		return traffic.Preparation{}, err
	}
	return traffic.Preparation{Done: true, Step: fmt.Sprintf("backend %s takes weights (%s)%s", p.Pair.Backend, r.Algorithm, r.limits())}, nil
}

// suitable says why a backend's requests cannot be moved by weight.
func (p Process) suitable(r Report) error {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Refused, hint, "preparing backend %s of HAProxy at %s: %w", p.Pair.Backend, p.Socket, fmt.Errorf(format, args...))
	}
	if reason := uneven[r.Algorithm]; reason != "" {
		return refuse(algorithmHint, "%s", reason)
	}
	if r.Algorithm == "" {
		return refuse("Give the socket the level of an administrator: `stats socket … level admin`.", "HAProxy tells its balance algorithm only to operators")
	}
	if r.weight(traffic.Old) == 0 {
		return refuse("Give its servers weight, or swap the sides.", "neither side has weight")
	}
	for _, server := range r.on(traffic.New) {
		if server.Initial > 0 {
			return refuse("Write `weight 0` behind the new side's servers in HAProxy's configuration.",
				"server %s has weight %d in the configuration: a reload that forgets the weights would send requests to it that no guard has allowed", server.Name, server.Initial)
		}
	}
	for _, server := range r.Servers {
		if server.Held && !drained(r.on(server.Side)) {
			return refuse("Take it out of the migration, or give it back: `set server … state ready`.", "server %s is in maintenance", server.Name)
		}
	}
	return nil
}

// trial changes the old side's weights in proportion and back, while the old
// side has everything: the only way to learn whether weights may change, as
// HAProxy does not say whether a hash is consistent. Both go in one line, so
// that hardly a request comes in between.
func trial(p Pair, servers []Server) []string {
	heaviest := 0
	for _, server := range servers {
		heaviest = max(heaviest, server.Weight)
	}
	var there, back []string
	for _, server := range servers {
		other := 2 * server.Weight
		if 2*heaviest > maxWeight {
			other = (server.Weight + 1) / 2
		}
		if server.Weight > 0 {
			there = append(there, p.command(server.Name, fmt.Sprintf("weight %d", other)))
			back = append(back, p.command(server.Name, fmt.Sprintf("weight %d", server.Weight)))
		}
	}
	return append(there, back...)
}

// limits says what a person should know before the migration.
func (r Report) limits() string {
	var limits []string
	switch r.Algorithm {
	case "roundrobin":
	case "random":
		limits = append(limits, "random compares two servers each time: shares are approximate unless it is random(1)")
	default:
		limits = append(limits, "weights share "+r.Algorithm+" keys, not requests")
	}
	if r.Cookie != "" {
		limits = append(limits, "cookie "+r.Cookie+" keeps clients on their server until it is drained")
	}
	if !r.Extended {
		limits = append(limits, "no latencies and no pinned requests without the lines of `landfall watchdog snippet`")
	}
	if len(limits) == 0 {
		return ""
	}
	return "; " + strings.Join(limits, "; ")
}
