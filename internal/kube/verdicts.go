package kube

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// verdicts remembers how objects last compared with the cluster, so that a look
// at an environment in which nothing has moved asks for no dry run.
type verdicts struct {
	mu    sync.Mutex
	known map[Identity]verdict
}

type verdict struct {
	desired, live [sha256.Size]byte
	differences   []v1alpha1.Difference
}

func newVerdicts() *verdicts { return &verdicts{known: make(map[Identity]verdict)} }

func (v *verdicts) find(id Identity, desired, live [sha256.Size]byte) ([]v1alpha1.Difference, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.known[id]
	if !found || known.desired != desired || known.live != live {
		return nil, false
	}
	return known.differences, true
}

func (v *verdicts) keep(id Identity, known verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known[id] = known
}

// forget drops what is known of an object that is to be deleted.
func (v *verdicts) forget(id Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, id)
}

// digest identifies the wanted state of an object.
func digest(obj *unstructured.Unstructured) ([sha256.Size]byte, error) {
	raw, err := json.Marshal(obj.Object)
	return sha256.Sum256(raw), err
}

// fingerprint identifies the live state of an object but for its status.
// Kinds that count their generations tell by that, their metadata and their
// owners of fields; others by their version.
func fingerprint(live *unstructured.Unstructured) ([sha256.Size]byte, error) {
	mark := struct {
		UID         types.UID
		Generation  int64
		Version     string
		Labels      map[string]string
		Annotations map[string]string
		Managed     []metav1.ManagedFieldsEntry
	}{live.GetUID(), live.GetGeneration(), "", live.GetLabels(), live.GetAnnotations(), nil}
	if mark.Generation == 0 {
		mark.Version = live.GetResourceVersion()
	}
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource != "status" {
			mark.Managed = append(mark.Managed, entry)
		}
	}
	raw, err := json.Marshal(mark)
	return sha256.Sum256(raw), err
}
