package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HAProxyRouter is a backend of one or more processes of HAProxy.
type HAProxyRouter struct {
	// Instances are all processes that carry the hostname: their runtime
	// interfaces (unix:///path, tcp://host:port), or the watchdogs beside them
	// (http://host:port, https://host:port). All are written and read back.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(unix:///|tcp://|https?://)[^\s;@]+$`
	// +listType=set
	Instances []string `json:"instances"`

	// Backend in HAProxy's configuration that has both sides' servers.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_.:-]+$`
	Backend string `json:"backend"`

	// TokenSecretName names a Secret in the same namespace whose key token is
	// what watchdogs ask for.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TokenSecretName string `json:"tokenSecretName,omitempty"`
}

// HAProxySide is one side's servers.
type HAProxySide struct {
	// Servers of the backend.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=100
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9_.:-]+$`
	// +listType=set
	Servers []string `json:"servers"`
}

// GatewayAPIRouter is one rule of an HTTPRoute.
type GatewayAPIRouter struct {
	// Cluster that has the route; by default the one that holds the Migration.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Cluster string `json:"cluster,omitempty"`

	// Namespace of the route; the Migration's by default.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Route names the HTTPRoute.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Route string `json:"route"`

	// Rule by its name; by default the only one that has the old side.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Rule string `json:"rule,omitempty"`
}

// GatewayAPISide is a Service.
type GatewayAPISide struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Service string `json:"service"`

	// Namespace of the Service; the route's by default.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// AWSAccess says how AWS is asked.
type AWSAccess struct {
	// Region of the service.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]*$`
	// +optional
	Region string `json:"region,omitempty"`

	// SecretName names a Secret in the same namespace with AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and, where needed, AWS_SESSION_TOKEN. Without it the
	// identity of Landfall's own process is used.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// ALBRouter is a rule of a listener of an Application Load Balancer.
type ALBRouter struct {
	AWSAccess `json:",inline"`

	// RuleARN of the listener rule that forwards to both target groups.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern=`^arn:[a-z-]+:elasticloadbalancing:\S+$`
	RuleARN string `json:"ruleARN"`
}

// ALBSide is a target group.
type ALBSide struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern=`^arn:[a-z-]+:elasticloadbalancing:\S+$`
	TargetGroupARN string `json:"targetGroupARN"`
}

// Route53Router is the records of the hostname in a hosted zone.
type Route53Router struct {
	AWSAccess `json:",inline"`

	// HostedZoneID of the zone.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]+$`
	HostedZoneID string `json:"hostedZoneID"`

	// Type of the records.
	// +kubebuilder:validation:Enum=A;AAAA;CNAME
	// +kubebuilder:default=A
	// +optional
	Type string `json:"type,omitempty"`

	// TTL while traffic moves; ignored for aliases.
	// +kubebuilder:default="60s"
	// +optional
	TTL metav1.Duration `json:"ttl,omitzero"`
}

// Route53Side is what the record of one side holds: values or an alias.
//
// +kubebuilder:validation:XValidation:rule="has(self.records) != has(self.alias)",message="exactly one of records and alias"
type Route53Side struct {
	// Records are the values.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	Records []string `json:"records,omitempty"`

	// Alias of an AWS resource.
	// +optional
	Alias *Route53Alias `json:"alias,omitempty"`
}

// Route53Alias is the target of an alias record.
type Route53Alias struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	DNSName string `json:"dnsName"`
	// HostedZoneID of the target.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	HostedZoneID string `json:"hostedZoneID"`
	// +optional
	EvaluateTargetHealth bool `json:"evaluateTargetHealth,omitempty"`
}
