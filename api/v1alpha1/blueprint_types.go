package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Blueprint says what a system is made of. It is the same for every stage; an
// Environment picks versions, size and hostname.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=bp,categories=landfall
// +kubebuilder:printcolumn:name="Components",type=string,JSONPath=`.spec.components[*].name`
// +kubebuilder:printcolumn:name="Stores",type=string,JSONPath=`.spec.stores[*].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Blueprint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec BlueprintSpec `json:"spec"`
}

// BlueprintList is a list of Blueprints.
//
// +kubebuilder:object:root=true
type BlueprintList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Blueprint `json:"items"`
}

// BlueprintSpec is the definition of a system.
//
// +kubebuilder:validation:XValidation:rule="!has(self.stores) || self.components.all(c, !has(c.stores) || c.stores.all(s, self.stores.exists(d, d.name == s)))",message="a component names a store that spec.stores does not have"
type BlueprintSpec struct {
	// Components are the deployable parts.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	Components []Component `json:"components"`

	// Stores are the databases, caches and buckets that the components use.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Stores []Store `json:"stores,omitempty"`

	// ImagePullSecrets name Secrets of the project namespace, of the type
	// kubernetes.io/dockerconfigjson, with the credentials for private
	// registries. Each environment gets copies, with which all its pods pull; tags
	// are resolved and charts are fetched from registries with them, too.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// Baseline names a Baseline in the same namespace: the definition of normal
	// for every environment of this blueprint.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Baseline string `json:"baseline,omitempty"`
}

// Component is one deployable part: exactly one of image, chart and kustomize.
//
// +kubebuilder:validation:XValidation:rule="(has(self.image) ? 1 : 0) + (has(self.chart) ? 1 : 0) + (has(self.kustomize) ? 1 : 0) == 1",message="exactly one of image, chart and kustomize"
// +kubebuilder:validation:XValidation:rule="has(self.image) || !(has(self.command) || has(self.args) || has(self.ports) || has(self.env) || has(self.files) || has(self.volumes) || has(self.resources) || has(self.health) || has(self.scale) || has(self.schedule) || has(self.runBefore) || has(self.stores) || has(self.security) || has(self.sidecars))",message="only image components take command, args, ports, env, files, volumes, resources, health, scale, schedule, runBefore, stores, security and sidecars"
// +kubebuilder:validation:XValidation:rule="!(has(self.schedule) && has(self.runBefore))",message="a component runs on a schedule or before others, not both"
// +kubebuilder:validation:XValidation:rule="!(has(self.schedule) || has(self.runBefore)) || !(has(self.ports) || has(self.scale) || has(self.health))",message="a job takes no ports, scale or health"
type Component struct {
	// Name is a DNS label; objects of the component are named after it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Image is the reference to run. Its tag or digest is the default version;
	// an Environment's versions override it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`

	// Chart is a Helm chart to render.
	// +optional
	Chart *Chart `json:"chart,omitempty"`

	// Kustomize is a kustomization to build.
	// +optional
	Kustomize *Kustomize `json:"kustomize,omitempty"`

	// Command replaces the image's entry point.
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Command []string `json:"command,omitempty"`

	// Args replaces the image's arguments.
	// +kubebuilder:validation:MaxItems=256
	// +optional
	Args []string `json:"args,omitempty"`

	// Ports are what the component listens on; they make a Service.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Ports []Port `json:"ports,omitempty"`

	// Env are environment variables. A secretKeyRef names a Secret of the
	// project namespace, which is copied into the environment.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// Files are mounted into the container, read-only.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=path
	// +optional
	Files []File `json:"files,omitempty"`

	// Volumes are writable directories.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Volumes []Volume `json:"volumes,omitempty"`

	// Resources are the container's requests and limits.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// Health says how to tell that an instance serves.
	// +optional
	Health *Health `json:"health,omitempty"`

	// Scale is how many instances run, fixed or by load.
	// +optional
	Scale *Scale `json:"scale,omitempty"`

	// Schedule is a cron expression; it makes the component a CronJob.
	// +kubebuilder:validation:MaxLength=100
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// RunBefore makes the component a one-off Job that must complete before
	// the named components change; "*" means all that are not jobs.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	RunBefore []string `json:"runBefore,omitempty"`

	// Stores names the stores whose connection settings the component gets, as
	// environment variables prefixed by the store's name: store "db" gives
	// DB_URL, DB_HOST, DB_PORT, DB_USERNAME, DB_PASSWORD, DB_DATABASE.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Stores []string `json:"stores,omitempty"`

	// Security loosens or tightens the defaults (not root, no capabilities, no
	// privilege escalation, the runtime's seccomp profile).
	// +optional
	Security *Security `json:"security,omitempty"`

	// Sidecars are further containers of each instance, which share its
	// network, volumes, files, env, stores and security. They run before the
	// component's own container starts and until it has ended.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Sidecars []Sidecar `json:"sidecars,omitempty"`
}

