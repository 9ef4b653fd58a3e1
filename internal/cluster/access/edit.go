package access

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit is what a source wants of a kubeconfig.
type Edit struct {
	// Source whose entries these are.
	Source string
	// Want are the contexts that there shall be.
	Want []Entry
	// Only, if not nil, are the clusters that the edit is about: what the source
	// has of others stays.
	Only []string
	// Claim are names of contexts, clusters and users that are the source's
	// although they carry no mark.
	Claim []string
	// Use makes a context the current one, if it is not empty and there is such a
	// context.
	Use string

	// unknown clusters keep what they have; keepAlias does so for the aliases.
	unknown   map[string]bool
	keepAlias bool
}

// What happened to a context.
const (
	Added     = "added"
	Changed   = "changed"
	Unchanged = "unchanged"
	Removed   = "removed"
	// Kept: it is not known whether it should be there.
	Kept = "kept"
	// Skipped: the name is somebody else's.
	Skipped = "skipped"
)

// Change says what happened to a context.
type Change struct {
	Context string `json:"context"`
	Cluster string `json:"cluster"`
	Role    string `json:"role,omitempty"`
	Change  string `json:"change"`
	// Reason for what is not as it was asked for, or what is different now.
	Reason string `json:"reason,omitempty"`
}

// stays says that an entry of the source's stays though it is not wanted.
func (e Edit) stays(m Mark) bool {
	if e.Only != nil && !slices.Contains(e.Only, m.Cluster) {
		return true
	}
	if m.Alias {
		return e.keepAlias
	}
	return e.unknown[m.Cluster]
}

// apply edits the documents of a kubeconfig: what is wanted goes into target,
// what is no longer wanted goes wherever it is. It gives the changes, the
// contexts wanted first.
func (e Edit) apply(target *document, all []*document) ([]Change, error) {
	changes := make([]Change, len(e.Want))
	before := make([]way, len(e.Want))
	for i, entry := range e.Want {
		before[i] = wayOf(all, entry.Context)
	}
	wanted := map[string]bool{}
	for i, entry := range e.Want {
		changes[i] = Change{Context: entry.Context, Cluster: entry.Mark.Cluster, Role: entry.Mark.Role}
		skipped, err := e.put(entry, target, all)
		if err != nil {
			return nil, err
		}
		if skipped != "" {
			changes[i].Change, changes[i].Reason = Skipped, skipped
			continue
		}
		for _, name := range []string{entry.Context, entry.ServerName, entry.LoginName} {
			wanted[name] = true
		}
	}
	removed := e.sweep(target, all, wanted)
	for i := range changes {
		if changes[i].Change != Skipped {
			changes[i].Change, changes[i].Reason = before[i].became(wayOf(all, changes[i].Context))
		}
	}
	changes = append(changes, removed...)
	e.point(target, all, changes)
	return changes, nil
}

// put writes an entry into target, unless one of its names is another's.
func (e Edit) put(entry Entry, target *document, all []*document) (skipped string, err error) {
	nodes, err := entry.nodes()
	if err != nil {
		return "", fmt.Errorf("describing context %s: %w", entry.Context, err)
	}
	for _, d := range all {
		for _, n := range nodes {
			if owner, foreign := e.foreign(d, n); foreign {
				return fmt.Sprintf("%s %s in %s is %s", n.list.singular, n.name, d.path, owner), nil
			}
		}
	}
	for _, n := range nodes {
		target.put(n)
	}
	return "", nil
}

// way is what a context means: what it leads to, and how one gets in.
type way struct {
	there                  bool
	cluster                string
	context, server, login any
}

// wayOf reads a context and what it names, each from the first file that has it.
func wayOf(all []*document, name string) way {
	read := func(l list, name string) (body *yaml.Node, meaning any) {
		for _, d := range all {
			if body = d.body(l, name); body != nil {
				_ = body.Decode(&meaning) // what cannot be read is like nothing else
				return body, meaning
			}
		}
		return nil, nil
	}
	body, meaning := read(contexts, name)
	w := way{there: body != nil, context: meaning}
	_, w.server = read(servers, text(body, "cluster"))
	_, w.login = read(logins, text(body, "user"))
	w.cluster = text(body, "cluster")
	return w
}

// became says what is different afterwards.
func (w way) became(after way) (change, reason string) {
	switch {
	case !w.there:
		return Added, ""
	case reflect.DeepEqual(w, after):
		return Unchanged, ""
	case w.cluster != after.cluster:
		return Changed, "it led to " + strings.TrimPrefix(w.cluster, "landfall:")
	case !reflect.DeepEqual(w.server, after.server):
		return Changed, "the server or its certificate authority is another"
	case !reflect.DeepEqual(w.login, after.login):
		return Changed, "the login is another"
	}
	return Changed, "the context is another"
}

// foreign says that the entry of that name is not the source's, and whose it is.
func (e Edit) foreign(d *document, n named) (owner string, foreign bool) {
	there := d.find(n.list, n.name)
	if there == nil {
		return "", false
	}
	mark, marked := markOf(there, n.list)
	switch {
	case e.owns(mark, marked, n.name):
		return "", false
	case marked:
		return "kept by " + mark.Source, true
	}
	return "not Landfall's", true
}

// owns says that an entry, marked or not, is the source's.
func (e Edit) owns(m Mark, marked bool, name string) bool {
	return marked && m.Source == e.Source || !marked && slices.Contains(e.Claim, name)
}

// sweep removes what the source has and does not want.
func (e Edit) sweep(target *document, all []*document, wanted map[string]bool) []Change {
	var changes []Change
	for _, d := range all {
		for _, list := range lists {
			for _, entry := range d.entries(list) {
				mark, marked := markOf(entry, list)
				name := text(entry, "name")
				// A copy in another file than the target's is a leftover.
				if !e.owns(mark, marked, name) || wanted[name] && d == target {
					continue
				}
				change := Change{Context: name, Cluster: mark.Cluster, Role: mark.Role, Change: Removed}
				if !wanted[name] && (marked && e.stays(mark) || used(all, list, name)) {
					change.Change = Kept
				} else {
					d.remove(list, name)
				}
				if list == contexts && !wanted[name] && (change.Change == Removed || e.Only == nil) {
					changes = append(changes, change)
				}
			}
		}
	}
	return changes
}

// used says that a context needs the cluster or user, be it somebody's own.
// Contexts go first, so these are contexts that stay.
func used(all []*document, l list, name string) bool {
	return l != contexts && slices.ContainsFunc(all, func(d *document) bool {
		return slices.ContainsFunc(d.entries(contexts), func(entry *yaml.Node) bool {
			return text(value(entry, contexts.singular), l.singular) == name
		})
	})
}

// point sets the current context. One that was removed is no longer current,
// and no other takes its place unasked: commands must not silently go elsewhere.
func (e Edit) point(target *document, all []*document, changes []Change) {
	for _, c := range changes {
		for _, d := range all {
			if c.Change == Removed && d.current() == c.Context {
				d.setCurrent("")
			}
		}
	}
	if e.Use == "" || !slices.ContainsFunc(all, func(d *document) bool { return d.find(contexts, e.Use) != nil }) {
		return
	}
	// The first file that has a current context decides.
	for _, d := range all {
		if d == target || d.current() != "" {
			d.setCurrent(e.Use)
			return
		}
	}
}
