package haproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Process is one HAProxy with a pair, reached over its runtime interface. It
// keeps nothing: every method asks first. Safe for concurrent use.
type Process struct {
	Socket haproxy.Socket
	Pair   Pair
}

// Name is the socket's address.
func (p Process) Name() string { return p.Socket.String() }

// Report reads weights, states and counters in one question.
func (p Process) Report(ctx context.Context) (Report, error) {
	reply, err := p.Socket.Ask(ctx, questions(p.Pair, p.Pair.Backend)...)
	if id, found := namesake(reply); err == nil && found {
		reply, err = p.Socket.Ask(ctx, questions(p.Pair, id)...)
	}
	if err != nil {
		return Report{}, err
	}
	r, err := parseReport(reply, p.Pair)
	if err != nil {
		return Report{}, fault.Wrap(fault.ClassOf(err), fmt.Errorf("reading HAProxy at %s: %w", p.Socket, err), fault.HintOf(err))
	}
	return r, nil
}

// writeAttempts is how often Write begins anew when somebody else changes
// weights at the same moment.
const writeAttempts = 3

// Write sets the weights and reads them back. What has its weight already is
// left alone.
func (p Process) Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error {
	if w < traffic.None || w > traffic.All {
		return fault.New(fault.Invalid, "Give a weight from 0 to 100.", "writing weight %d of backend %s: it is no percentage", w, p.Pair.Backend)
	}
	report, err := p.Report(ctx)
	for range writeAttempts {
		if err != nil {
			return err
		}
		if err := p.tell(ctx, f, rewrite(p.Pair, report, w)); err != nil {
			return err
		}
		if report, err = p.Report(ctx); err == nil && report.At(w) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	i := report.instance(p.Name())
	return fmt.Errorf("writing weight %d to HAProxy at %s: it has %d:%d afterwards: somebody else writes, too", w, p.Socket, i.Old, i.New)
}

// Drain takes a side without weight out of service, so that clients that stick
// to it go elsewhere, and cuts its sessions. The next Write that gives the side
// weight takes it back.
func (p Process) Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error {
	r, err := p.Report(ctx)
	if err != nil {
		return err
	}
	if weight := r.weight(side); weight > 0 {
		return fault.New(fault.Refused, "Write the weight first.", "draining the %s side of %s at %s: it has weight %d", side, p.Pair.Backend, p.Socket, weight)
	}
	var commands []string
	for _, server := range r.on(side) {
		if !server.Held {
			commands = append(commands, p.Pair.command(server.Name, "state maint"))
		}
	}
	for _, server := range r.on(side) {
		commands = append(commands, "shutdown sessions server "+p.Pair.Backend+"/"+server.Name)
	}
	return p.tell(ctx, f, commands)
}

// Arm is refused: nobody is there to keep the deadline.
func (p Process) Arm(_ context.Context, silence time.Duration, f traffic.Fence) error {
	if err := f.Check(); err != nil || silence == 0 {
		return err
	}
	return fault.New(fault.Refused, "Run `landfall watchdog` beside it and name the watchdog's address instead, or leave out the dead man.",
		"arming the dead man of HAProxy at %s: its runtime interface cannot watch over Landfall", p.Socket)
}

// Finish leaves all as it is: weights live in the process.
func (p Process) Finish(_ context.Context, f traffic.Fence) error { return f.Check() }

// lineRoom is how much is sent at once, well below HAProxy's default buffer of
// 16,384 bytes, which a line must fit.
const lineRoom = 8 << 10

// tell gives commands that answer nothing when they are obeyed. Without any it
// still asks whether it might.
func (p Process) tell(ctx context.Context, f traffic.Fence, commands []string) error {
	for {
		count, length := 0, 0
		for count < len(commands) && length+len(commands[count]) < lineRoom {
			length += len(commands[count]) + 1
			count++
		}
		if err := f.Check(); err != nil {
			return err
		}
		if count == 0 {
			return nil
		}
		reply, err := p.Socket.Ask(ctx, commands[:count]...)
		if err != nil {
			return err
		}
		if err := obeyed(reply, count); err != nil {
			return fault.Wrap(fault.ClassOf(err), fmt.Errorf("changing backend %s of HAProxy at %s: %w", p.Pair.Backend, p.Socket, err), fault.HintOf(err))
		}
		commands = commands[count:]
	}
}

// obeyed tells whether the reply is an empty line for each command.
func obeyed(reply string, commands int) error {
	complaint := strings.TrimSpace(reply)
	switch {
	case complaint == "" && strings.Count(reply, "\n") >= commands:
		return nil
	case complaint == "":
		return errCutShort
	case strings.Contains(complaint, "Permission denied"):
		return fault.New(fault.Refused, "Give the socket the level of an administrator: `stats socket … level admin`.", "HAProxy says: permission denied")
	case strings.Contains(complaint, "static LB algorithm"):
		return errStatic
	case strings.Contains(complaint, "No such"):
		return fault.New(fault.NotFound, "Was HAProxy reloaded with another configuration?", "HAProxy says: %s", oneLine(complaint))
	}
	return errors.New("HAProxy says: " + oneLine(complaint))
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%.300s", s)), " ")
}

// rewrite are the commands that lead from a report's weights to w. They are
// ordered so that the new side's share is never above both the one before and
// the one after, and one side always has weight: the old side's raises come
// first and its reductions last.
func rewrite(p Pair, r Report, w traffic.Weight) []string {
	oldSide, newSide := r.on(traffic.Old), r.on(traffic.New)
	old, new := shares(w, initials(oldSide), initials(newSide))
	var ready, raises, reductions []string
	set := func(servers []Server, weights []int) (up, down []string) {
		if sum(weights) > 0 && drained(servers) {
			for _, server := range servers {
				ready = append(ready, p.command(server.Name, "state ready"))
			}
		}
		for i, server := range servers {
			command := p.command(server.Name, fmt.Sprintf("weight %d", weights[i]))
			switch {
			case weights[i] > server.Weight:
				up = append(up, command)
			case weights[i] < server.Weight:
				down = append(down, command)
			}
		}
		return up, down
	}
	raises, reductions = set(oldSide, old)
	newRaises, newReductions := set(newSide, new)
	var commands []string
	for _, part := range [][]string{ready, raises, newReductions, newRaises, reductions} {
		commands = append(commands, part...)
	}
	return commands
}

// drained tells whether Drain has taken a side out of service: a person who
// repairs a server takes that one, not all.
func drained(servers []Server) bool {
	for _, server := range servers {
		if !server.Held || server.Weight > 0 {
			return false
		}
	}
	return true
}

func initials(servers []Server) []int {
	weights := make([]int, len(servers))
	for i, server := range servers {
		weights[i] = server.Initial
	}
	return weights
}

// command is one `set server`.
func (p Pair) command(server, what string) string {
	return fmt.Sprintf("set server %s/%s %s", p.Backend, server, what)
}
