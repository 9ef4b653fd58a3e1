// Package preflight tells what will break on a cluster before anything moves
// there: what the objects of one cluster ask for that the other does not have.
//
// Both sides are read once (read.go) into snapshots; each check is a small pure
// function over them, and finds things. What could not be read is a finding,
// too: nothing is passed over in silence. Start at Look and at the list of
// checks.
package preflight

import (
	"context"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Options say what would move.
type Options struct {
	// Selection of what moves: everything but the system's by default.
	Selection transfer.Selection
	// Rename gives namespaces another name on the target, old to new.
	Rename map[string]string
	// Skip names checks that are not made; see Checks.
	Skip []string
}

// check is one thing that is looked at. find gets what was read and changes
// nothing of it.
type check struct {
	name, about string
	// needs are kinds of the target, without which nothing can be told: that
	// something is not in a list that could not be read says nothing.
	needs string
	find  func(w *world) []Finding
}

// Kinds that checks need, as transfer.Unreadable names them.
const (
	needsNodes   = "Node"
	needsClasses = "StorageClass.storage.k8s.io CSINode.storage.k8s.io IngressClass.networking.k8s.io GatewayClass.gateway.networking.k8s.io " +
		"PriorityClass.scheduling.k8s.io RuntimeClass.node.k8s.io"
	needsWebhooks = "ValidatingWebhookConfiguration.admissionregistration.k8s.io MutatingWebhookConfiguration.admissionregistration.k8s.io " +
		"EndpointSlice.discovery.k8s.io Namespace"
)

// checks in the order in which people want to read what they find.
var checks = []check{
	{"apis", "kinds and API versions that the target does not serve", "", findAPIs},
	{"versions", "what Kubernetes changed between the versions of the two sides", needsNodes, findVersions},
	{"classes", "storage, ingress, gateway, priority and runtime classes", needsClasses, findClasses},
	{"scheduling", "pods that no node of the target takes", needsNodes, findScheduling},
	{"spread", "replicas that cannot be spread as they ask to be", needsNodes, findSpread},
	{"room", "CPU, memory and pods in sum", needsNodes + " Pod", findRoom},
	{"ports", "host ports and node ports that are taken", needsNodes + " Pod Service", findPorts},
	{"architecture", "images that do not run on the nodes' processors", needsNodes, findArchitecture},
	{"images", "images that cannot be pulled", "", findImages},
	{"podsecurity", "pods that the namespaces' Pod Security Standards refuse", "Namespace", findPodSecurity},
	{"quotas", "ResourceQuotas and LimitRanges of the target", "ResourceQuota LimitRange", findQuotas},
	{"webhooks", "admission webhooks that would refuse everything", needsWebhooks, findWebhooks},
	{"disruption", "PodDisruptionBudgets that let no node be drained", "", findDisruption},
	{"services", "load balancers, addresses and hostnames", "Service Ingress.networking.k8s.io", findServices},
	{"volumes", "volumes, whose data is not copied", "", findVolumes},
	{"identity", "service accounts that a cloud knows by the old cluster", "", findIdentity},
	{"addresses", "addresses of the old cluster that are written down", "", findAddresses},
	{"nodegroups", "known limits of managed node groups", needsNodes, findNodeGroups},
	{"reading", "parts of either side that could not be read", "", findUnreadable},
}

// Checks gives the names of all checks, and what each is about.
func Checks() (names []string, about map[string]string) {
	about = map[string]string{}
	for _, c := range checks {
		names, about[c.name] = append(names, c.name), c.about
	}
	return names, about
}

// world is what the checks look at.
type world struct {
	from, to *snapshot
	in       *incoming
	// placed is what place found out.
	placed map[*workload]placement
	// images are what registries said.
	images map[pull]pulled
}

// Look reads both sides and tells what will break. Neither side is changed. An
// error means that a side could not be read at all; parts that could not be
// read are findings.
func Look(ctx context.Context, from, to *transfer.Cluster, o Options, reporter progress.Reporter) (*Report, error) {
	for _, name := range o.Skip {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) {
			names, _ := Checks()
			return nil, fault.New(fault.Invalid, "There are: "+strings.Join(names, ", ")+".", "skipping check %q: there is none", name)
		}
	}
	w, err := read(ctx, from, to, o, reporter)
	if err != nil {
		return nil, err
	}
	return w.judge(o.Skip), nil
}

// judge makes all checks but those skipped.
func (w *world) judge(skip []string) *Report {
	r := &Report{
		From: w.from.name, To: w.to.name, FromVersion: w.from.version, ToVersion: w.to.version,
		Objects: w.in.count, Workloads: len(w.in.workloads), Checks: []string{},
	}
	var found []Finding
	for _, c := range checks {
		if slices.Contains(skip, c.name) {
			r.Skipped = append(r.Skipped, c.name)
			continue
		}
		r.Checks = append(r.Checks, c.name)
		find := c.find
		if missing := w.to.missing(c.needs); missing != "" {
			find = func(*world) []Finding { return notLooked(w.to.name, missing) }
		}
		for _, f := range find(w) {
			f.Check = c.name
			found = append(found, f)
		}
	}
	r.Findings = merge(found)
	r.Answer = answer(r.Findings)
	return r
}

// missing gives a kind of those needed that could not be read; empty if all
// could.
func (s *snapshot) missing(needs string) string {
	for kind := range strings.FieldsSeq(needs) {
		if slices.ContainsFunc(s.unreadable, func(u transfer.Unreadable) bool { return u.What == kind }) {
			return kind
		}
	}
	return ""
}

// notLooked is all that a check can tell without what it needs.
func notLooked(cluster, kind string) []Finding {
	return []Finding{{
		Severity: Unknown,
		What:     "nothing of this could be looked at: the objects of " + kind + " of " + cluster + " could not be read",
		Remedy:   "Look with credentials that may list them.",
	}}
}

// findUnreadable tells what is not known, since it could not be read.
func findUnreadable(w *world) []Finding {
	var found []Finding
	for _, side := range []struct {
		cluster string
		parts   []transfer.Unreadable
	}{{w.from.name, w.from.unreadable}, {w.from.name, w.in.unreadable}, {w.to.name, w.to.unreadable}} {
		for _, part := range side.parts {
			found = append(found, Finding{
				Severity: Unknown,
				Objects:  []string{"cluster " + side.cluster},
				What:     part.What + " could not be read: " + part.Reason,
				Remedy:   "Look with credentials that may list it (kubectl auth can-i list), and repair aggregated APIs that are down (kubectl get apiservices).",
			})
		}
	}
	return found
}
