package preflight

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// incoming is what would come: the source's objects as a transfer would create
// them on the target, under their names there.
type incoming struct {
	count      int
	unreadable []transfer.Unreadable
	// kinds that come, by kind and namespace.
	kinds map[kindIn]*some
	// writers are clients that write an object in another version than others
	// may: by kind, version and name of the client.
	writers map[writer]*some
	// defined are kinds whose definition comes along.
	defined map[schema.GroupKind]bool

	namespaces  map[string]corev1.Namespace
	workloads   []*workload
	services    []corev1.Service
	ingresses   []networkingv1.Ingress
	budgets     []policyv1.PodDisruptionBudget
	claims      []corev1.PersistentVolumeClaim
	accounts    map[string]corev1.ServiceAccount // by NAMESPACE/NAME
	pullSecrets map[string]corev1.Secret         // by NAMESPACE/NAME
	// defaults are accounts named default that pull with Secrets, by namespace.
	defaults map[string]corev1.ServiceAccount
	// gateways are the GatewayClasses that Gateways name, with the Gateways.
	gateways map[string]*some
	// scaled are the most replicas that autoscalers give to workloads.
	scaled map[scaled]int
	// known are addresses of the source, and what has them; written are those of
	// them that stand in objects.
	known   map[netip.Addr]string
	written map[netip.Addr]*some
	// comes are the names of classes and other cluster-wide objects that come
	// along, by kind.
	comes map[schema.GroupKind]map[string]bool
	// webhooks that come along.
	webhooks []webhook
	// securityGroups are objects that give pods security groups of AWS.
	securityGroups some
}

type kindIn struct {
	kind      schema.GroupKind
	namespace string
}

type writer struct {
	kind          schema.GroupKind
	version, name string
}

type scaled struct{ kind, namespace, name string }

// some objects: all counted, the first ones named.
type some struct {
	count int
	named []string
}

func (s *some) add(name string) {
	if s.count++; len(s.named) < maxObjects {
		s.named = append(s.named, name)
	}
}

// someOf gives the entry of a key, made if it is not there.
func someOf[K comparable](m map[K]*some, key K) *some {
	if m[key] == nil {
		m[key] = &some{}
	}
	return m[key]
}

func newIncoming() *incoming {
	return &incoming{
		kinds: map[kindIn]*some{}, writers: map[writer]*some{}, defined: map[schema.GroupKind]bool{}, namespaces: map[string]corev1.Namespace{},
		accounts: map[string]corev1.ServiceAccount{}, defaults: map[string]corev1.ServiceAccount{}, pullSecrets: map[string]corev1.Secret{}, gateways: map[string]*some{},
		scaled: map[scaled]int{}, written: map[netip.Addr]*some{}, comes: map[schema.GroupKind]map[string]bool{},
	}
}

// take keeps what matters of an object of the source.
func (in *incoming) take(source *unstructured.Unstructured, o transfer.Options) {
	c := transfer.Portable(source, o)
	if c.Object == nil {
		in.noteDefaultAccount(source, o)
		return
	}
	u := c.Object
	in.count++
	name := transfer.KeyOf(u).String()
	k := u.GroupVersionKind().GroupKind()
	someOf(in.kinds, kindIn{k, u.GetNamespace()}).add(name)
	in.noteWriters(source, k, name)
	if u.GetNamespace() == "" {
		if in.comes[k] == nil {
			in.comes[k] = map[string]bool{}
		}
		in.comes[k][u.GetName()] = true
	}
	if err := in.keep(u, k); err != nil {
		in.unreadable = append(in.unreadable, transfer.Unreadable{What: name, Reason: err.Error()})
	}
}

// noteDefaultAccount: the account default is every cluster's own and stays, and
// with it the Secrets that pods without an account pull images with.
func (in *incoming) noteDefaultAccount(u *unstructured.Unstructured, o transfer.Options) {
	var account []corev1.ServiceAccount
	if u.GetKind() != "ServiceAccount" || u.GetName() != "default" || add(u, &account) != nil || len(account[0].ImagePullSecrets) == 0 {
		return
	}
	namespace := u.GetNamespace()
	if renamed := o.Namespaces[namespace]; renamed != "" {
		namespace = renamed
	}
	in.defaults[namespace] = account[0]
}

