package platform

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/config"
)

// nobody runs everything; images have the same user.
const nobody = 65532

// annotationReplaceable: see replaceable.
const annotationReplaceable = "landfall.dev/replaceable"

// partOf labels what belongs to the platform.
const partOf = "app.kubernetes.io/part-of"

// plan is what objects are made of.
type plan struct {
	project     string
	clusterName string
	routing     Routing
	stores      []string
	// node is the address by which store servers are reached; empty for their
	// names in the cluster.
	node string
	// images by name, by digest.
	images map[string]string
	// registry mirrors for the controller: HOST=URL.
	mirrors   string
	passwords passwords
}

// objects makes everything that is installed, in no particular order.
func (p plan) objects(scheme *runtime.Scheme) ([]*unstructured.Unstructured, error) {
	all, err := manifests()
	if err != nil {
		return nil, err
	}
	typed := []client.Object{p.namespace()}
	typed = append(typed, p.controller()...)
	if p.routing.IngressClass == "" {
		typed = append(typed, p.frontDoor()...)
	}
	for _, store := range p.stores {
		typed = append(typed, p.store(store)...)
	}
	typed = append(typed, p.cluster())
	for _, object := range typed {
		plain, err := toUnstructured(object, scheme)
		if err != nil {
			return nil, err
		}
		all = append(all, plain)
	}
	for _, object := range all {
		labels := maps.Clone(object.GetLabels())
		if labels == nil {
			labels = map[string]string{}
		}
		labels[partOf] = "landfall"
		object.SetLabels(labels)
	}
	return all, nil
}

// manifests are the kinds and roles, written elsewhere.
func manifests() ([]*unstructured.Unstructured, error) {
	crds, err := config.CRDs()
	if err != nil {
		return nil, err
	}
	rbac, err := config.RBAC()
	return append(crds, rbac...), err
}

func toUnstructured(object client.Object, scheme *runtime.Scheme) (*unstructured.Unstructured, error) {
	kind, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("making %s %s: %w", kind.Kind, object.GetName(), err)
	}
	plain := &unstructured.Unstructured{Object: content}
	plain.SetGroupVersionKind(kind)
	unstructured.RemoveNestedField(plain.Object, "status")
	unstructured.RemoveNestedField(plain.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(plain.Object, "spec", "template", "metadata", "creationTimestamp")
	return plain, nil
}

func (p plan) namespace() client.Object {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
}

// cluster is the Cluster object that environments run on by default.
func (p plan) cluster() client.Object {
	routing := &v1alpha1.Routing{Domain: p.routing.Domain, IngressClassName: p.routing.IngressClass}
	if p.routing.IngressClass == "" {
		routing.IngressClassName, routing.AllowFrom = v1alpha1.IngressClass, []string{Namespace}
	}
	if p.routing.Port != 0 {
		routing.Port = &p.routing.Port
	}
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: p.clusterName}, Spec: v1alpha1.ClusterSpec{Routing: routing}}
}

const (
	controllerName = "landfall"
	logsFolder     = "/var/lib/landfall/logs"
)

// controller runs `landfall serve`. One replica holds the archive of logs, so
// that a new one waits until the old one has gone.
func (p plan) controller() []client.Object {
	container := corev1.Container{
		Name: "landfall", Image: p.images[imageController],
		Args: []string{
			"serve", "--leader-elect", "--leader-election-namespace", Namespace, "--log-format", "json",
			"--health-address", ":8081", "--metrics-address", ":9090", "--http-address", ":8080", "--log-archive", logsFolder,
		},
		Env:            []corev1.EnvVar{{Name: "GOMEMLIMIT", Value: "400MiB"}, {Name: "LANDFALL_IMAGE", Value: p.images[imageController]}},
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}, {Name: "health", ContainerPort: 8081}},
		VolumeMounts:   []corev1.VolumeMount{{Name: "logs", MountPath: logsFolder}, {Name: "tmp", MountPath: "/tmp"}},
		ReadinessProbe: httpProbe("health", "/readyz", 1),
		LivenessProbe:  httpProbe("health", "/healthz", 20),
		Resources:      requests("50m", "96Mi", "1Gi"), // charts are rendered beside it: internal/environment/confine
	}
	if p.mirrors != "" {
		container.Env = append(container.Env, corev1.EnvVar{Name: "LANDFALL_REGISTRY_MIRRORS", Value: p.mirrors})
	}
	pod := hardened(container)
	pod.ServiceAccountName = "landfall"
	pod.AutomountServiceAccountToken = ptr(true)
	pod.Volumes = []corev1.Volume{
		{Name: "logs", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "landfall-logs"}}},
		emptyDir("tmp"),
	}
	return []client.Object{
		&corev1.PersistentVolumeClaim{ObjectMeta: named("landfall-logs"), Spec: claim("5Gi")},
		&appsv1.Deployment{ObjectMeta: replaceable(controllerName), Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(1)), Selector: selector(controllerName),
			Strategy:             appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			RevisionHistoryLimit: ptr(int32(1)),
			Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(controllerName)}, Spec: pod},
		}},
		service(controllerName, corev1.ServicePort{Name: "http", Port: 80, TargetPort: intstr.FromString("http")},
			corev1.ServicePort{Name: "metrics", Port: 9090, TargetPort: intstr.FromString("metrics")}),
	}
}

