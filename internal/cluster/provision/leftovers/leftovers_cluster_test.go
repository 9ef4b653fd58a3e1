package leftovers_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/landfall-dev/landfall/internal/cluster/provision/leftovers"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// outside is what a cluster in a cloud has: NS is the test's namespace.
const outside = `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: NS, finalizers: [service.kubernetes.io/load-balancer-cleanup]}, spec: {type: LoadBalancer, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: inner, namespace: NS}, spec: {ports: [{port: 80}]}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: NS-alb}, spec: {controller: ingress.k8s.aws/alb}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: NS-nginx}, spec: {controller: k8s.io/ingress-nginx}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: cloud, namespace: NS}, spec: {ingressClassName: NS-alb, defaultBackend: {service: {name: web, port: {number: 80}}}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: old, namespace: NS, annotations: {kubernetes.io/ingress.class: gce}}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: inside, namespace: NS}, spec: {ingressClassName: NS-nginx, defaultBackend: {service: {name: web, port: {number: 80}}}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: NS-disk}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: NS-gp3, persistentVolumeReclaimPolicy: Delete, csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}, claimRef: {namespace: NS, name: data}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: NS-kept}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: NS-gp3, persistentVolumeReclaimPolicy: Retain, csi: {driver: ebs.csi.aws.com, volumeHandle: vol-2}, claimRef: {namespace: NS, name: kept}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: NS-folder}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: NS-gp3, persistentVolumeReclaimPolicy: Delete, hostPath: {path: /nowhere}, claimRef: {namespace: NS, name: folder}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: NS}, spec: {storageClassName: NS-gp3, volumeName: NS-disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: NS}, spec: {serviceName: inner, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {nodeSelector: {no: node}, containers: [{name: db, image: registry.invalid/db}], volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: db, namespace: NS}, spec: {maxUnavailable: 0, selector: {matchLabels: {app: db}}}}
`

// scene puts what is outside onto the test cluster.
func scene(t *testing.T) (cl client.Client, namespace string) {
	t.Helper()
	log.SetLogger(logr.Discard())
	cl, namespace = kubetest.Client(t, "leftovers-test"), kubetest.Namespace(t)
	for _, o := range kubetest.Objects(t, strings.ReplaceAll(outside, "NS", namespace)) {
		if err := cl.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			o.SetFinalizers(nil)
			_ = cl.Patch(context.Background(), o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
			if err := client.IgnoreNotFound(cl.Delete(context.Background(), o)); err != nil {
				t.Errorf("tidying: %v", err)
			}
		})
	}
	return cl, namespace
}

// found lists what there is of the test's.
func found(t *testing.T, cl client.Client, namespace string) []leftovers.Leftover {
	t.Helper()
	all, err := leftovers.Find(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(l leftovers.Leftover) bool {
		return l.Namespace != namespace && !strings.HasPrefix(l.Name, namespace)
	})
}

