package environment

import (
	"encoding/base64"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// defaultAccount is the ServiceAccount that Kubernetes makes in every namespace,
// for pods that name none.
const defaultAccount = "default"

// pullSecrets are the environment's copies of the Secrets with which images are
// pulled, under their names, so that charts can refer to them. They have no
// values here: those of the day are filled in when they are applied, so that no
// release keeps a password, and a rollback pulls with one that is still valid. An
// environment that adopts the project's own namespace has the Secrets there: they
// must not become its own, and go with it.
func (r *renderer) pullSecrets() []Object {
	if r.in.Environment.Spec.Adopt && r.namespace == r.in.Environment.Namespace {
		return nil
	}
	var objects []Object
	for _, ref := range r.in.Blueprint.Spec.ImagePullSecrets {
		meta := r.meta("", ref.Name)
		meta.Annotations = map[string]string{v1alpha1.AnnotationCopyOf: r.in.Environment.Namespace + "/" + ref.Name}
		objects = append(objects, object("", "v1", "Secret", &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretTypeDockerConfigJson}))
	}
	return objects
}

// CopyOf names the Secret of the project whose values an object of the
// environment is to have; empty for all other objects. What a component's chart
// says of itself does not count.
func CopyOf(o Object) string {
	if o.Component != "" || o.Object.GetKind() != "Secret" {
		return ""
	}
	_, name, _ := strings.Cut(o.Object.GetAnnotations()[v1alpha1.AnnotationCopyOf], "/")
	return name
}

// Filled is the object of an environment with the values of the Secret that
// CopyOf names.
func Filled(o Object, source *corev1.Secret) *unstructured.Unstructured {
	filled := o.Object.DeepCopy()
	filled.Object["data"] = map[string]any{
		corev1.DockerConfigJsonKey: base64.StdEncoding.EncodeToString(source.Data[corev1.DockerConfigJsonKey]),
	}
	return filled
}

// defaultPulls lets pods that others make in the namespace, such as those of an
// operator, pull as the components do. In a namespace that the environment only
// adopts they are none of its business; a component that has the account itself
// has the names on it already.
func (r *renderer) defaultPulls(all []built) []Object {
	if len(r.in.Blueprint.Spec.ImagePullSecrets) == 0 || r.in.Environment.Spec.Adopt {
		return nil
	}
	for _, b := range all {
		if slices.ContainsFunc(b.all(), func(o Object) bool { return isAccount(o.Object) && o.Object.GetName() == defaultAccount }) {
			return nil
		}
	}
	return []Object{object("", "v1", "ServiceAccount", &corev1.ServiceAccount{
		ObjectMeta:       metav1.ObjectMeta{Namespace: r.namespace, Name: defaultAccount, Labels: r.labels("")},
		ImagePullSecrets: r.in.Blueprint.Spec.ImagePullSecrets,
	})}
}

// pullWith adds the blueprint's Secrets to those that a chart or kustomization
// lets its pods pull with: on its ServiceAccounts, and on the pods themselves,
// so that it does not matter whether an account is known before the pod comes.
func (r *renderer) pullWith(b *built) {
	refs := r.in.Blueprint.Spec.ImagePullSecrets
	if len(refs) == 0 {
		return
	}
	accounts := map[string][]any{}
	for _, o := range b.all() {
		if isAccount(o.Object) {
			accounts[o.Object.GetName()] = pulls(o.Object.Object)
			addPulls(o.Object.Object, refs)
		}
	}
	for _, o := range b.all() {
		spec := podSpec(o.Object)
		if spec == nil {
			continue
		}
		if len(pulls(spec)) == 0 {
			// A pod with names of its own does not get its account's.
			if account, _ := spec["serviceAccountName"].(string); len(accounts[account]) > 0 {
				spec[pullsField] = slices.Clone(accounts[account])
			}
		}
		addPulls(spec, refs)
		if o.BaseName != "" {
			o.nameByContent()
		}
	}
}

// pullsField is its name on pods and on ServiceAccounts.
const pullsField = "imagePullSecrets"

func pulls(owner map[string]any) []any {
	list, _ := owner[pullsField].([]any)
	return list
}

func addPulls(owner map[string]any, refs []corev1.LocalObjectReference) {
	list := pulls(owner)
	for _, ref := range refs {
		has := func(item any) bool {
			known, _ := item.(map[string]any)
			return known["name"] == ref.Name
		}
		if !slices.ContainsFunc(list, has) {
			list = append(list, map[string]any{"name": ref.Name})
		}
	}
	owner[pullsField] = list
}

func isAccount(u *unstructured.Unstructured) bool {
	return u.GetAPIVersion() == "v1" && u.GetKind() == "ServiceAccount"
}