const frontDoorName = "landfall-front-door"

// frontDoor runs on every node, so that port 80 of any of them leads in.
func (p plan) frontDoor() []client.Object {
	container := corev1.Container{
		Name: "front-door", Image: p.images[imageFrontDoor],
		Args:           []string{"front-door", "--listen", ":8080", "--health-address", ":8081", "--publish-address", "127.0.0.1"},
		Env:            []corev1.EnvVar{{Name: "GOMEMLIMIT", Value: "100MiB"}},
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, HostPort: 80}, {Name: "health", ContainerPort: 8081}},
		VolumeMounts:   []corev1.VolumeMount{{Name: "run", MountPath: "/run/front-door"}},
		ReadinessProbe: httpProbe("health", "/readyz", 1),
		LivenessProbe:  httpProbe("health", "/healthz", 20),
		Resources:      requests("30m", "64Mi", "192Mi"),
	}
	pod := hardened(container)
	pod.ServiceAccountName = frontDoorName
	pod.AutomountServiceAccountToken = ptr(true)
	pod.Volumes = []corev1.Volume{emptyDir("run")}
	pod.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	read := []string{"get", "list", "watch"}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: named(frontDoorName)},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: frontDoorName}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
			{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses"}, Verbs: read},
			{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses/status"}, Verbs: []string{"patch"}},
			{APIGroups: []string{"landfall.dev"}, Resources: []string{"environments"}, Verbs: read},
		}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: frontDoorName},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: frontDoorName},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: Namespace, Name: frontDoorName}},
		},
		&networkingv1.IngressClass{
			ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.IngressClass},
			Spec:       networkingv1.IngressClassSpec{Controller: "landfall.dev/front-door"},
		},
		&appsv1.DaemonSet{ObjectMeta: replaceable(frontDoorName), Spec: appsv1.DaemonSetSpec{
			Selector:             selector(frontDoorName),
			RevisionHistoryLimit: ptr(int32(1)),
			Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(frontDoorName)}, Spec: pod},
		}},
	}
}

// The rest are small pieces of objects.

func ptr[T any](v T) *T { return &v }

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: labels(name)}
}

// replaceable marks a workload, which keeps nothing itself, as one to delete
// and make anew when a field that cannot change has changed.
func replaceable(name string) metav1.ObjectMeta {
	meta := named(name)
	meta.Annotations = map[string]string{annotationReplaceable: "true"}
	return meta
}

func labels(name string) map[string]string { return map[string]string{"app.kubernetes.io/name": name} }

func selector(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels(name)}
}

func service(name string, ports ...corev1.ServicePort) *corev1.Service {
	for i := range ports {
		ports[i].Protocol = corev1.ProtocolTCP
	}
	return &corev1.Service{ObjectMeta: named(name), Spec: corev1.ServiceSpec{Selector: labels(name), Ports: ports}}
}

func claim(size string) corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
	}
}

func requests(cpu, memory, limit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)},
	}
}

func httpProbe(port, path string, period int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(port)}},
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: 3,
	}
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// hardened is a pod of one container that may do nothing special.
func hardened(container corev1.Container) corev1.PodSpec {
	container.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	return corev1.PodSpec{
		Containers:                    []corev1.Container{container},
		AutomountServiceAccountToken:  ptr(false),
		TerminationGracePeriodSeconds: ptr(int64(20)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(nobody)), RunAsGroup: ptr(int64(nobody)), FSGroup: ptr(int64(nobody)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}
