package velero

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// completed is the phase in which everything went well.
const completed = "Completed"

// systemNamespaces are each cluster's own.
var systemNamespaces = []string{"kube-system", "kube-public", "kube-node-lease"}

// findLocation finds the place for backups that both sides use.
func (r *run) findLocation(ctx context.Context, step progress.Step) error {
	found, err := r.shared(ctx)
	if err != nil {
		return err
	}
	if found == "" {
		return fault.New(fault.Refused, "Give both a BackupStorageLocation with the same provider, bucket and prefix, and wait until it is Available.",
			"carrying by Velero: clusters %s and %s share no place for backups that is available on both", r.from.Name, r.to.Name)
	}
	r.report.Location = found
	step.Done("%s", found)
	return nil
}

// shared gives the name in the source of a location that both use; "" for none.
func (r *run) shared(ctx context.Context) (string, error) {
	here, err := r.places(ctx, r.from)
	if err != nil {
		return "", err
	}
	there, err := r.places(ctx, r.to)
	if err != nil {
		return "", err
	}
	for _, place := range slices.Sorted(maps.Keys(here)) {
		if there[place] != "" {
			return here[place], nil
		}
	}
	return "", nil
}

// places are the names of a cluster's available locations, by what they lead to.
func (r *run) places(ctx context.Context, c *transfer.Cluster) (map[string]string, error) {
	list, err := c.Objects(locations, r.o.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fault.Wrap(fault.Failed, fmt.Errorf("reading the BackupStorageLocations of cluster %s: %w", c.Name, err), "Install Velero there, or transfer with --velero=never.")
	}
	found := map[string]string{}
	for _, u := range list.Items {
		if text(u, "status", "phase") != "Available" {
			continue
		}
		place := strings.Join([]string{text(u, "spec", "provider"), text(u, "spec", "objectStorage", "bucket"), text(u, "spec", "objectStorage", "prefix"),
			text(u, "spec", "config", "s3Url"), text(u, "spec", "config", "path")}, " ")
		found[place] = u.GetName()
	}
	return found, nil
}

// backUp makes the Backup, or finds that of a run that was broken off.
func (r *run) backUp(ctx context.Context, step progress.Step) error {
	api := r.from.Objects(backups, r.o.Namespace)
	name, err := r.unfinished(ctx)
	if err != nil {
		return err
	}
	if name == "" {
		made, err := api.Create(ctx, r.backup(), metav1.CreateOptions{FieldManager: "landfall-transfer"})
		if err != nil {
			return fmt.Errorf("creating a Backup in cluster %s: %w", r.from.Name, err)
		}
		name = made.GetName()
	}
	if r.report.Backup, err = follow(ctx, api, name, "itemsBackedUp", step); err != nil {
		return fmt.Errorf("following Backup %s of cluster %s: %w", name, r.from.Name, err)
	}
	if p := r.report.Backup; p.Phase == "Failed" || p.Phase == "FailedValidation" {
		return r.failure()
	}
	step.Done("%s %s, %s", name, r.report.Backup.Phase, count(r.report.Backup.Items, "item"))
	return nil
}

// unfinished gives the newest Backup of this transfer that no Restore has ended
// of; "" for none.
func (r *run) unfinished(ctx context.Context) (string, error) {
	mine := metav1.ListOptions{LabelSelector: Label + "=" + r.id}
	made, err := r.from.Objects(backups, r.o.Namespace).List(ctx, mine)
	if err != nil {
		return "", fmt.Errorf("reading the Backups of cluster %s: %w", r.from.Name, err)
	}
	restored, err := r.to.Objects(restores, r.o.Namespace).List(ctx, mine)
	if err != nil {
		return "", fmt.Errorf("reading the Restores of cluster %s: %w", r.to.Name, err)
	}
	done := map[string]bool{}
	for _, u := range restored.Items {
		if ended(text(u, "status", "phase")) {
			done[text(u, "spec", "backupName")] = true
		}
	}
	newest := ""
	for _, u := range made.Items {
		phase := text(u, "status", "phase")
		if !done[u.GetName()] && u.GetName() > newest && !strings.HasPrefix(phase, "Failed") && phase != "Deleting" {
			newest = u.GetName()
		}
	}
	return newest, nil
}

// backup is the object to create.
func (r *run) backup() *unstructured.Unstructured {
	spec := map[string]any{"storageLocation": r.report.Location, "includedNamespaces": list(r.o.Namespaces), "excludedResources": list(r.o.Without)}
	if len(r.o.Namespaces) == 0 {
		spec["includedNamespaces"] = []any{"*"}
		spec["excludedNamespaces"] = list(append([]string{r.o.Namespace}, systemNamespaces...))
	}
	if len(r.o.Labels) > 0 {
		spec["labelSelector"] = map[string]any{"matchLabels": stringMap(r.o.Labels)}
	}
	return r.object("Backup", "landfall-"+r.id+"-"+r.o.Clock().UTC().Format("20060102150405"), spec)
}