// noteWriters remembers in which versions clients write the object: they will
// go on to do so on the target.
func (in *incoming) noteWriters(source *unstructured.Unstructured, k schema.GroupKind, name string) {
	for _, entry := range source.GetManagedFields() {
		gv, err := schema.ParseGroupVersion(entry.APIVersion)
		if err != nil || gv.Group != k.Group || entry.Subresource != "" || entry.Operation == "" {
			continue
		}
		someOf(in.writers, writer{k, gv.Version, entry.Manager}).add(name)
	}
}

// keep reads what the checks ask for, by kind.
func (in *incoming) keep(u *unstructured.Unstructured, k schema.GroupKind) error {
	w, err := workloadOf(u)
	if err != nil {
		return err
	}
	if w != nil {
		in.workloads = append(in.workloads, w)
		in.noteEnvironment(w)
		return nil
	}
	switch k.Kind {
	case "Namespace":
		var one []corev1.Namespace
		if err := add(u, &one); err != nil {
			return err
		}
		in.namespaces[u.GetName()] = one[0]
	case "Service":
		return add(u, &in.services)
	case "Ingress":
		return add(u, &in.ingresses)
	case "PodDisruptionBudget":
		return add(u, &in.budgets)
	case "PersistentVolumeClaim":
		return add(u, &in.claims)
	case "ServiceAccount":
		return keepNamed(u, in.accounts)
	case "Secret", "ConfigMap":
		return in.keepConfig(u)
	case "CustomResourceDefinition":
		in.defined[transfer.Defines(u)] = true
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		s := newSnapshot("")
		err := s.keepWebhooks(u)
		in.webhooks = append(in.webhooks, s.webhooks...)
		return err
	default:
		in.keepOther(u, k)
	}
	return nil
}

// keepOther reads kinds of which only a name or number matters.
func (in *incoming) keepOther(u *unstructured.Unstructured, k schema.GroupKind) {
	switch {
	case k.Kind == "HorizontalPodAutoscaler":
		of, _, _ := unstructured.NestedStringMap(u.Object, "spec", "scaleTargetRef")
		most, _, _ := unstructured.NestedInt64(u.Object, "spec", "maxReplicas")
		in.scaled[scaled{of["kind"], u.GetNamespace(), of["name"]}] = int(most)
	case k == schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}:
		class, _, _ := unstructured.NestedString(u.Object, "spec", "gatewayClassName")
		someOf(in.gateways, class).add(transfer.KeyOf(u).String())
	case k == schema.GroupKind{Group: "vpcresources.k8s.aws", Kind: "SecurityGroupPolicy"}:
		in.securityGroups.add(transfer.KeyOf(u).String())
	}
}

// keepNamed keeps an object by NAMESPACE/NAME.
func keepNamed[T any](u *unstructured.Unstructured, all map[string]T) error {
	var one []T
	if err := add(u, &one); err != nil {
		return err
	}
	all[u.GetNamespace()+"/"+u.GetName()] = one[0]
	return nil
}

// finish brings together what came in any order.
func (in *incoming) finish() {
	for _, w := range in.workloads {
		if most := in.scaled[scaled{w.key.Kind.Kind, w.key.Namespace, w.key.Name}]; most > 0 {
			w.max = max(w.replicas, most)
		}
	}
	slices.SortFunc(in.workloads, func(a, b *workload) int { return a.key.Compare(b.key) })
}

// namespacesOf are those that a kind comes in; "" for cluster-wide objects.
func (in *incoming) namespacesOf(k schema.GroupKind) []string {
	var all []string
	for key := range in.kinds {
		if key.kind == k {
			all = append(all, key.namespace)
		}
	}
	return slices.Sorted(slices.Values(all))
}

// comesInto tells whether something comes into the namespace.
func (in *incoming) comesInto(namespace string) bool {
	for key := range in.kinds {
		if key.namespace == namespace {
			return true
		}
	}
	return false
}

// all objects of a kind, counted over its namespaces.
func (in *incoming) all(k schema.GroupKind) some {
	var total some
	for _, namespace := range in.namespacesOf(k) {
		s := in.kinds[kindIn{k, namespace}]
		total.count += s.count
		total.named = append(total.named, s.named...)
	}
	return total
}

// kindsThatCome, in order.
func (in *incoming) kindsThatCome() []schema.GroupKind {
	set := map[schema.GroupKind]bool{}
	for key := range in.kinds {
		set[key.kind] = true
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
}
