package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cluster is a Kubernetes cluster that environments run on. Without
// kubeconfigSecret it is the cluster that holds the object.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=landfall
// +kubebuilder:printcolumn:name="Reachable",type=string,JSONPath=`.status.conditions[?(@.type=="Reachable")].status`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.status.endpoint`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ClusterSpec   `json:"spec,omitempty"`
	Status ClusterStatus `json:"status,omitempty"`
}

// ClusterList is a list of Clusters.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}

// ClusterSpec says how to reach a cluster and how its environments are
// reached.
//
// +kubebuilder:validation:XValidation:rule="!has(self.terraform) || has(self.kubeconfigSecret)",message="a cluster by Terraform needs kubeconfigSecret: where to put its kubeconfig"
type ClusterSpec struct {
	// KubeconfigSecret holds a kubeconfig; its current context is used.
	// +optional
	KubeconfigSecret *SecretKeyRef `json:"kubeconfigSecret,omitempty"`

	// Endpoint of the API server as people reach it, where it is not the one that
	// Landfall uses.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// Terraform says what creates the cluster, and removes it. Without it the
	// cluster is only reached.
	// +optional
	Terraform *Terraform `json:"terraform,omitempty"`

	// Roles that people have on the cluster.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Roles []ClusterRole `json:"roles,omitempty"`

	// EKS names the cluster at AWS: its tags say whether it is ready and the
	// latest, and its tokens come from AWS.
	// +optional
	EKS *EKS `json:"eks,omitempty"`

	// Ready clusters are handed out to people by `landfall kubeconfig`.
	// +kubebuilder:default=true
	// +optional
	Ready *bool `json:"ready,omitempty"`

	// Latest is the cluster that the context `latest` leads to; the newest that
	// is ready by default.
	// +optional
	Latest bool `json:"latest,omitempty"`

	// Addons are the cluster-level resources that every cluster gets alike.
	// +optional
	Addons *Addons `json:"addons,omitempty"`

	// Routing says how public components get their hostnames. Without it they
	// get none.
	// +optional
	Routing *Routing `json:"routing,omitempty"`
}

// Terraform is a module and what it is given. Its outputs say how the cluster
// is reached: kubeconfig, or endpoint and certificate_authority.
type Terraform struct {
	// Module is a folder, a git URL or an address in a registry, as Terraform
	// writes it; local, aws-ec2 and aws-eks are those that come with Landfall.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Module string `json:"module"`

	// Version of a module in a registry.
	// +kubebuilder:validation:MaxLength=100
	// +optional
	Version string `json:"version,omitempty"`

	// Variables of the module.
	// +kubebuilder:validation:MaxProperties=128
	// +optional
	Variables map[string]apiextensionsv1.JSON `json:"variables,omitempty"`

	// SecretVariables come from Secrets: they are neither shown nor written to
	// disk.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=variable
	// +optional
	SecretVariables []SecretVariable `json:"secretVariables,omitempty"`

	// Backend keeps the state; a Secret beside the cluster's kubeconfig by
	// default.
	// +optional
	Backend *TerraformBackend `json:"backend,omitempty"`

	// Job says how Terraform runs in a pod of the management cluster, with
	// --in-cluster.
	// +optional
	Job *TerraformJob `json:"job,omitempty"`
}

// TerraformJob is what the pod has in which Terraform runs.
type TerraformJob struct {
	// Image with terraform or tofu on its PATH, and what the module's providers
	// and scripts need besides. Landfall puts itself into the pod.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:default="docker.io/hashicorp/terraform:1.11"
	// +optional
	Image string `json:"image,omitempty"`

	// SecretName names a Secret in namespace landfall-system whose keys become
	// environment variables: credentials of the providers and of the backend.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// SecretVariable gives a variable the value of a Secret's key.
type SecretVariable struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Variable  string       `json:"variable"`
	ValueFrom SecretKeyRef `json:"valueFrom"`
}

// TerraformBackend is where Terraform keeps its state.
type TerraformBackend struct {
	// Type of the backend, such as s3.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Type string `json:"type"`
	// Config of the backend.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	Config map[string]string `json:"config,omitempty"`
}