// awaitBackup waits until the target's Velero has found the backup.
func (r *run) awaitBackup(ctx context.Context, step progress.Step) error {
	name := r.report.Backup.Name
	err := wait.PollUntilContextTimeout(ctx, look, visible, true, func(ctx context.Context) (bool, error) {
		u, err := r.to.Objects(backups, r.o.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && ended(text(*u, "status", "phase")), err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fault.New(fault.Failed, "Look at the target's Velero, and run the same command again: it goes on.", "waiting for cluster %s to see backup %s: not within %s", r.to.Name, name, visible)
	}
	if err != nil {
		return fmt.Errorf("waiting for cluster %s to see backup %s: %w", r.to.Name, name, err)
	}
	step.Done("%s", name)
	return nil
}

// restore makes the Restore and follows it; one that is there is followed.
func (r *run) restore(ctx context.Context, step progress.Step) error {
	api := r.to.Objects(restores, r.o.Namespace)
	name := r.report.Backup.Name
	policy := "none"
	if r.o.Update {
		policy = "update"
	}
	object := r.object("Restore", name, map[string]any{"backupName": name, "namespaceMapping": stringMap(r.o.Rename), "existingResourcePolicy": policy})
	if _, err := api.Create(ctx, object, metav1.CreateOptions{FieldManager: "landfall-transfer"}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating a Restore in cluster %s: %w", r.to.Name, err)
	}
	var err error
	if r.report.Restore, err = follow(ctx, api, name, "itemsRestored", step); err != nil {
		return fmt.Errorf("following Restore %s of cluster %s: %w", name, r.to.Name, err)
	}
	p := r.report.Restore
	if p.Warnings+p.Errors+r.report.Backup.Warnings+r.report.Backup.Errors > 0 {
		r.readMessages(ctx)
	}
	step.Done("%s %s, %s, %s, %s", name, p.Phase, count(p.Items, "item"), count(p.Warnings, "warning"), count(p.Errors, "error"))
	return nil
}

func (r *run) object(kind, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion("velero.io/v1")
	u.SetKind(kind)
	u.SetNamespace(r.o.Namespace)
	u.SetName(name)
	u.SetLabels(map[string]string{Label: r.id})
	return u
}

// ended tells phases that Velero does not leave.
func ended(phase string) bool {
	return slices.Contains([]string{completed, "PartiallyFailed", "Failed", "FailedValidation"}, phase)
}

// follow watches a Backup or Restore to its end. A Velero that died says nothing:
// people are told that, and may wait, since one that starts again goes on.
func follow(ctx context.Context, api dynamic.ResourceInterface, name, items string, step progress.Step) (Progress, error) {
	p, version, news := Progress{Name: name}, "", time.Now()
	err := wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		u, err := api.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, fault.New(fault.Failed, "Run the same command again: it begins anew.", "it was deleted")
		}
		if err != nil {
			return false, nil // a moment without an answer changes nothing: Velero goes on
		}
		p = progressOf(*u, items)
		if u.GetResourceVersion() != version {
			version, news = u.GetResourceVersion(), time.Now()
		}
		switch since := time.Since(news); {
		case since > silent:
			step.Update("%s, and no news of it for %s: does Velero run there?", cmp.Or(p.Phase, "not begun"), since.Round(time.Minute))
		case p.Total > 0:
			step.Count(p.Items, p.Total, "items")
		default:
			step.Update("%s", p.Phase)
		}
		return ended(p.Phase), nil
	})
	return p, err
}

func progressOf(u unstructured.Unstructured, items string) Progress {
	var status struct {
		Phase            string           `json:"phase"`
		Progress         map[string]int64 `json:"progress"`
		Warnings         int64            `json:"warnings"`
		Errors           int64            `json:"errors"`
		FailureReason    string           `json:"failureReason"`
		ValidationErrors []string         `json:"validationErrors"`
	}
	raw, _, _ := unstructured.NestedMap(u.Object, "status")
	_ = runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &status) // what does not fit says nothing
	reason := strings.Join(append([]string{status.FailureReason}, status.ValidationErrors...), "; ")
	return Progress{Name: u.GetName(), Phase: status.Phase, Items: status.Progress[items], Total: status.Progress["totalItems"],
		Warnings: status.Warnings, Errors: status.Errors, Reason: strings.Trim(reason, "; ")}
}

func text(u unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

func list(texts []string) []any {
	all := make([]any, 0, len(texts))
	for _, s := range texts {
		all = append(all, s)
	}
	return all
}

func stringMap(m map[string]string) map[string]any {
	all := make(map[string]any, len(m))
	for k, v := range m {
		all[k] = v
	}
	return all
}
