package leftovers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// volumes finds claims whose disks go with them, and what has to end before:
// a claim stays as long as a pod uses it.
func volumes(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	var disks corev1.PersistentVolumeList
	if err := cluster.List(ctx, &disks); err != nil {
		return nil, fmt.Errorf("listing PersistentVolumes: %w", err)
	}
	var found []Leftover
	claims := map[client.ObjectKey]bool{}
	for i := range disks.Items {
		disk := &disks.Items[i]
		if disk.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || !outside(disk) {
			continue
		}
		claim := disk.Spec.ClaimRef
		if claim == nil || disk.Status.Phase == corev1.VolumeReleased {
			found = append(found, of(Volumes, corev1.SchemeGroupVersion.WithKind("PersistentVolume"), disk, "disk of class "+disk.Spec.StorageClassName))
			continue
		}
		key := client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name}
		claims[key] = true
		pvc := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		l := of(Volumes, corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), pvc, fmt.Sprintf("disk %s of class %s", disk.Name, disk.Spec.StorageClassName))
		l.volume = disk.Name
		found = append(found, l)
	}
	users, err := usersOf(ctx, cluster, claims)
	return append(found, users...), err
}

// outside says that a disk is something beside the nodes: what is a folder of a
// node goes with it.
func outside(disk *corev1.PersistentVolume) bool {
	return disk.Spec.HostPath == nil && disk.Spec.Local == nil
}

func volumeNamed(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolume"))
	u.SetName(name)
	return u
}

// usersOf finds what makes the pods that use claims, and would make them again.
func usersOf(ctx context.Context, cluster client.Reader, claims map[client.ObjectKey]bool) ([]Leftover, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	var pods corev1.PodList
	if err := cluster.List(ctx, &pods); err != nil {
		return nil, fmt.Errorf("listing Pods: %w", err)
	}
	var found []Leftover
	seen := map[string]bool{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		claim := claimOf(pod, claims)
		if claim == "" {
			continue
		}
		user, err := topOwner(ctx, cluster, pod)
		if err != nil {
			return nil, err
		}
		l := of(Users, user.GroupVersionKind(), user, "uses volume claim "+claim)
		if !seen[l.String()] {
			seen[l.String()] = true
			found = append(found, l)
		}
	}
	return found, nil
}

func claimOf(pod *corev1.Pod, claims map[client.ObjectKey]bool) string {
	for _, volume := range pod.Spec.Volumes {
		name := ""
		switch {
		case volume.PersistentVolumeClaim != nil:
			name = volume.PersistentVolumeClaim.ClaimName
		case volume.Ephemeral != nil:
			name = pod.Name + "-" + volume.Name
		}
		if name != "" && claims[client.ObjectKey{Namespace: pod.Namespace, Name: name}] {
			return name
		}
	}
	return ""
}

// deepest chain of controllers that is followed: CronJob, Job, Pod and such.
const deepest = 5

// topOwner follows controllers up to the one that nobody made.
func topOwner(ctx context.Context, cluster client.Reader, pod *corev1.Pod) (*unstructured.Unstructured, error) {
	top := &unstructured.Unstructured{}
	top.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	top.SetNamespace(pod.Namespace)
	top.SetName(pod.Name)
	owner := metav1.GetControllerOf(pod)
	for range deepest {
		if owner == nil {
			break
		}
		next := &unstructured.Unstructured{}
		next.SetGroupVersionKind(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
		err := cluster.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: owner.Name}, next)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			break // gone already, or of the whole cluster: the pod itself is left
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s %s/%s: %w", owner.Kind, pod.Namespace, owner.Name, err)
		}
		top, owner = next, metav1.GetControllerOf(next)
	}
	return top, nil
}