// ClusterRole is what some people may do on a cluster, and how they log in for
// it: at most one of awsRoleARN and serviceAccount.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.awsRoleARN) && has(self.serviceAccount))",message="at most one of awsRoleARN and serviceAccount"
type ClusterRole struct {
	// Name, such as admin, app-admin or viewer.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Groups whose members have the role; everybody has one without groups. Of
	// several roles that somebody has, the first of the list is the one that the
	// context of the latest cluster uses.
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`

	// AWSRoleARN is assumed to get a token from AWS.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	AWSRoleARN string `json:"awsRoleARN,omitempty"`

	// ServiceAccount on the cluster whose short-lived tokens log in.
	// +optional
	ServiceAccount *ServiceAccountRef `json:"serviceAccount,omitempty"`
}

// ServiceAccountRef names a ServiceAccount on a cluster.
type ServiceAccountRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// KubeconfigSecret holds a kubeconfig for getting tokens of this account. Let
	// it have no other right, and who may read the Secret has the role and nothing
	// more. Without it tokens are got with the cluster's own kubeconfig.
	// +optional
	KubeconfigSecret *SecretKeyRef `json:"kubeconfigSecret,omitempty"`
}

// EKS names a cluster at AWS.
type EKS struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[0-9A-Za-z][-_0-9A-Za-z]*$`
	Name string `json:"name"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9][-a-z0-9]*$`
	Region string `json:"region"`
}

// Addons name the Blueprint whose components every cluster gets. On each it
// runs as environment addons-CLUSTER of that project: deployed, compared and
// rolled back like any other.
type Addons struct {
	// Project is the namespace of the Blueprint.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Project string `json:"project"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Blueprint string `json:"blueprint"`
	// Namespace on the cluster.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:default=addons
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// SecretKeyRef names a key of a Secret.
type SecretKeyRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key in the Secret.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=kubeconfig
	// +optional
	Key string `json:"key,omitempty"`
}

// Routing is how HTTP reaches public components: exactly one of
// ingressClassName and gateway.
//
// +kubebuilder:validation:XValidation:rule="has(self.ingressClassName) != has(self.gateway)",message="exactly one of ingressClassName and gateway"
type Routing struct {
	// Domain below which environments get their hostnames.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=150
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Domain string `json:"domain"`

	// Port that people put into URLs, where it is not the scheme's own.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`

	// TLS makes URLs https; certificates are the ingress controller's matter.
	// +optional
	TLS bool `json:"tls,omitempty"`

	// IngressClassName makes an Ingress of this class.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	IngressClassName string `json:"ingressClassName,omitempty"`

	// Gateway makes an HTTPRoute attached to it.
	// +optional
	Gateway *GatewayRef `json:"gateway,omitempty"`

	// AllowFrom names the namespaces whose pods may reach public components:
	// those of the ingress controller or gateway.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	AllowFrom []string `json:"allowFrom,omitempty"`

	// DNS keeps the hostnames in hosted zones of Route 53. Without it they are
	// somebody else's matter.
	// +optional
	DNS *DNS `json:"dns,omitempty"`
}

// DNS says where the records of hostnames are and what they hold. Records that
// are not Landfall's are never changed.
type DNS struct {
	// Zones that may hold the records. A hostname is in those with the longest
	// name that it ends in: a private and a public zone of one name both have it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=hostedZoneID
	Zones []HostedZone `json:"zones"`

	// Wildcard gives environments that expire no records of their own below the
	// domain: they share *.DOMAIN.
	// +optional
	Wildcard bool `json:"wildcard,omitempty"`

	// TTL of the records; aliases have their target's.
	// +kubebuilder:default="60s"
	// +optional
	TTL metav1.Duration `json:"ttl,omitzero"`

	// Owner that ownership records name, in the format of external-dns. Give each
	// Landfall that shares a zone another.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:default=landfall
	// +optional
	Owner string `json:"owner,omitempty"`

	// TakeOver names owners, such as that of an external-dns which is switched
	// off, whose records of these hostnames become Landfall's.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=255
	// +listType=set
	// +optional
	TakeOver []string `json:"takeOver,omitempty"`

	// HandOver gives all of Landfall's records in the zones to this owner, such as
	// an external-dns, and changes nothing else from then on.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	// +kubebuilder:validation:MaxLength=255
	// +optional
	HandOver string `json:"handOver,omitempty"`

	// ExternalDNS is how the external-dns of takeOver and handOver names its
	// ownership records, unless it does so by default.
	// +optional
	ExternalDNS *ExternalDNS `json:"externalDNS,omitempty"`

	// SecretName names a Secret in namespace landfall-system with
	// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where needed,
	// AWS_SESSION_TOKEN. Without it the identity of Landfall's own process is
	// used.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// ExternalDNS has the flags of an external-dns that name its ownership records.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.txtPrefix) && has(self.txtSuffix))",message="external-dns takes a prefix or a suffix, not both"
type ExternalDNS struct {
	// TXTPrefix is its --txt-prefix.
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9._-]|%\{record_type\})+$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TXTPrefix string `json:"txtPrefix,omitempty"`

	// TXTSuffix is its --txt-suffix.
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9._-]|%\{record_type\})+$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TXTSuffix string `json:"txtSuffix,omitempty"`

	// TXTWildcardReplacement is its --txt-wildcard-replacement.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TXTWildcardReplacement string `json:"txtWildcardReplacement,omitempty"`
}

