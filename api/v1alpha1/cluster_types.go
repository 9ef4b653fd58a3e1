package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
type ClusterSpec struct {
	// KubeconfigSecret holds a kubeconfig; its current context is used.
	// +optional
	KubeconfigSecret *SecretKeyRef `json:"kubeconfigSecret,omitempty"`

	// Routing says how public components get their hostnames. Without it they
	// get none.
	// +optional
	Routing *Routing `json:"routing,omitempty"`
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
	// Version of Kubernetes.
	// +optional
	Version string `json:"version,omitempty"`
	// Nodes that are ready.
	// +optional
	Nodes int32 `json:"nodes,omitempty"`
	// SeenAt is when the cluster last answered.
	// +optional
	SeenAt *metav1.Time `json:"seenAt,omitempty"`
	// Conditions: Reachable.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
