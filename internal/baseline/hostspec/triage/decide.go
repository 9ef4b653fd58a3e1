package triage

import (
	"github.com/landfall-dev/landfall/internal/result"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

// ParseDecision reads "PATTERN=CLASS" or "PATTERN=CLASS: REASON". The class is
// after the last "=" that has one behind it, since names of items may hold "=".
func ParseDecision(text string) (hostspec.Decision, error) {
	for i := len(text) - 1; i > 0; i-- {
		if text[i] != '=' {
			continue
		}
		class, reason, _ := strings.Cut(text[i+1:], ":")
		if c := Class(strings.TrimSpace(class)); c.valid() && c != Decide {
			d := hostspec.Decision{Item: text[:i], Class: string(c), Reason: strings.TrimSpace(reason)}
			return d, checkPattern(d.Item)
		}
	}
	return hostspec.Decision{}, fault.New(fault.Invalid, "Write it as KIND/NAME=CLASS, for example cron/root*=platform; classes are image, config, platform, node, store and drop.",
		"reading decision %q: it ends in no class", result.Clean(text))
}

func checkPattern(pattern string) error {
	if _, ok := hostspec.ParseKey(pattern); !ok {
		return fault.New(fault.Invalid, "`landfall spec triage FILE` lists the items as KIND/NAME.", "reading decision: %q is not KIND/NAME", result.Clean(pattern))
	}
	return nil
}

// Keep puts decisions into the document. A decision on the same pattern
// replaces the earlier one. One that matches no item is an error, since it is
// most often a slip.
func Keep(spec *hostspec.Spec, decisions ...hostspec.Decision) error {
	for _, d := range decisions {
		if !Class(d.Class).valid() || Class(d.Class) == Decide {
			return fault.New(fault.Invalid, "", "deciding on %s: %q is no class to decide for", d.Item, d.Class)
		}
		if !slices.ContainsFunc(spec.Items, func(item hostspec.Item) bool { return hostspec.Like(d.Item, item.String()) }) {
			return fault.New(fault.NotFound, "`landfall spec triage FILE` lists the items as KIND/NAME; * stands for any characters.",
				"deciding on %s: the document of %s has no such item", d.Item, spec.Host)
		}
	}
	for _, d := range decisions {
		spec.Decisions = slices.DeleteFunc(spec.Decisions, func(old hostspec.Decision) bool { return old.Item == d.Item })
		spec.Decisions = append(spec.Decisions, d)
	}
	return nil
}
