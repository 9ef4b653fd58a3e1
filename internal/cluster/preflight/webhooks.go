package preflight

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const webhookGuide = "https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy"

// findWebhooks looks for webhooks that are asked about what comes, and have
// nobody to answer.
func findWebhooks(w *world) []Finding {
	var found []Finding
	for i := range w.to.webhooks {
		found = append(found, w.deafWebhook(&w.to.webhooks[i])...)
	}
	for i := range w.in.webhooks {
		found = append(found, w.orphanedWebhook(&w.in.webhooks[i])...)
	}
	return found
}

// deafWebhook is one of the target that judges what comes.
func (w *world) deafWebhook(hook *webhook) []Finding {
	if hook.service == "" || w.to.backed[hook.namespace+"/"+hook.service] {
		return nil // behind a URL it cannot be seen; the dry run of a transfer asks it
	}
	objects := w.judged(hook)
	if objects.count == 0 {
		return nil
	}
	f := Finding{
		Severity: Block, Objects: objects.named, Count: objects.count, Source: webhookGuide,
		What:   fmt.Sprintf("webhook %s of %s refuses it on %s: no pod is ready behind Service %s/%s", hook.name, hook.configuration, w.to.name, hook.namespace, hook.service),
		Remedy: "Repair what serves the webhook there, or remove its configuration.",
	}
	if !hook.closed {
		f.Severity = Note
		f.What = fmt.Sprintf("webhook %s of %s does not answer on %s, and is passed over: each object waits for its timeout", hook.name, hook.configuration, w.to.name)
	}
	return []Finding{f}
}

// orphanedWebhook is one that comes along without what serves it.
func (w *world) orphanedWebhook(hook *webhook) []Finding {
	service := hook.namespace + "/" + hook.service
	comes := slices.ContainsFunc(w.in.services, func(s corev1.Service) bool { return s.Namespace == hook.namespace && s.Name == hook.service })
	if hook.service == "" || comes || w.to.backed[service] || !hook.closed {
		return nil
	}
	return []Finding{{
		Severity: Warn, Objects: []string{hook.configuration}, Source: webhookGuide,
		What:   fmt.Sprintf("it comes along, but Service %s behind webhook %s does not: from then on %s refuses what it judges", service, hook.name, w.to.name),
		Remedy: "Install what serves the webhook on the target first, or leave its configuration out.",
	}}
}

// judged are the objects that come and that the webhook is asked about. Object
// selectors and match conditions may leave some of them out.
func (w *world) judged(hook *webhook) some {
	var all some
	for _, k := range w.in.kindsThatCome() {
		resource := w.from.serves[k]
		for _, namespace := range w.in.namespacesOf(k) {
			objects := w.in.kinds[kindIn{k, namespace}]
			if !matches(hook.rules, k.Group, resource.Resource, namespace != "") {
				continue
			}
			if namespace != "" && !selectsNamespace(hook.namespaces, w.labelsOf(namespace)) {
				continue
			}
			all.count += objects.count
			all.named = append(all.named, objects.named...)
		}
	}
	// Pods are made by controllers, after the transfer.
	for _, wl := range w.in.workloads {
		if wl.key.Kind.Kind != "Pod" && matches(hook.rules, "", "pods", true) && selectsNamespace(hook.namespaces, w.labelsOf(wl.key.Namespace)) {
			all.add("pods of " + wl.key.String())
		}
	}
	return all
}

// matches tells whether rules are about creating objects of the resource.
func matches(rules []admissionv1.RuleWithOperations, group, resource string, namespaced bool) bool {
	return slices.ContainsFunc(rules, func(r admissionv1.RuleWithOperations) bool {
		inScope := r.Scope == nil || *r.Scope == admissionv1.AllScopes || (*r.Scope == admissionv1.NamespacedScope) == namespaced
		creates := slices.Contains(r.Operations, admissionv1.Create) || slices.Contains(r.Operations, admissionv1.OperationAll)
		return inScope && creates && oneOf(r.APIGroups, group) && (oneOf(r.Resources, resource) || slices.Contains(r.Resources, "*/*"))
	})
}

func oneOf(list []string, name string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, name)
}

// selectsNamespace: no selector selects all, and one that cannot be read may.
func selectsNamespace(s *metav1.LabelSelector, of map[string]string) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err != nil || selector.Matches(labels.Set(of))
}
