package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// perNamespace is how many objects a namespace has: what teams have most of.
const perNamespace = 500

// kinds of a namespace, with how many of each there are of perNamespace.
var kinds = []struct {
	count int
	make  func(meta metav1.ObjectMeta) client.Object
}{
	{280, func(m metav1.ObjectMeta) client.Object {
		return &corev1.ConfigMap{ObjectMeta: m, Data: map[string]string{"settings": strings.Repeat("key = value\n", 80)}}
	}},
	{120, func(m metav1.ObjectMeta) client.Object {
		return &corev1.Secret{ObjectMeta: m, Data: map[string][]byte{"password": []byte(strings.Repeat("x", 400))}}
	}},
	{30, func(m metav1.ObjectMeta) client.Object {
		return &corev1.Service{ObjectMeta: m, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"app": m.Name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	}},
	{30, deployment},
	{20, func(m metav1.ObjectMeta) client.Object {
		return &rbacv1.Role{ObjectMeta: m, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}}}}
	}},
	{20, func(m metav1.ObjectMeta) client.Object {
		return &corev1.ServiceAccount{ObjectMeta: m}
	}},
}

func deployment(m metav1.ObjectMeta) client.Object {
	labels := map[string]string{"app": m.Name}
	return &appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32), // pods would measure the machine
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:1"}}}},
	}}
}

func (b *bench) namespaces() int { return b.opts.objects / perNamespace }

func namespace(i int) string { return fmt.Sprintf("bench-%03d", i) }

// fill puts the objects into blue.
func (b *bench) fill(ctx context.Context) error {
	began := time.Now()
	for i := range b.namespaces() {
		if err := b.blue.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace(i)}}); err != nil {
			return fmt.Errorf("filling blue: %w", err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range b.namespaces() {
		for k, kind := range kinds {
			for n := range kind.count {
				group.Go(func() error {
					o := kind.make(metav1.ObjectMeta{Namespace: namespace(i), Name: fmt.Sprintf("o%d-%03d", k, n), Labels: map[string]string{"team": "bench"}})
					return b.blue.Client.Create(ctx, o)
				})
			}
		}
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("filling blue: %w", err)
	}
	log.Printf("filled blue with %d objects in %s", b.namespaces()*perNamespace, time.Since(began).Round(time.Second))
	return nil
}