func TestWhatIsOutsideGoesInOrder(t *testing.T) {
	cl, namespace := scene(t)
	want := []string{
		"what blocks evictions: PodDisruptionBudget NS/db (lets none of 1 pods be evicted)",
		"load balancers: Ingress NS/cloud (AWS load balancer)",
		"load balancers: Ingress NS/old (Google Cloud load balancer)",
		"load balancers: Service NS/web (load balancer without an address)",
		"what uses volumes: StatefulSet NS/db (uses volume claim data)",
		"volumes: PersistentVolumeClaim NS/data (disk NS-disk of class NS-gp3)",
	}
	var all []leftovers.Leftover
	kubetest.Eventually(t, func() string {
		all = found(t, cl, namespace)
		var got []string
		for _, l := range all {
			got = append(got, strings.ReplaceAll(l.Stage.String()+": "+l.String()+" ("+l.Why+")", namespace, "NS"))
		}
		return cmp.Diff(want, got)
	})
	// The load balancer's controller does not answer: nothing after it is touched.
	err := leftovers.Remove(t.Context(), cl, all, 3*time.Second, func(leftovers.Stage, int) {})
	if !errors.Is(err, leftovers.ErrNotGone) || !strings.Contains(err.Error(), "Service "+namespace+"/web") {
		t.Errorf("a load balancer that stays: %v", err)
	}
	if left := found(t, cl, namespace); len(left) != 3 || left[0].Name != "web" {
		t.Errorf("left are %v", left)
	}
	// It does now. The disk stays until its driver has removed it, and that is
	// waited for.
	release(t, cl, &corev1.Service{}, client.ObjectKey{Namespace: namespace, Name: "web"})
	go func() {
		time.Sleep(2 * time.Second)
		disk := &corev1.PersistentVolume{}
		disk.Name = namespace + "-disk"
		_ = client.IgnoreNotFound(cl.Delete(context.Background(), disk))
	}()
	var stages []string
	err = leftovers.Remove(t.Context(), cl, all, time.Minute, func(stage leftovers.Stage, left int) {
		if left == 0 {
			stages = append(stages, stage.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"what blocks evictions", "load balancers", "what uses volumes", "volumes"}, stages); diff != "" {
		t.Errorf("the stages (-want +got):\n%s", diff)
	}
	if left := found(t, cl, namespace); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// release does what a cloud controller does when the load balancer is gone.
func release(t *testing.T, cl client.Client, o client.Object, key client.ObjectKey) {
	t.Helper()
	if err := cl.Get(t.Context(), key, o); err != nil {
		t.Fatal(err)
	}
	o.SetFinalizers(nil)
	if err := cl.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// karpenterKinds are Karpenter's, as far as they matter here: its claims are of
// an older version.
const karpenterKinds = `
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: nodepools.karpenter.sh}, spec: {group: karpenter.sh, scope: Cluster, names: {kind: NodePool, listKind: NodePoolList, plural: nodepools, singular: nodepool},
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: nodeclaims.karpenter.sh}, spec: {group: karpenter.sh, scope: Cluster, names: {kind: NodeClaim, listKind: NodeClaimList, plural: nodeclaims, singular: nodeclaim},
  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
`

// karpenter gives the test cluster a pool with a finalizer and a machine.
const karpenter = `
{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: NS-pool, finalizers: [test.landfall.dev/karpenter]}}
---
{apiVersion: karpenter.sh/v1beta1, kind: NodeClaim, metadata: {name: NS-first, finalizers: [test.landfall.dev/karpenter]}}
`

// cloud is a cluster with kinds of its own: made by its own client, as a client
// learns of kinds when it is made.
func cloud(t *testing.T, kinds, objects string) (cl client.Client, namespace string) {
	t.Helper()
	log.SetLogger(logr.Discard())
	cl, namespace = kubetest.Client(t, "leftovers-test"), kubetest.Namespace(t)
	for _, kind := range kubetest.Objects(t, kinds) {
		if err := cl.Create(t.Context(), kind); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for _, o := range kubetest.Objects(t, strings.ReplaceAll(objects, "NS", namespace)) {
		kubetest.Eventually(t, func() string {
			if err := cl.Create(t.Context(), o); err != nil {
				return err.Error()
			}
			return ""
		})
		t.Cleanup(func() { releaseNamed(t, cl, o); _ = cl.Delete(context.Background(), o) })
	}
	return cl, namespace
}

// releaseNamed takes the finalizers of an object that may be gone.
func releaseNamed(t *testing.T, cl client.Client, o client.Object) {
	t.Helper()
	err := cl.Patch(context.Background(), o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
	if client.IgnoreNotFound(err) != nil {
		t.Errorf("releasing %s: %v", o.GetName(), err)
	}
}

func TestMachinesGoAfterWhatMakesThem(t *testing.T) {
	cl, namespace := cloud(t, karpenterKinds, karpenter)
	all := found(t, cl, namespace)
	var got []string
	for _, l := range all {
		got = append(got, strings.ReplaceAll(l.Stage.String()+": "+l.String(), namespace, "NS"))
	}
	if diff := cmp.Diff([]string{"what makes machines: NodePool NS-pool", "machines: NodeClaim NS-first"}, got); diff != "" {
		t.Fatalf("found (-want +got):\n%s", diff)
	}
	// Before the pool is gone it makes another machine; Karpenter does not
	// answer, and nothing is removed of machines.
	second := kubetest.Object(t, `{apiVersion: karpenter.sh/v1beta1, kind: NodeClaim, metadata: {name: `+namespace+`-second}}`)
	if err := cl.Create(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	err := leftovers.Remove(t.Context(), cl, all, 2*time.Second, func(leftovers.Stage, int) {})
	if !errors.Is(err, leftovers.ErrNotGone) || !strings.Contains(err.Error(), "NodePool") {
		t.Errorf("a pool that stays: %v", err)
	}
	if left := found(t, cl, namespace); len(left) != 3 {
		t.Errorf("left are %v", left)
	}
	for _, o := range kubetest.Objects(t, strings.ReplaceAll(karpenter, "NS", namespace)) {
		releaseNamed(t, cl, o)
	}
	if err := leftovers.Remove(t.Context(), cl, all, time.Minute, func(leftovers.Stage, int) {}); err != nil {
		t.Fatal(err)
	}
	if left := found(t, cl, namespace); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

func TestGatewaysAreFoundWithTheirAddress(t *testing.T) {
	cl, namespace := cloud(t, gatewayKind(t), `
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: front, namespace: NS}, spec: {gatewayClassName: cloud, listeners: [{name: http, port: 80, protocol: HTTP}]}}
`)
	gateway := kubetest.Object(t, `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: front, namespace: `+namespace+`}}`)
	why := func() string {
		all := found(t, cl, namespace)
		if len(all) != 1 || all[0].Stage != leftovers.Entrances {
			t.Fatalf("found %v", all)
		}
		return all[0].Why
	}
	if got := why(); got != "may have a load balancer" {
		t.Errorf("a gateway without an address is said to be there for: %s", got)
	}
	status := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"addresses":[{"type":"Hostname","value":"lb.example.net"}]}}`))
	if err := cl.Status().Patch(t.Context(), gateway, status); err != nil {
		t.Fatal(err)
	}
	if got := why(); got != "load balancer lb.example.net" {
		t.Errorf("it is said to be there for: %s", got)
	}
}

// gatewayKind is the real one, from the module of Gateway API.
func gatewayKind(t *testing.T) string {
	t.Helper()
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Skipf("finding the module of Gateway API: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "config/crd/standard/gateway.networking.k8s.io_gateways.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
