package platform

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// fieldManager is the one of `landfall up`, apart from the controller's.
const fieldManager = "landfall-up"

// install is one installation under way.
type install struct {
	client   client.Client
	objects  []*unstructured.Unstructured
	progress progress.Reporter
}

// newInstall makes the objects, with the passwords that are in use already.
func newInstall(ctx context.Context, c client.Client, o Options, access Access, images map[string]string) (*install, error) {
	passwords, err := readPasswords(ctx, c, o.Stores)
	if err != nil {
		return nil, err
	}
	p := plan{
		project: o.Project, clusterName: o.ClusterName, routing: o.Routing, stores: o.Stores,
		images: images, passwords: passwords,
	}
	if o.StoresByNode && len(o.Stores) > 0 {
		if p.node, err = firstNode(ctx, c); err != nil {
			return nil, err
		}
	}
	if access.Mirror != "" {
		p.mirrors = access.Registry + "=" + access.Mirror
	}
	objects, err := p.objects(c.Scheme())
	if err != nil {
		return nil, err
	}
	return &install{client: c, objects: objects, progress: o.Progress}, nil
}

// readPasswords gives each store server the password it has, or a new one.
func readPasswords(ctx context.Context, c client.Client, stores []string) (passwords, error) {
	found := passwords{}
	for _, store := range stores {
		var secret corev1.Secret
		err := c.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: storeName(store)}, &secret)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("reading the password of store server %s: %w", store, err)
		}
		found[store] = string(secret.Data["password"])
		if found[store] == "" {
			found[store] = strings.ToLower(rand.Text())
		}
	}
	return found, nil
}

// firstNode is the address of the node whose name sorts first.
func firstNode(ctx context.Context, c client.Client) (string, error) {
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return "", fmt.Errorf("looking for a node at which stores are reached: %w", err)
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				return address.Address, nil
			}
		}
	}
	return "", fault.New(fault.Failed, "`kubectl get nodes -o wide` shows them.", "looking for a node at which stores are reached: no node has an address")
}

// apply brings the objects to the cluster, kinds and namespaces first, and
// counts what happened.
func (i *install) apply(ctx context.Context) (map[string]int, error) {
	step := i.progress.Step("install")
	manager := ssa.NewResourceManager(i.client, polling.NewStatusPoller(i.client, i.client.RESTMapper(), polling.Options{}),
		ssa.Owner{Field: fieldManager, Group: "landfall.dev"})
	manager.SetConcurrency(4)
	options := ssa.DefaultApplyOptions()
	options.ForceSelector = map[string]string{annotationReplaceable: "true"}
	options.WaitInterval, options.WaitTimeout = 100*time.Millisecond, time.Minute
	set, err := manager.ApplyAllStaged(ctx, i.objects, options)
	if err != nil {
		err = fmt.Errorf("installing Landfall: %w", err)
		step.Fail(err)
		return nil, err
	}
	counts := map[string]int{}
	for _, entry := range set.Entries {
		counts[string(entry.Action)]++
	}
	step.Done("%d created, %d configured, %d unchanged",
		counts[string(ssa.CreatedAction)], counts[string(ssa.ConfiguredAction)], counts[string(ssa.UnchangedAction)])
	return counts, nil
}
