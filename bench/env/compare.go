package main

import (
	"context"
	"fmt"
	"github.com/landfall-dev/landfall/bench/bar"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/release"
)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// measureCreate creates environments with either tool in turn. kubectl gets
// the very objects of Landfall's first release, in another namespace.
func (b *bench) measureCreate(ctx context.Context) error {
	if err := b.createEnvironment(ctx, "warm-up"); err != nil {
		return err
	}
	var ours, theirs []time.Duration
	for i := range b.opts.pairs {
		name := fmt.Sprintf("create-%d", i)
		took, err := timed(func() error { return b.createEnvironment(ctx, name) })
		if err != nil {
			return err
		}
		ours = append(ours, took)
		peer := "kubectl-" + name
		manifest, err := b.manifest(ctx, name, peer)
		if err != nil {
			return err
		}
		took, err = timed(func() error { return b.kubectlCreate(ctx, peer, manifest) })
		if err != nil {
			return err
		}
		theirs = append(theirs, took)
		if err := b.remove(ctx, name, peer); err != nil {
			return err
		}
	}
	report("env-create", ours, theirs)
	return b.remove(ctx, "warm-up", "")
}

// measureRollback deploys a second version of every component with either
// tool, then goes back and waits until the first runs again.
func (b *bench) measureRollback(ctx context.Context) error {
	const name, peer = "rollback", "kubectl-rollback"
	if err := b.createEnvironment(ctx, name); err != nil {
		return err
	}
	manifest, err := b.manifest(ctx, name, peer)
	if err != nil {
		return err
	}
	if err := b.kubectlCreate(ctx, peer, manifest); err != nil {
		return err
	}
	var ours, theirs []time.Duration
	for range b.opts.pairs {
		took, err := b.landfallRollback(ctx, name)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		took, err = b.kubectlRollback(ctx, peer)
		if err != nil {
			return err
		}
		theirs = append(theirs, took)
	}
	report("env-rollback", ours, theirs)
	return b.remove(ctx, name, peer)
}

func (b *bench) landfallRollback(ctx context.Context, name string) (time.Duration, error) {
	args := []string{"deploy", name}
	for i := range components {
		args = append(args, "--set", fmt.Sprintf("part%d=2", i))
	}
	if _, err := b.landfall(ctx, args...); err != nil {
		return 0, err
	}
	return timed(func() error {
		_, err := b.landfall(ctx, "rollback", name)
		return err
	})
}

func (b *bench) kubectlRollback(ctx context.Context, namespace string) (time.Duration, error) {
	all := make([]string, components)
	for i := range all {
		all[i] = fmt.Sprintf("deployment/part%d", i)
	}
	set := append([]string{"-n", namespace, "set", "image"}, all...)
	if _, err := b.Run(ctx, b.kubectl, append(set, "*="+b.image+":2")...); err != nil {
		return 0, err
	}
	if err := b.kubectlStatus(ctx, namespace, all); err != nil {
		return 0, err
	}
	return timed(func() error {
		undo := append([]string{"-n", namespace, "rollout", "undo"}, all...)
		if _, err := b.Run(ctx, b.kubectl, undo...); err != nil {
			return err
		}
		return b.kubectlStatus(ctx, namespace, all)
	})
}

// kubectlStatus waits for each roll-out in one kubectl call, as a script
// would.
func (b *bench) kubectlStatus(ctx context.Context, namespace string, deployments []string) error {
	args := append([]string{"-n", namespace, "rollout", "status", "--timeout=2m"}, deployments...)
	_, err := b.Run(ctx, b.kubectl, args...)
	return err
}

func (b *bench) createEnvironment(ctx context.Context, name string) error {
	_, err := b.landfall(ctx, "env", "create", name, "--blueprint", blueprint)
	return err
}

func (b *bench) kubectlCreate(ctx context.Context, namespace string, manifest []byte) error {
	if err := b.createNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := b.apply(ctx, manifest); err != nil {
		return err
	}
	_, err := b.Run(ctx, b.kubectl, "-n", namespace, "wait", "--for=condition=Available", "--timeout=2m", "deployment", "--all")
	return err
}

func (b *bench) remove(ctx context.Context, environment, namespace string) error {
	if _, err := b.landfall(ctx, "env", "delete", environment); err != nil {
		return err
	}
	if namespace == "" {
		return nil
	}
	_, err := b.Run(ctx, b.kubectl, "delete", "namespace", namespace)
	return err
}

// manifest is what an environment's newest release holds, moved to another
// namespace, as one YAML stream without that namespace itself.
func (b *bench) manifest(ctx context.Context, environment, namespace string) ([]byte, error) {
	var env v1alpha1.Environment
	if err := b.Client.Get(ctx, client.ObjectKey{Namespace: project, Name: environment}, &env); err != nil {
		return nil, err
	}
	var rel v1alpha1.Release
	if err := b.Client.Get(ctx, client.ObjectKey{Namespace: project, Name: env.Status.Release}, &rel); err != nil {
		return nil, err
	}
	var chunks [][]byte
	for _, name := range rel.Spec.Contents {
		var secret corev1.Secret
		if err := b.Client.Get(ctx, client.ObjectKey{Namespace: project, Name: name}, &secret); err != nil {
			return nil, err
		}
		chunks = append(chunks, secret.Data[release.ContentKey])
	}
	contents, err := release.Decode(chunks)
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, stage := range contents.Desired.Stages {
		for _, object := range stage.Objects {
			if object.Object.GetKind() == "Namespace" {
				continue
			}
			document, err := yaml.Marshal(moved(object.Object, namespace).Object)
			if err != nil {
				return nil, err
			}
			documents = append(documents, string(document))
		}
	}
	return []byte(strings.Join(documents, "---\n")), nil
}

func moved(object *unstructured.Unstructured, namespace string) *unstructured.Unstructured {
	object = object.DeepCopy()
	object.SetNamespace(namespace)
	return object
}

// report prints both sides' medians and the bar on their ratio.
func report(name string, ours, theirs []time.Duration) {
	fmt.Printf("%s: landfall %s, kubectl %s (medians of %d)\n", name,
		bar.Median(ours).Round(time.Millisecond), bar.Median(theirs).Round(time.Millisecond), len(ours))
	ratio := bar.Median(ours).Seconds() / bar.Median(theirs).Seconds()
	bar.AtMost(name+"-ratio", ratio, "x", 1.2)
}
