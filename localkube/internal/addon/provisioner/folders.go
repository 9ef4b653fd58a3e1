package provisioner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// folders is the controller.Provisioner that keeps each volume in the folder
// of its PersistentVolume's name, which the controller derives from the claim's
// UID: nothing a user may choose becomes part of a path.
type folders struct {
	path string
	root *os.Root
}

var (
	_ controller.BlockProvisioner = (*folders)(nil)
	_ controller.DeletionGuard    = (*folders)(nil)
)

var supportedModes = []corev1.PersistentVolumeAccessMode{
	corev1.ReadWriteOnce, corev1.ReadWriteOncePod, corev1.ReadOnlyMany,
}

func (f *folders) Close() error { return f.root.Close() }

// SupportsBlock implements controller.BlockProvisioner.
func (f *folders) SupportsBlock(context.Context) bool { return false }

// Provision makes the volume's folder. A folder that is there already is from
// an attempt for the same claim that was cut short, and is used.
func (f *folders) Provision(_ context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if err := supported(options); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := f.root.Mkdir(options.PVName, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("making volume %s: %w", options.PVName, err)
	}
	// Pods of any user must be able to write, as on a freshly made disk whose
	// owner is not yet known; fsGroup narrows it. The umask does not apply.
	if err := f.root.Chmod(options.PVName, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("opening volume %s: %w", options.PVName, err)
	}
	return persistentVolume(options, filepath.Join(f.path, options.PVName)), controller.ProvisioningFinished, nil
}

// supported refuses claims that a folder on one node cannot honour.
func supported(options controller.ProvisionOptions) error {
	for _, mode := range options.PVC.Spec.AccessModes {
		if !slices.Contains(supportedModes, mode) {
			return fmt.Errorf("access mode %s is not supported by local volumes: use one of %v", mode, supportedModes)
		}
	}
	if options.PVC.Spec.Selector != nil {
		return errors.New("claims with a selector are not provisioned: remove spec.selector or make a matching volume by hand")
	}
	if options.SelectedNodeName == "" {
		return fmt.Errorf("no node is selected: storage class %s needs volumeBindingMode WaitForFirstConsumer", options.StorageClass.Name)
	}
	return nil
}

func persistentVolume(options controller.ProvisionOptions, path string) *corev1.PersistentVolume {
	reclaim := corev1.PersistentVolumeReclaimDelete
	if options.StorageClass.ReclaimPolicy != nil {
		reclaim = *options.StorageClass.ReclaimPolicy
	}
	mode := corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaim,
			AccessModes:                   options.PVC.Spec.AccessModes,
			VolumeMode:                    &mode,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: onNode(options.SelectedNodeName),
		},
	}
}

func onNode(name string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{
		Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key:      corev1.LabelHostname,
					Operator: corev1.NodeSelectorOpIn,
					Values:   []string{name},
				}},
			}},
		},
	}
}

// ShouldDelete implements controller.DeletionGuard: only volumes whose path is
// the very one that Provision gives them are ours to remove. Whoever may make
// PersistentVolumes could otherwise have any folder of the machine deleted.
func (f *folders) ShouldDelete(_ context.Context, volume *corev1.PersistentVolume) bool {
	return volume.Spec.Local != nil &&
		filepath.Base(volume.Name) == volume.Name && filepath.Clean("/"+volume.Name) == "/"+volume.Name &&
		volume.Spec.Local.Path == filepath.Join(f.path, volume.Name)
}

// Delete removes the volume's data; data that is gone already is a success.
func (f *folders) Delete(ctx context.Context, volume *corev1.PersistentVolume) error {
	if !f.ShouldDelete(ctx, volume) {
		return &controller.IgnoredError{Reason: "its path is not one that this provisioner made"}
	}
	if err := f.root.RemoveAll(volume.Name); err != nil {
		return fmt.Errorf("removing volume %s: %w", volume.Name, err)
	}
	return nil
}
