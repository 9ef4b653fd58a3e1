package cluster

import (
	"fmt"
	"io"
	"strconv"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/capacity"
	"github.com/landfall-dev/landfall/internal/result"
)

// showCapacity writes a table of subnets, one of scenarios, then what would help.
func showCapacity(w io.Writer, q capacity.Question, a capacity.Answer) error {
	if err := showSubnets(w, q, a); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := showScenarios(w, a); err != nil {
		return err
	}
	if len(a.Proposals) > 0 {
		fmt.Fprintln(w, "\nNetworks that would do:")
	}
	for _, p := range a.Proposals {
		where := ""
		if p.Secondary {
			where = ", to be added to the VPC"
		}
		fmt.Fprintf(w, "  %s in %s%s: %s\n", p.CIDR, p.Zone, where, p.Reason)
	}
	for _, note := range a.Notes {
		fmt.Fprintf(w, "\nNote: %s\n", note)
	}
	return nil
}

// showSubnets has a line for each subnet: what it has, what each scenario needs
// of it, and what is left in the worst.
func showSubnets(w io.Writer, q capacity.Question, a capacity.Answer) error {
	header := []string{"subnet", "zone", "network", "total", "reserved", "taken"}
	for _, s := range capacity.Scenarios {
		header = append(header, string(s))
	}
	header = append(header, "free", "verdict")
	var rows [][]string
	for _, subnet := range q.Subnets {
		row := []string{subnet.Name, subnet.Zone, subnet.CIDR.String(), strconv.Itoa(subnet.Size() + capacity.Reserved), strconv.Itoa(capacity.Reserved), strconv.Itoa(subnet.Taken)}
		free := subnet.Size() - subnet.Taken
		for _, scenario := range capacity.Scenarios {
			needed, known := worst(a, scenario, subnet.Name)
			if !known {
				row = append(row, "-")
				continue
			}
			row = append(row, strconv.Itoa(needed))
			free = min(free, subnet.Size()-subnet.Taken-needed)
		}
		verdict := "fits"
		if free < 0 {
			verdict = "too small"
		}
		rows = append(rows, append(row, strconv.Itoa(free), verdict))
	}
	return command.Rows(w, header, rows)
}

// worst is how many addresses a scenario needs of a subnet at most: of the zones
// that may be lost the worst counts.
func worst(a capacity.Answer, scenario capacity.Scenario, subnet string) (needed int, known bool) {
	for _, s := range a.Scenarios {
		if s.Scenario != scenario {
			continue
		}
		for _, in := range s.Subnets {
			if in.Name == subnet {
				needed, known = max(needed, in.Needed), true
			}
		}
	}
	return needed, known
}

func showScenarios(w io.Writer, a capacity.Answer) error {
	var rows [][]string
	for _, s := range a.Scenarios {
		name := string(s.Scenario)
		if s.Lost != "" {
			name += ": " + s.Lost
		}
		fits := map[result.Answer]string{result.Holds: "fits", result.Fails: "does not fit", result.Unknown: "unknown"}[s.Answer]
		rows = append(rows, []string{name, strconv.Itoa(s.Nodes), strconv.Itoa(s.Pods), fits, s.Reason})
	}
	return command.Rows(w, []string{"scenario", "nodes", "pods", "verdict", "reason"}, rows)
}
