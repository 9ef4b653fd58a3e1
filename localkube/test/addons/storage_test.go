package addons

import (
	"net/url"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestVolumeOutlivesItsPod uses the default storage class as a user other than
// root, on both sides of a pod's death.
func TestVolumeOutlivesItsPod(t *testing.T) {
	c, namespace := useCluster(t)
	claims := c.client.CoreV1().PersistentVolumeClaims(namespace)
	_, err := claims.Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	newPod := func(name string) *corev1.Pod {
		pod := c.newPod(namespace, name)
		user, group := int64(1234), int64(5678)
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, FSGroup: &group}
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		return pod
	}
	first := c.start(t, newPod("first"))[0]
	if _, err := get(first, "/write", url.Values{"path": {"/data/rows"}, "text": {"42"}}); err != nil {
		t.Fatalf("writing as another user: %v", err)
	}
	if err := c.client.CoreV1().Pods(namespace).Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	second := c.start(t, newPod("second"))[0]
	if got, err := get(second, "/read", url.Values{"path": {"/data/rows"}}); err != nil || got != "42" {
		t.Errorf("the next pod reads %q, %v; want 42", got, err)
	}
	if second.Spec.NodeName != first.Spec.NodeName {
		t.Errorf("the next pod is on %s, its volume on %s", second.Spec.NodeName, first.Spec.NodeName)
	}

	claim, err := claims.Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	volume, err := c.client.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.client.CoreV1().Pods(namespace).Delete(t.Context(), "second", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := claims.Delete(t.Context(), "data", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the volume is deleted with its data", func() (string, bool) {
		_, err := c.client.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, metav1.GetOptions{})
		_, statErr := os.Stat(volume.Spec.Local.Path)
		return errorText(err) + errorText(statErr), apierrors.IsNotFound(err) && os.IsNotExist(statErr)
	})
}
