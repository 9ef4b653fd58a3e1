package environment

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// ownName is what the environment's own objects are called.
const ownName = "landfall"

// foundation is what must be there before any component: the namespace and
// what is true of all of it, and the components' configuration.
func (r *renderer) foundation(all []built) (Stage, error) {
	level, err := r.podSecurity(all)
	if err != nil {
		return Stage{}, err
	}
	objects := []Object{r.namespaceObject(level), r.serviceAccount(), r.isolation()}
	objects = append(objects, r.defaultPulls(all)...)
	objects = append(objects, r.pullSecrets()...)
	if len(r.in.Environment.Spec.Quota) > 0 {
		objects = append(objects, r.quota())
		if limits, needed := r.limits(all); needed {
			objects = append(objects, limits)
		}
	}
	stores, err := r.storeSecrets()
	if err != nil {
		return Stage{}, err
	}
	objects = append(objects, stores...)
	objects = append(objects, collect(all, func(b built) []Object { return b.config })...)
	return Stage{Name: "foundation", Objects: objects}, nil
}

func (r *renderer) namespaceObject(level string) Object {
	labels := r.labels("")
	labels["pod-security.kubernetes.io/enforce"] = level
	return object("", "v1", "Namespace", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        r.namespace,
		Labels:      labels,
		Annotations: map[string]string{v1alpha1.AnnotationOwner: Owner(r.in.Environment)},
	}})
}

// serviceAccount is what image components run as. It exists before the first
// pod, which a new namespace's default account does not, and gives no access
// to the API.
func (r *renderer) serviceAccount() Object {
	return object("", "v1", "ServiceAccount", &corev1.ServiceAccount{
		ObjectMeta:                   r.meta("", ownName),
		AutomountServiceAccountToken: new(false),
		ImagePullSecrets:             r.in.Blueprint.Spec.ImagePullSecrets,
	})
}

// isolation lets pods be reached from their own namespace only. Policies add
// up: each public component opens its port.
func (r *renderer) isolation() Object {
	return object("", "networking.k8s.io/v1", "NetworkPolicy", &networkingv1.NetworkPolicy{
		ObjectMeta: r.meta("", ownName+"-isolation"),
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}},
		},
	})
}

func (r *renderer) quota() Object {
	return object("", "v1", "ResourceQuota", &corev1.ResourceQuota{
		ObjectMeta: r.meta("", ownName),
		Spec:       corev1.ResourceQuotaSpec{Hard: r.in.Environment.Spec.Quota},
	})
}

// defaultRequests and defaultLimits are what a container gets in a quota that
// counts what the container does not state.
var (
	defaultRequests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	defaultLimits   = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("512Mi")}
)

// limits gives containers defaults for what the quota counts: without them a
// pod that states nothing is not admitted.
func (r *renderer) limits(all []built) (Object, bool) {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		quota := r.in.Environment.Spec.Quota
		_, plain := quota[name]
		_, requested := quota["requests."+name]
		_, limited := quota["limits."+name]
		if plain || requested || limited {
			requests[name] = defaultRequests[name]
		}
		if limited {
			// A default below what a container requests would refuse its pod.
			limits[name] = largestRequest(all, name, defaultLimits[name])
		}
	}
	if len(requests) == 0 {
		return Object{}, false
	}
	return object("", "v1", "LimitRange", &corev1.LimitRange{
		ObjectMeta: r.meta("", ownName),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, DefaultRequest: requests, Default: limits,
		}}},
	}), true
}

func largestRequest(all []built, name corev1.ResourceName, least resource.Quantity) resource.Quantity {
	largest := least
	for _, b := range all {
		for _, o := range b.all() {
			pod, err := podOf(o.Object)
			if err != nil || pod == nil {
				continue
			}
			for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
				if q := c.Resources.Requests[name]; q.Cmp(largest) > 0 {
					largest = q
				}
			}
		}
	}
	return largest
}

// all objects of the component.
func (b built) all() []Object {
	objects := append(append([]Object{}, b.config...), b.definitions...)
	for _, wave := range append(append([][]Object{}, b.before...), b.after...) {
		objects = append(objects, wave...)
	}
	return append(objects, b.objects...)
}

// storeSecrets hold the connection settings of each store. Their names are
// fixed so that charts can refer to them; pods notice a change by the hash in
// their template.
func (r *renderer) storeSecrets() ([]Object, error) {
	var objects []Object
	for _, s := range r.stores {
		settings, err := r.settings(s.Name)
		if err != nil {
			return nil, err
		}
		data := map[string][]byte{}
		for key, value := range settings {
			data[key] = []byte(value)
		}
		labels := maps.Clone(r.labels(""))
		objects = append(objects, object("", "v1", "Secret", &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: StoreSecret(s.Name), Labels: labels},
			Type:       corev1.SecretTypeOpaque,
			Data:       data,
		}))
	}
	return objects, nil
}
