package provisioner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func newFolders(t *testing.T) *folders {
	t.Helper()
	f, err := openFolders(filepath.Join(t.TempDir(), "volumes"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func storageClass() *storagev1.StorageClass {
	reclaim, binding := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingWaitForFirstConsumer
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "local"}, Provisioner: Name, ReclaimPolicy: &reclaim, VolumeBindingMode: &binding,
	}
}

func claim() *corev1.PersistentVolumeClaim {
	class := "local"
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "data", UID: types.UID("4f0c"),
			Annotations: map[string]string{
				"volume.kubernetes.io/storage-provisioner": Name,
				"volume.kubernetes.io/selected-node":       "blue-1",
			},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
}

// TestClaimToVolumeAndBack runs the real controller against a fake API server.
func TestClaimToVolumeAndBack(t *testing.T) {
	f := newFolders(t)
	client := fake.NewClientset(storageClass(), claim(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "blue-1"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go newController(ctx, client, f).Run(ctx)

	volume := eventuallyVolume(t, client, func(v *corev1.PersistentVolume) bool { return v != nil })
	path := filepath.Join(f.path, "pvc-4f0c")
	if got := volume.Spec.Local.Path; got != path {
		t.Errorf("volume at %s, want %s", got, path)
	}
	wantAffinity := onNode("blue-1")
	if diff := cmp.Diff(wantAffinity, volume.Spec.NodeAffinity); diff != "" {
		t.Errorf("node affinity (-want +got):\n%s", diff)
	}
	if got := volume.Spec.Capacity.Storage().String(); got != "1Gi" {
		t.Errorf("capacity %s, want 1Gi", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o777 {
		t.Fatalf("folder %v, %v; want one that any pod may write", info, err)
	}
	if err := os.WriteFile(filepath.Join(path, "rows"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}

	volume.Status.Phase = corev1.VolumeReleased
	if _, err := client.CoreV1().PersistentVolumes().UpdateStatus(ctx, volume, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventuallyVolume(t, client, func(v *corev1.PersistentVolume) bool { return v == nil })
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the data is still there: %v", err)
	}
}

func eventuallyVolume(t *testing.T, client *fake.Clientset, done func(*corev1.PersistentVolume) bool) *corev1.PersistentVolume {
	t.Helper()
	for range 100 {
		volume, err := client.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-4f0c", metav1.GetOptions{})
		if err != nil {
			volume = nil
		}
		if done(volume) {
			return volume
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the volume did not become what it should")
	return nil
}

func TestProvisionRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*controller.ProvisionOptions)
		want   string
	}{
		"shared writing": {
			func(o *controller.ProvisionOptions) {
				o.PVC.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
			}, "access mode ReadWriteMany is not supported",
		},
		"selectors": {
			func(o *controller.ProvisionOptions) { o.PVC.Spec.Selector = &metav1.LabelSelector{} }, "remove spec.selector",
		},
		"immediate binding": {
			func(o *controller.ProvisionOptions) { o.SelectedNodeName = "" }, "WaitForFirstConsumer",
		},
		"names that are paths": {
			func(o *controller.ProvisionOptions) { o.PVName = "../../escaped" }, "making volume",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFolders(t)
			options := controller.ProvisionOptions{
				StorageClass: storageClass(), PVName: "pvc-1", PVC: claim(), SelectedNodeName: "blue-1",
			}
			test.change(&options)
			_, state, err := f.Provision(t.Context(), options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if state != controller.ProvisioningFinished {
				t.Errorf("state %s, want that nothing goes on in the background", state)
			}
		})
	}
}

// Whoever may make PersistentVolumes must not be able to have other folders of
// the machine deleted.
func TestDeleteKeepsToItsOwn(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Mkdir(victim, 0o700); err != nil {
		t.Fatal(err)
	}
	f := newFolders(t)
	if err := os.Symlink(victim, filepath.Join(f.path, "link")); err != nil {
		t.Fatal(err)
	}
	local := func(name, path string) *corev1.PersistentVolume {
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
		volume.Spec.Local = &corev1.LocalVolumeSource{Path: path}
		return volume
	}
	hostPath := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}}
	hostPath.Spec.HostPath = &corev1.HostPathVolumeSource{Path: filepath.Join(f.path, "pvc-1")}
	for name, volume := range map[string]*corev1.PersistentVolume{
		"another folder":   local("pvc-1", victim),
		"the root itself":  local(".", f.path),
		"the parent":       local("..", filepath.Dir(f.path)),
		"another's volume": local("pvc-1", filepath.Join(f.path, "pvc-2")),
		"a path as name":   local("../victim", filepath.Join(f.path, "../victim")),
		"another kind":     hostPath,
	} {
		t.Run(name, func(t *testing.T) {
			err := f.Delete(t.Context(), volume)
			if _, ignored := err.(*controller.IgnoredError); !ignored {
				t.Errorf("error %v, want that the volume is ignored", err)
			}
		})
	}
	if err := f.Delete(t.Context(), local("link", filepath.Join(f.path, "link"))); err != nil {
		t.Errorf("removing a link: %v", err)
	}
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("the victim is gone: %v", err)
	}
	if err := f.Delete(t.Context(), local("absent", filepath.Join(f.path, "absent"))); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}