// Sidecar is a further container of each instance of a component, for example
// PHP-FPM behind nginx.
type Sidecar struct {
	// Name is a DNS label, unique in the component and other than its name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Image is the reference to run; the component's own, in the version that
	// the environment asks for, by default.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`

	// Command replaces the image's entry point.
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Command []string `json:"command,omitempty"`

	// Args replaces the image's arguments.
	// +kubebuilder:validation:MaxItems=256
	// +optional
	Args []string `json:"args,omitempty"`

	// Env are variables beside the component's, which they replace by name.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// Files are mounted into this container beside the component's, which they
	// replace by path.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=path
	// +optional
	Files []File `json:"files,omitempty"`

	// Resources are the container's requests and limits.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// Health says how to tell that it serves; its port is one of the
	// component's. Without it, running is enough.
	// +optional
	Health *Health `json:"health,omitempty"`
}

// Chart is where a Helm chart comes from and what it is given. Exactly one of
// path, archive and repository.
//
// +kubebuilder:validation:XValidation:rule="(has(self.path) ? 1 : 0) + (has(self.archive) ? 1 : 0) + (has(self.repository) ? 1 : 0) == 1",message="exactly one of path, archive and repository"
// +kubebuilder:validation:XValidation:rule="!has(self.repository) || self.repository.startsWith('oci://') || has(self.name)",message="name is required with an HTTP repository"
type Chart struct {
	// Path is a chart folder or .tgz beside the blueprint file. `landfall
	// apply` packs it into archive; the API server never sees a path in use.
	// +optional
	Path string `json:"path,omitempty"`

	// Archive is a packed chart (.tgz), at most 700 kB.
	// +kubebuilder:validation:MaxLength=1000000
	// +kubebuilder:validation:Format=""
	// +optional
	Archive []byte `json:"archive,omitempty"`

	// Repository is an http(s):// chart repository or an oci:// reference that
	// includes the chart's name.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(https?|oci)://.+`
	// +optional
	Repository string `json:"repository,omitempty"`

	// Name of the chart in an HTTP repository.
	// +kubebuilder:validation:MaxLength=250
	// +optional
	Name string `json:"name,omitempty"`

	// Version of the chart in a repository; a version range is resolved once
	// and recorded.
	// +kubebuilder:validation:MaxLength=100
	// +optional
	Version string `json:"version,omitempty"`

	// VersionPath is the dotted path of the value that an Environment's version
	// of this component sets, for example "image.tag". Without it that version
	// is the chart's version.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	VersionPath string `json:"versionPath,omitempty"`

	// Values are given to the chart.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	Values *apiextensionsv1.JSON `json:"values,omitempty"`
}

// Kustomize is a kustomization. Exactly one of path and archive.
//
// +kubebuilder:validation:XValidation:rule="has(self.path) != has(self.archive)",message="exactly one of path and archive"
type Kustomize struct {
	// Path is a kustomization folder beside the blueprint file. `landfall
	// apply` packs it, with the bases it refers to, into archive.
	// +optional
	Path string `json:"path,omitempty"`

	// Archive is a packed folder (.tgz), at most 700 kB.
	// +kubebuilder:validation:MaxLength=1000000
	// +kubebuilder:validation:Format=""
	// +optional
	Archive []byte `json:"archive,omitempty"`

	// Folder inside the archive that holds kustomization.yaml; the root by
	// default.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Folder string `json:"folder,omitempty"`

	// VersionImage is the image name in the kustomization whose tag or digest
	// an Environment's version of this component sets.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	VersionImage string `json:"versionImage,omitempty"`
}

// Port is a port the component listens on.
type Port struct {
	// Name is unique in the component, at most 15 characters.
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Port the container listens on, and the Service's port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// Protocol is TCP or UDP.
	// +kubebuilder:validation:Enum=TCP;UDP
	// +kubebuilder:default=TCP
	// +optional
	Protocol corev1.Protocol `json:"protocol,omitempty"`

	// Public gives the port a hostname: COMPONENT.ENVIRONMENT.DOMAIN. At most
	// one port of a component.
	// +optional
	Public bool `json:"public,omitempty"`
}

// File is one file mounted into the container. Exactly one of content and
// secretKeyRef.
//
// +kubebuilder:validation:XValidation:rule="has(self.content) != has(self.secretKeyRef)",message="exactly one of content and secretKeyRef"
type File struct {
	// Path is absolute.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/.+`
	Path string `json:"path"`

	// Content of the file, kept in a ConfigMap.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	Content *string `json:"content,omitempty"`

	// SecretKeyRef is a key of a Secret in the project namespace, whose value
	// is the content.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`

	// Mode of the file, octal; 0444 by default.
	// +kubebuilder:validation:Pattern=`^0?[0-7]{3}$`
	// +optional
	Mode string `json:"mode,omitempty"`
}

