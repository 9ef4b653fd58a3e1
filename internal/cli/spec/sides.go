package spec

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

// side is one of those that are compared: a target whose facts are captured,
// or a document.
type side struct {
	name     string
	target   target.Target
	document string
}

// sides reads arguments that are targets or documents, and --targets.
func (f *targetFlags) sides(c *command.Context, args []string) ([]side, error) {
	var sides []side
	var places []string
	for _, arg := range args {
		if isDocument(arg) {
			sides = append(sides, side{name: nameOf(arg), document: arg})
		} else {
			places = append(places, arg)
		}
	}
	if len(places) == 0 && f.file == "" && len(sides) > 0 {
		return sides, nil
	}
	targets, err := f.targets(c, places)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		sides = append(sides, side{name: t.Name(), target: t})
	}
	return sides, nil
}

// label gives sides the shortest names that tell them apart: of hosts over SSH
// just the host.
func label(sides []side) {
	short := make([]string, len(sides))
	times := map[string]int{}
	for i, s := range sides {
		short[i] = s.name
		if rest, ssh := strings.CutPrefix(s.name, "ssh://"); ssh {
			short[i] = rest[strings.LastIndexByte(rest, '@')+1:]
		}
		times[short[i]]++
	}
	for i := range sides {
		if times[short[i]] == 1 {
			sides[i].name = short[i]
		}
	}
}

// nameOf is what a document is called in output.
func nameOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// eachSide reads the facts of all sides, parallel at once, makes of each what
// is to be known of it, and hands that over in the order of sides. What one
// cannot give does not stop the others: digest gets the error. Facts are free
// again when they are digested.
func eachSide[T any](ctx context.Context, c *command.Context, sides []side, parallel int, options capture.Options,
	digest func(facts *hostspec.Spec, err error) T, visit func(name string, digested T) error,
) error {
	var targets []target.Target
	var places []int
	for i, s := range sides {
		if s.target != nil {
			targets, places = append(targets, s.target), append(places, i)
		}
	}
	early, next := map[int]T{}, 0
	// advance visits those whose turn it is and that are known.
	advance := func() error {
		for ; next < len(sides); next++ {
			digested, ready := early[next]
			if !ready && sides[next].target != nil {
				return nil
			}
			if !ready {
				digested = digest(readDocument(c, sides[next].document))
			}
			delete(early, next)
			if err := visit(sides[next].name, digested); err != nil {
				return err
			}
		}
		return nil
	}
	if err := advance(); err != nil || len(targets) == 0 {
		return err
	}
	return capture.Many(ctx, targets, parallel, options, c.Progress(), func(i int, facts *hostspec.Spec, err error) error {
		early[places[i]] = digest(facts, err)
		return advance()
	})
}
