// Package access gives people their way to clusters: which contexts a
// kubeconfig shall have, and how it gets them without losing anything that
// somebody else wrote into it.
//
// A context of Landfall's carries a mark, an extension in the kubeconfig, which
// says whose it is. Only what is marked is ever changed or removed. Start at
// Contexts for what there shall be, and at Files.Edit for how it is written.
package access

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"
)

// Extension is the name of the mark in a kubeconfig.
const Extension = "landfall.dev/access"

// Mark says whose a context, cluster or user in a kubeconfig is, and what for.
type Mark struct {
	// Source that keeps the entry up to date: the URL of a management cluster's
	// API server, SourceLocal, or what else a command has chosen. Others leave the
	// entry alone.
	Source string `json:"source"`
	// Via is the context that leads to the source.
	Via     string `json:"via,omitempty"`
	Cluster string `json:"cluster"`
	Role    string `json:"role,omitempty"`
	// Alias marks the contexts named latest.
	Alias bool `json:"alias,omitempty"`
}

// Source keeps contexts up to date.
type Source struct {
	// Name tells sources apart; see Mark.
	Name string
	// Via is the context that leads to it, if one does.
	Via string
}

// Cluster is what has to be known of a cluster to give access to it.
type Cluster struct {
	Name   string
	Server api.Cluster
	// Ready clusters are handed out.
	Ready bool
	// Latest is said to be the latest; see Contexts for when none or many are.
	Latest  bool
	Created time.Time
	// Roles that the person has, the preferred first.
	Roles []Role
	// Unknown says why it cannot be told what the cluster is like. What there is
	// of it in a kubeconfig stays.
	Unknown string
}

// Role is one way to log in to a cluster.
type Role struct {
	Name  string
	Login api.AuthInfo
	// Unusable says why nobody can be let in by it; there is no Login then.
	Unusable string
}

// Entry is a context with the cluster and the user that it needs.
type Entry struct {
	Context string
	Mark    Mark
	// ServerName and LoginName are the names of the cluster and the user entry.
	ServerName string
	Server     api.Cluster
	LoginName  string
	Login      api.AuthInfo
}

// Note says why there is no context although one might be expected.
type Note struct {
	Cluster string `json:"cluster"`
	Role    string `json:"role,omitempty"`
	Reason  string `json:"reason"`
	// Unknown: it is not known whether there should be one.
	Unknown bool `json:"unknown,omitempty"`
}

// Alias is the context of the latest cluster.
const Alias = "latest"

// Contexts are those that a kubeconfig shall have, given the clusters: for each
// that is ready CLUSTER-ROLE for each role, and for the latest of them latest,
// with its first role, and latest-ROLE.
//
// The latest is the newest that says so, or the newest of all. Of clusters that
// nothing is known of everything stays as it is, the alias too unless another
// says that it is the latest.
func Contexts(source Source, clusters []Cluster) (Edit, []Note) {
	clusters = slices.Clone(clusters)
	slices.SortFunc(clusters, func(a, b Cluster) int { return cmp.Compare(a.Name, b.Name) })
	edit := Edit{Source: source.Name, unknown: map[string]bool{}}
	var notes []Note
	taken := map[string]Mark{}
	add := func(e Entry) {
		if other, twice := taken[e.Context]; twice {
			notes = append(notes, Note{Cluster: e.Mark.Cluster, Role: e.Mark.Role, Reason: "context " + e.Context + " is that of role " + other.Role + " on cluster " + other.Cluster + " already"})
			return
		}
		taken[e.Context] = e.Mark
		edit.Want = append(edit.Want, e)
	}
	latest, keepAlias := latestOf(clusters)
	edit.keepAlias = keepAlias
	for i, role := range latest.Roles {
		if role.Unusable != "" {
			continue
		}
		if i == 0 || !slices.ContainsFunc(latest.Roles[:i], func(r Role) bool { return r.Unusable == "" }) {
			add(alias(source, latest, role, Alias))
		}
		add(alias(source, latest, role, Alias+"-"+role.Name))
	}
	for _, cluster := range clusters {
		switch {
		case cluster.Unknown != "":
			edit.unknown[cluster.Name] = true
			notes = append(notes, Note{Cluster: cluster.Name, Reason: cluster.Unknown, Unknown: true})
			continue
		case !cluster.Ready:
			notes = append(notes, Note{Cluster: cluster.Name, Reason: "it is not ready"})
			continue
		case len(cluster.Roles) == 0:
			notes = append(notes, Note{Cluster: cluster.Name, Reason: "none of its roles is yours"})
		}
		for _, role := range cluster.Roles {
			if role.Unusable != "" {
				notes = append(notes, Note{Cluster: cluster.Name, Role: role.Name, Reason: role.Unusable})
				continue
			}
			add(entry(source, cluster, role, cluster.Name+"-"+role.Name))
		}
	}
	return edit, notes
}

// latestOf gives the cluster that the alias leads to, the zero one if there is
// none; keep says that the alias that there is stays.
func latestOf(clusters []Cluster) (latest Cluster, keep bool) {
	for _, c := range clusters {
		if c.Unknown != "" {
			keep = true
			continue
		}
		newer := c.Created.After(latest.Created) || latest.Name == ""
		if c.Ready && (c.Latest && !latest.Latest || c.Latest == latest.Latest && newer) {
			latest = c
		}
	}
	if keep && !latest.Latest {
		return Cluster{}, true
	}
	return latest, false
}

func entry(source Source, cluster Cluster, role Role, context string) Entry {
	return Entry{
		Context:    context,
		Mark:       Mark{Source: source.Name, Via: source.Via, Cluster: cluster.Name, Role: role.Name},
		ServerName: "landfall:" + cluster.Name, Server: cluster.Server,
		// Neither names of clusters nor of roles have a slash: no two share a user.
		LoginName: "landfall:" + cluster.Name + "/" + role.Name, Login: role.Login,
	}
}

func alias(source Source, cluster Cluster, role Role, context string) Entry {
	e := entry(source, cluster, role, context)
	e.Mark.Alias = true
	return e
}