// Volume is a writable directory: kept on a PersistentVolumeClaim where size
// is set, else it lives and dies with the pod.
type Volume struct {
	// Name is a DNS label, unique in the component.
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Path is absolute.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/.+`
	Path string `json:"path"`

	// Size of the claim.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`

	// StorageClassName of the claim; the cluster's default without it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// Health says how to tell that an instance serves. At most one of path and
// command; with neither, that the port accepts connections.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.path) && has(self.command))",message="at most one of path and command"
type Health struct {
	// Path is requested by HTTP; 200 to 399 is healthy.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/.*`
	// +optional
	Path string `json:"path,omitempty"`

	// Port is the name of the port asked; the first one by default.
	// +kubebuilder:validation:MaxLength=15
	// +optional
	Port string `json:"port,omitempty"`

	// Command is run in the container; exit code 0 is healthy.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Command []string `json:"command,omitempty"`

	// PeriodSeconds between two probes.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	// +kubebuilder:default=5
	// +optional
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`

	// StartupSeconds is how long an instance may take to serve first before it
	// is restarted.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	// +kubebuilder:default=60
	// +optional
	StartupSeconds int32 `json:"startupSeconds,omitempty"`
}

// Scale is how many instances run: min of them, or between min and max by
// load.
//
// +kubebuilder:validation:XValidation:rule="!has(self.max) || self.max >= self.min",message="max is at least min"
// +kubebuilder:validation:XValidation:rule="!(has(self.cpu) || has(self.memory) || has(self.metrics)) || has(self.max)",message="scaling by load needs max"
// +kubebuilder:validation:XValidation:rule="!has(self.max) || has(self.cpu) || has(self.memory) || has(self.metrics)",message="max needs something to scale by: cpu, memory or metrics"
type Scale struct {
	// Min instances.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:default=1
	// +optional
	Min int32 `json:"min"`

	// Max instances; makes a HorizontalPodAutoscaler.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Max *int32 `json:"max,omitempty"`

	// CPU use aimed at, in percent of the request.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	CPU *int32 `json:"cpu,omitempty"`

	// Memory use aimed at, in percent of the request.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Memory *int32 `json:"memory,omitempty"`

	// Metrics are custom and external metrics to scale by.
	// +kubebuilder:validation:MaxItems=10
	// +listType=map
	// +listMapKey=name
	// +optional
	Metrics []ScaleMetric `json:"metrics,omitempty"`
}

// ScaleMetric is a custom metric (type Pods, an average over the component's
// pods) or an external one, such as the length of a queue.
type ScaleMetric struct {
	// Name of the metric as the metrics API serves it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Type is Pods or External.
	// +kubebuilder:validation:Enum=Pods;External
	// +kubebuilder:default=Pods
	// +optional
	Type string `json:"type,omitempty"`

	// Selector narrows the metric by its labels.
	// +optional
	Selector map[string]string `json:"selector,omitempty"`

	// Average aimed at, per instance.
	Average resource.Quantity `json:"average"`
}

// Security changes a container's default security context.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.root) && self.root && has(self.user))",message="root or user, not both"
type Security struct {
	// User is the numeric user (and group) to run as; the image's by default,
	// which must then not be root.
	// +kubebuilder:validation:Minimum=1
	// +optional
	User *int64 `json:"user,omitempty"`

	// Root allows the container to run as root.
	// +optional
	Root bool `json:"root,omitempty"`

	// ReadOnlyRootFilesystem forbids writes outside volumes.
	// +optional
	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem,omitempty"`

	// Capabilities to add, for example NET_BIND_SERVICE.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Capabilities []corev1.Capability `json:"capabilities,omitempty"`
}

// StoreType is the kind of a store.
// +kubebuilder:validation:Enum=mysql;redis;s3
type StoreType string

// Store types. MySQL covers MariaDB.
const (
	StoreMySQL StoreType = "mysql"
	StoreRedis StoreType = "redis"
	StoreS3    StoreType = "s3"
)

// Store is a database, cache or bucket.
type Store struct {
	// Name is a DNS label.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Type is mysql (MariaDB too), redis or s3.
	Type StoreType `json:"type"`

	StoreSource `json:",inline"`
}

// StoreSource is where a store comes from: at most one of external and server.
// With neither, each environment gets its own on the project's default server,
// the Secret "landfall-TYPE".
//
// +kubebuilder:validation:XValidation:rule="!(has(self.external) && has(self.server))",message="at most one of external and server"
type StoreSource struct {
	// External names a Secret of the project namespace whose "url" is the
	// store itself. It is used as it is and never created or removed.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	External string `json:"external,omitempty"`

	// Server names a Secret of the project namespace whose "url" is a server's
	// administrator address; each environment gets its own database and user,
	// key space or bucket there, created and removed with it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Server string `json:"server,omitempty"`
}