// HostedZone is a zone and what the cluster's hostnames lead to there.
//
// +kubebuilder:validation:XValidation:rule="has(self.records) != has(self.alias)",message="exactly one of records and alias"
type HostedZone struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]+$`
	HostedZoneID string `json:"hostedZoneID"`

	// Records are IP addresses of either kind, or one host name.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	Records []string `json:"records,omitempty"`

	// Alias of an AWS resource, such as the load balancer in front of the cluster.
	// +optional
	Alias *Route53Alias `json:"alias,omitempty"`
}

// GatewayRef names a Gateway.
type GatewayRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ClusterStatus is what was last seen of a cluster.
type ClusterStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Endpoint of the API server.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// CertificateAuthority that the API server's certificate is from, in PEM.
	// +optional
	CertificateAuthority []byte `json:"certificateAuthority,omitempty"`
	// Version of Kubernetes.
	// +optional
	Version string `json:"version,omitempty"`
	// Nodes that are ready.
	// +optional
	Nodes int32 `json:"nodes,omitempty"`
	// SeenAt is when the cluster last answered.
	// +optional
	SeenAt *metav1.Time `json:"seenAt,omitempty"`
	// Terraform is what it last did.
	// +optional
	Terraform *TerraformStatus `json:"terraform,omitempty"`
	// Replaces is the journal of the migration that fills this cluster.
	// +optional
	Replaces *ClusterReplacement `json:"replaces,omitempty"`
	// Conditions: Reachable.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// TerraformPhase is how far a cluster's infrastructure is.
//
// +kubebuilder:validation:Enum=Planned;Applying;Applied;Failed;Destroying;Destroyed
type TerraformPhase string

// Phases of a cluster's infrastructure.
const (
	TerraformPlanned    TerraformPhase = "Planned"
	TerraformApplying   TerraformPhase = "Applying"
	TerraformApplied    TerraformPhase = "Applied"
	TerraformFailed     TerraformPhase = "Failed"
	TerraformDestroying TerraformPhase = "Destroying"
	TerraformDestroyed  TerraformPhase = "Destroyed"
)

// TerraformStatus is what Terraform last did for a cluster.
type TerraformStatus struct {
	// +optional
	Phase TerraformPhase `json:"phase,omitempty"`
	// Message says why it failed.
	// +optional
	Message string `json:"message,omitempty"`
	// Add, Change and Destroy count the resources of the last plan.
	// +optional
	Add int32 `json:"add,omitempty"`
	// +optional
	Change int32 `json:"change,omitempty"`
	// +optional
	Destroy int32 `json:"destroy,omitempty"`
	// PlannedAt is when the last plan was made.
	// +optional
	PlannedAt *metav1.Time `json:"plannedAt,omitempty"`
	// AppliedAt is when the last apply ended well.
	// +optional
	AppliedAt *metav1.Time `json:"appliedAt,omitempty"`
	// Drift of the infrastructure from the module, as last looked for.
	// +optional
	Drift DriftState `json:"drift,omitempty"`
	// DriftCheckedAt is when it was looked for.
	// +optional
	DriftCheckedAt *metav1.Time `json:"driftCheckedAt,omitempty"`
}

// ClusterReplacement is how far `landfall cluster migrate` has come.
type ClusterReplacement struct {
	// Cluster that is replaced.
	Cluster string `json:"cluster"`
	// StartedAt is when the first step began.
	StartedAt metav1.Time `json:"startedAt"`
	// Steps in their order.
	// +listType=map
	// +listMapKey=name
	// +optional
	Steps []ReplacementStep `json:"steps,omitempty"`
}

// ReplacementStep is one step of a cluster's replacement.
type ReplacementStep struct {
	// Name, such as transfer, or traffic of shop/staging.
	Name string `json:"name"`
	// State of the step.
	// +kubebuilder:validation:Enum=Pending;Running;Done;Failed;Waiting
	State string `json:"state"`
	// Message says what came of it, or what it waits for.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	At *metav1.Time `json:"at,omitempty"`
}
