// Package corpus is one object of every kind that API servers have built in,
// with the fields filled that are awkward to copy and to compare: what a
// transfer of it leaves different, or a comparison finds different after one, is
// a mistake. The objects are in objects.yaml.
package corpus

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed objects.yaml
var text string

// Absent are built-in kinds that the corpus does without, with the reason.
var Absent = map[string]string{
	"Node":                                          "pods would be bound to it",
	"CSINode.storage.k8s.io":                        "belongs to a node",
	"VolumeAttachment.storage.k8s.io":               "belongs to a node",
	"ResourceSlice.resource.k8s.io":                 "belongs to a node",
	"CertificateSigningRequest.certificates.k8s.io": "needs a key of the day",
	"IPAddress.networking.k8s.io":                   "is an address of the cluster",
	"ServiceCIDR.networking.k8s.io":                 "would give Services addresses that lead nowhere",
	"Event.events.k8s.io":                           "is the same as the other Event",
	"APIService.apiregistration.k8s.io":             "without a server behind it no namespace of the cluster could be deleted",
}

// Objects gives the corpus under a name: it is that of a namespace, and part of
// the name of everything that belongs to the whole cluster. Each comes after
// what it needs.
func Objects(name string) ([]*unstructured.Unstructured, error) {
	named := strings.NewReplacer("corpus", name, "30987", fmt.Sprint(nodePort(name))).Replace(text)
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(named)), 4096)
	var all []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the corpus: %w", err)
		}
		all = append(all, u)
	}
}

// nodePort that goes with the name: two corpora of one cluster have their own.
func nodePort(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return 30000 + h.Sum32()%2768
}

// Namespaces of the corpus under a name.
func Namespaces(name string) []string { return []string{name, name + "-limits"} }

// Create creates the corpus by a function that creates one object and gives its
// UID: owners are objects that came before.
func Create(name string, create func(*unstructured.Unstructured) (types.UID, error)) error {
	objects, err := Objects(name)
	if err != nil {
		return err
	}
	uids := map[string]types.UID{}
	for _, u := range objects {
		owners := u.GetOwnerReferences()
		for i, owner := range owners {
			owners[i].UID = uids[owner.Kind+" "+owner.Name]
		}
		if len(owners) > 0 {
			u.SetOwnerReferences(owners)
		}
		uid, err := create(u)
		if err != nil {
			return fmt.Errorf("creating %s %s of the corpus: %w", u.GetKind(), u.GetName(), err)
		}
		uids[u.GetKind()+" "+u.GetName()] = uid
	}
	return nil
}
