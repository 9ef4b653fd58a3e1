package kube

import (
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Action is what happened to one object.
type Action string

// Actions. A dry run says what would happen.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Deleted    Action = "deleted"
	// Terminating: deletion was asked for, but finalizers hold the object.
	Terminating Action = "terminating"
	// Skipped: nothing was done, for the reason given.
	Skipped Action = "skipped"
)

// Change is what happened to one object.
type Change struct {
	Object v1alpha1.ObjectRef
	Action Action
	// Reason an object was skipped, or what holds one that terminates.
	Reason string
}

// String reads "Deployment shop/web configured".
func (c Change) String() string {
	text := Describe(c.Object) + " " + string(c.Action)
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	return text
}

// ChangeSet is what happened to each of several objects, in the order in which
// they were handled.
type ChangeSet []Change

// String has one line per object.
func (s ChangeSet) String() string {
	lines := make([]string, len(s))
	for i, c := range s {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// Counts sums the set up. Objects still terminating count as deleted.
func (s ChangeSet) Counts() v1alpha1.ChangeCounts {
	var counts v1alpha1.ChangeCounts
	for _, c := range s {
		switch c.Action {
		case Created:
			counts.Created++
		case Configured:
			counts.Configured++
		case Unchanged:
			counts.Unchanged++
		case Deleted, Terminating:
			counts.Deleted++
		}
	}
	return counts
}

// Of gives the changes with one of the actions.
func (s ChangeSet) Of(actions ...Action) ChangeSet {
	var found ChangeSet
	for _, c := range s {
		for _, a := range actions {
			if c.Action == a {
				found = append(found, c)
			}
		}
	}
	return found
}
