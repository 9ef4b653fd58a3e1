package platform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Contents is what a removal would take along.
type Contents struct {
	// Environments and Blueprints as PROJECT/NAME.
	Environments []string `json:"environments"`
	Blueprints   []string `json:"blueprints"`
}

// Survey lists what people keep in Landfall on a cluster. A cluster without
// Landfall's kinds keeps nothing.
func Survey(ctx context.Context, c client.Client) (Contents, error) {
	var contents Contents
	var environments v1alpha1.EnvironmentList
	var blueprints v1alpha1.BlueprintList
	if err := list(ctx, c, &environments); err != nil {
		return contents, fmt.Errorf("listing environments: %w", err)
	}
	if err := list(ctx, c, &blueprints); err != nil {
		return contents, fmt.Errorf("listing blueprints: %w", err)
	}
	for _, env := range environments.Items {
		contents.Environments = append(contents.Environments, env.Namespace+"/"+env.Name)
	}
	for _, blueprint := range blueprints.Items {
		contents.Blueprints = append(contents.Blueprints, blueprint.Namespace+"/"+blueprint.Name)
	}
	return contents, nil
}

// list leaves the list empty where the cluster has not the kind.
func list(ctx context.Context, c client.Client, into client.ObjectList) error {
	err := c.List(ctx, into)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// RemovalPause is how long the removal of environments may take.
const RemovalPause = 5 * time.Minute

// Down removes the platform from a cluster: environments first, by the
// controller, which takes their stores along; then everything that Up made.
// What is absent is a success. Store servers lose their data.
func Down(ctx context.Context, c client.Client, report progress.Reporter) error {
	if err := removeEnvironments(ctx, c, report); err != nil {
		return err
	}
	step := report.Step("remove the platform")
	if err := removePlatform(ctx, c); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("")
	return nil
}

func removeEnvironments(ctx context.Context, c client.Client, report progress.Reporter) error {
	contents, err := Survey(ctx, c)
	if err != nil || len(contents.Environments) == 0 {
		return err
	}
	total := int64(len(contents.Environments))
	step := report.Step("delete environments")
	for _, name := range contents.Environments {
		project, environment, _ := strings.Cut(name, "/")
		env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: environment}}
		if err := client.IgnoreNotFound(c.Delete(ctx, env)); err != nil {
			err = fmt.Errorf("deleting environment %s: %w", name, err)
			step.Fail(err)
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, RemovalPause)
	defer cancel()
	for {
		if contents, err = Survey(ctx, c); err == nil && len(contents.Environments) == 0 {
			step.Done("%d", total)
			return nil
		}
		step.Count(total-int64(len(contents.Environments)), total, "environments")
		select {
		case <-ctx.Done():
			err := fault.New(fault.Failed, "See `landfall env get` for what holds them, or delete the whole cluster with --delete-cluster.",
				"deleting environments: %w: %s still there", ctx.Err(), strings.Join(contents.Environments, ", "))
			step.Fail(err)
			return err
		case <-time.After(time.Second):
		}
	}
}

// removePlatform deletes what Up made, in reverse: first what uses the kinds,
// at the end the kinds and the namespace.
func removePlatform(ctx context.Context, c client.Client) error {
	projects, err := projectSecrets(ctx, c)
	if err != nil {
		return err
	}
	p := plan{stores: StoreTypes, clusterName: "local", images: map[string]string{}, passwords: passwords{}}
	objects, err := p.objects(c.Scheme())
	if err != nil {
		return err
	}
	// The Clusters and the secrets of projects are found by looking: they may
	// have any name.
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "Cluster" || (o.GetKind() == "Secret" && o.GetNamespace() != Namespace)
	})
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return removalRank(a) - removalRank(b) })
	for _, object := range slices.Concat(projects, objects) {
		if err := remove(ctx, c, object); err != nil {
			return err
		}
	}
	return awaitGone(ctx, c, objects)
}

func removalRank(object *unstructured.Unstructured) int {
	switch object.GetKind() {
	case "CustomResourceDefinition":
		return 1 // their finalizer removes what is left of the kinds
	case "Namespace":
		return 2
	}
	return 0
}

// projectSecrets finds what Landfall itself put into projects: addresses of
// store servers, tokens for gathered logs.
func projectSecrets(ctx context.Context, c client.Client) ([]*unstructured.Unstructured, error) {
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(secretKind)
	if err := c.List(ctx, secrets, client.MatchingLabels{partOf: "landfall"}); err != nil {
		return nil, fmt.Errorf("listing the Secrets in projects: %w", err)
	}
	var found []*unstructured.Unstructured
	for _, secret := range secrets.Items {
		if secret.Namespace == Namespace || secret.Labels[v1alpha1.LabelEnvironment] != "" {
			continue
		}
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(secretKind)
		object.SetNamespace(secret.Namespace)
		object.SetName(secret.Name)
		found = append(found, object)
	}
	return found, nil
}

var secretKind = corev1.SchemeGroupVersion.WithKind("Secret")

func remove(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	err := c.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err == nil || apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	return fmt.Errorf("removing %s %s: %w", object.GetKind(), object.GetName(), err)
}

// awaitGone waits for the kinds and the namespace, which go last.
func awaitGone(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, RemovalPause)
	defer cancel()
	for _, object := range objects {
		if removalRank(object) == 0 {
			continue
		}
		for {
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(object.GroupVersionKind())
			err := c.Get(ctx, client.ObjectKeyFromObject(object), live)
			if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
				break
			}
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("waiting for the removal of %s %s: %w", object.GetKind(), object.GetName(), err)
			}
			select {
			case <-ctx.Done():
				return fault.New(fault.Failed, "Its status names what holds it: `kubectl get "+strings.ToLower(object.GetKind())+" "+object.GetName()+" -o yaml`.",
					"waiting for the removal of %s %s: %w", object.GetKind(), object.GetName(), ctx.Err())
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
