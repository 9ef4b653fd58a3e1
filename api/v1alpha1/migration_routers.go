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

	// Pin adds a rule for each side that requests with the header
	// X-Landfall-Backend take.
	// +optional
	Pin bool `json:"pin,omitempty"`
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

	// RuleARN of the listener rule that forwards to the old side's target group,
	// or of a listener for its default rule.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern=`^arn:[a-z-]+:elasticloadbalancing:\S+$`
	RuleARN string `json:"ruleARN"`

	// Unstick switches the rule's stickiness off while traffic moves, so that
	// requests go by weight and not by cookie.
	// +optional
	Unstick bool `json:"unstick,omitempty"`

	// Pin adds a rule for each side that requests with the header
	// X-Landfall-Backend take.
	// +optional
	Pin bool `json:"pin,omitempty"`
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

	// TTL while traffic moves; ignored for aliases.
	// +kubebuilder:default="60s"
	// +optional
	TTL metav1.Duration `json:"ttl,omitzero"`

	// HeartbeatURL is where Route 53's health checkers reach the heartbeat of
	// `landfall serve --heartbeat-address` from the internet; a dead man's switch
	// needs it.
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^https?://[^\s@]+$`
	// +optional
	HeartbeatURL string `json:"heartbeatURL,omitempty"`
}

// Route53Side is what the records of one side hold: values or an alias. Both
// sides have the same types of record.
//
// +kubebuilder:validation:XValidation:rule="has(self.records) != has(self.alias)",message="exactly one of records and alias"
type Route53Side struct {
	// Records are IP addresses of either kind, or one host name.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	Records []string `json:"records,omitempty"`

	// Alias of an AWS resource.
	// +optional
	Alias *Route53Alias `json:"alias,omitempty"`

	// HealthCheckID of the side's own health check in Route 53.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	HealthCheckID string `json:"healthCheckID,omitempty"`

	// PinHostname is a name in the same zone that leads to this side while the
	// migration runs, whatever the weights are.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	PinHostname string `json:"pinHostname,omitempty"`
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
	// IPv6: the target answers to IPv6, too, and gets an AAAA alias.
	// +optional
	IPv6 bool `json:"ipv6,omitempty"`
}
