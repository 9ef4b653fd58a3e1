package preflight

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

const volumesPage = "https://kubernetes.io/docs/concepts/storage/volumes/"

// findVolumes says what of the data does not come along.
func findVolumes(w *world) []Finding {
	var found []Finding
	for i := range w.in.claims {
		c := &w.in.claims[i]
		f := Finding{
			Severity: Warn, Objects: []string{"PersistentVolumeClaim " + c.Namespace + "/" + c.Name},
			What:   "a transfer copies the claim, not the data in its volume",
			Remedy: "Copy the data (landfall data copy), let Velero carry the volumes, or let the application fill it.",
			Source: "https://kubernetes.io/docs/concepts/storage/persistent-volumes/",
		}
		if c.Spec.VolumeName != "" {
			f.What = fmt.Sprintf("it is bound to volume %s by name, which must be on %s", c.Spec.VolumeName, w.to.name)
			f.Remedy = "Check that the volume comes along and that its storage can be reached from there."
		}
		found = append(found, f)
	}
	for _, wl := range w.in.workloads {
		for _, v := range wl.pod.Spec.Volumes {
			found = append(found, hostVolume(wl, v)...)
		}
	}
	return found
}

// hostVolume is a folder of the node that keeps data of the pod.
func hostVolume(wl *workload, v corev1.Volume) []Finding {
	if v.HostPath == nil || wl.perNode {
		return nil // agents of nodes read what is theirs
	}
	return []Finding{{
		Severity: Warn, Objects: []string{wl.key.String()}, Source: volumesPage + "#hostpath",
		What:   fmt.Sprintf("it uses folder %s of its node, which does not come along", v.HostPath.Path),
		Remedy: "Use a claim, or copy the folder.",
	}}
}
