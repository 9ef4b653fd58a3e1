package netpol

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/landfall-dev/landfall/localkube/internal/netns"
)

// node is the network namespace of one node. A namespace that was made anew
// under the same name has another inode, and needs its rules again.
type node struct {
	name  string
	inode uint64
}

// namedNamespaces returns a function that lists the live network namespaces
// whose names match the pattern.
func namedNamespaces(pattern string) func() ([]node, error) {
	return func() ([]node, error) {
		paths, err := filepath.Glob(netns.Path(pattern))
		if err != nil {
			return nil, fmt.Errorf("listing network namespaces %s: %w", pattern, err)
		}
		var nodes []node
		for _, path := range paths {
			name := filepath.Base(path)
			info, err := os.Stat(path)
			if err != nil || !netns.Exists(name) {
				continue // gone between the listing and now
			}
			nodes = append(nodes, node{name: name, inode: info.Sys().(*syscall.Stat_t).Ino})
		}
		slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.name, b.name) })
		return nodes, nil
	}
}

// program sets the rules of the node.
func (n node) program(around surroundings, rules *ruleset) error {
	if err := netns.Do(n.name, filterBridged); err != nil {
		return err
	}
	file, err := os.Open(netns.Path(n.name))
	if err != nil {
		return fmt.Errorf("entering network namespace: %w", err)
	}
	defer file.Close()
	return program(int(file.Fd()), around, rules)
}
