// Package velero lets Velero carry objects and volumes from one cluster to
// another, where both have it and share a place for backups: a Backup there, a
// Restore here, followed to their ends, with what Velero says of them. It knows
// Velero by its objects alone. Start at Carry.
package velero

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Label of the Backups and Restores of one transfer: a run that was broken off
// is found by it and followed to its end.
const Label = "landfall.dev/velero-transfer"

// namespace that Velero is installed in, and its objects are in.
const defaultNamespace = "velero"

// Times that Velero is given.
const (
	// visible is how long a backup may take to be seen by the other side: Velero
	// looks once a minute.
	visible = 10 * time.Minute
	look    = time.Second
	// silent is after how long without news people are told.
	silent = 2 * time.Minute
)

// Velero's kinds that are used.
var (
	backups   = resource("backups")
	restores  = resource("restores")
	locations = resource("backupstoragelocations")
	downloads = resource("downloadrequests")
)

func resource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: name}
}

// Options say what is carried.
type Options struct {
	// Namespaces of the source; all but the system's and Velero's if empty.
	Namespaces []string
	// Labels that objects must have, all of them.
	Labels map[string]string
	// Rename has new names of namespaces by old ones.
	Rename map[string]string
	// Without are resources that are left out, as in cronjobs.batch.
	Without []string
	// Update overwrites what is there and differs; without it that is kept, and
	// Velero warns.
	Update bool
	// Namespace of Velero; "velero" if empty.
	Namespace string
	// Clock names the backup; time.Now if nil.
	Clock func() time.Time
}

// Report is what Velero did.
type Report struct {
	Location string   `json:"location"`
	Backup   Progress `json:"backup"`
	Restore  Progress `json:"restore"`
	// Messages are Velero's warnings and errors, as far as they could be read.
	Messages []Message `json:"messages,omitempty"`
}

// Progress is how far a Backup or Restore is.
type Progress struct {
	Name     string `json:"name"`
	Phase    string `json:"phase"`
	Items    int64  `json:"items"`
	Total    int64  `json:"total,omitempty"`
	Warnings int64  `json:"warnings"`
	Errors   int64  `json:"errors"`
	// Reason it failed, where Velero gives one.
	Reason string `json:"reason,omitempty"`
}

// Carry has Velero back up the source and restore into the target. A run that
// was broken off goes on where Velero is; one that has ended is followed by a
// new one. The source gets a Backup object and nothing else.
//
// What Velero could not carry is an error of class Failed, with the report.
func Carry(ctx context.Context, from, to *transfer.Cluster, o Options, reporter progress.Reporter) (*Report, error) {
	r := &run{from: from, to: to, o: o, report: &Report{}}
	r.complete()
	for _, step := range []struct {
		name string
		do   func(context.Context, progress.Step) error
	}{
		{"finding a place for backups that both use", r.findLocation},
		{"backup of " + from.Name, r.backUp},
		{"waiting until " + to.Name + " sees the backup", r.awaitBackup},
		{"restore into " + to.Name, r.restore},
	} {
		s := reporter.Step(step.name)
		if err := step.do(ctx, s); err != nil {
			s.Fail(err)
			return r.report, err
		}
	}
	return r.report, r.failure()
}

// run is one transfer by Velero.
type run struct {
	from, to *transfer.Cluster
	o        Options
	report   *Report
	// id is of what is carried from where to where.
	id string
}

func (r *run) complete() {
	if r.o.Namespace == "" {
		r.o.Namespace = defaultNamespace
	}
	if r.o.Clock == nil {
		r.o.Clock = time.Now
	}
	slices.Sort(r.o.Namespaces)
	slices.Sort(r.o.Without)
	text, _ := json.Marshal([]any{r.from.Name, r.to.Name, r.o.Namespaces, r.o.Labels, r.o.Rename, r.o.Without}) // texts become JSON
	sum := sha256.Sum256(text)
	r.id = hex.EncodeToString(sum[:6])
}

// failure is what Velero could not carry.
func (r *run) failure() error {
	for _, p := range []struct {
		what string
		Progress
	}{{"backup of cluster " + r.from.Name, r.report.Backup}, {"restore into cluster " + r.to.Name, r.report.Restore}} {
		switch {
		case p.Errors > 0:
			first := ""
			for _, m := range r.report.Messages {
				if m.Severity == Error {
					first = ", first " + m.String()
					break
				}
			}
			return fault.New(fault.Failed, "Repair it and run the same command again; `velero restore describe "+r.report.Restore.Name+" --details` says more.",
				"carrying by Velero: %s %s: %d errors%s", p.what, p.Name, p.Errors, first)
		case p.Phase != completed:
			return fault.New(fault.Failed, "Velero's log says more: kubectl -n "+r.o.Namespace+" logs deploy/velero", "carrying by Velero: %s %s is %s: %s", p.what, p.Name, p.Phase, p.Reason)
		}
	}
	return nil
}

// Installed tells whether both clusters have Velero's kinds.
func Installed(ctx context.Context, clusters ...*transfer.Cluster) (bool, error) {
	for _, c := range clusters {
		served, _, err := c.Resources(ctx)
		if err != nil {
			return false, err
		}
		for _, name := range []string{"Backup", "Restore", "BackupStorageLocation"} {
			if _, ok := served[schema.GroupKind{Group: "velero.io", Kind: name}]; !ok {
				return false, nil
			}
		}
	}
	return true, nil
}

// Shares tells whether both clusters have Velero and a place for backups that
// both use.
func Shares(ctx context.Context, from, to *transfer.Cluster, namespace string) (bool, error) {
	if has, err := Installed(ctx, from, to); err != nil || !has {
		return false, err
	}
	r := &run{from: from, to: to, o: Options{Namespace: namespace}, report: &Report{}}
	r.complete()
	found, err := r.shared(ctx)
	return found != "", err
}

func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
