package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MigrationGuard is one thing that must be so while traffic moves: exactly one
// of router, checks, prometheus, datadog, cloudWatch, objective and parity.
//
// +kubebuilder:validation:XValidation:rule="[has(self.router), has(self.checks), has(self.prometheus), has(self.datadog), has(self.cloudWatch), has(self.objective), has(self.parity)].filter(x, x).size() == 1",message="a guard is exactly one of router, checks, prometheus, datadog, cloudWatch, objective and parity"
type MigrationGuard struct {
	// Name for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_. ]*[A-Za-z0-9])?$`
	Name string `json:"name"`

	// Failures is how many readings in a row must fail before the guard does.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:default=1
	// +optional
	Failures int32 `json:"failures,omitempty"`

	// Every is how often it is read; the migration's interval by default.
	// +optional
	Every *metav1.Duration `json:"every,omitempty"`

	// UnknownFor is how long this guard may be unknown; the migration's by
	// default.
	// +optional
	UnknownFor *metav1.Duration `json:"unknownFor,omitempty"`

	// Idle: the guard is about requests that the new side serves, so that it is
	// not asked while the new side gets none, at weight 0. For queries that have
	// no data, or divide by nothing, without requests. Router guards always are.
	// +optional
	Idle bool `json:"idle,omitempty"`

	// Router judges the router's own counters by side.
	// +optional
	Router *RouterGuard `json:"router,omitempty"`
	// Checks asks a side directly, as a Baseline says.
	// +optional
	Checks *ChecksGuard `json:"checks,omitempty"`
	// +optional
	Prometheus *PrometheusGuard `json:"prometheus,omitempty"`
	// +optional
	Datadog *DatadogGuard `json:"datadog,omitempty"`
	// +optional
	CloudWatch *CloudWatchGuard `json:"cloudWatch,omitempty"`
	// Objective looks at the error budget that an environment has left.
	// +optional
	Objective *ObjectiveGuard `json:"objective,omitempty"`
	// Parity compares the objects of two clusters.
	// +optional
	Parity *ParityGuard `json:"parity,omitempty"`
}

// ParityGuard holds while two clusters have the same objects in some
// namespaces. It is read before the new side gets any traffic, too.
type ParityGuard struct {
	// From and To name Clusters.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	To string `json:"to"`
	// Namespaces that are compared.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=set
	Namespaces []string `json:"namespaces"`
	// Ignore are differences that are meant.
	// +kubebuilder:validation:MaxItems=128
	// +listType=atomic
	// +optional
	Ignore []ParityIgnore `json:"ignore,omitempty"`
}

// ParityIgnore says which differences are meant, and why. What is empty means
// any; kind, name and namespace may have * for anything. One that would ignore
// everything is not valid.
//
// +kubebuilder:validation:XValidation:rule="has(self.kind) && self.kind.matches('[^*.]') || has(self.__namespace__) && self.__namespace__.matches('[^*]') || has(self.name) && self.name.matches('[^*]') || has(self.path) && self.path.matches('[^*.]') || has(self.manager) && size(self.manager) > 0",message="it would ignore everything: name a kind, namespace, name, path or manager"
type ParityIgnore struct {
	// Kind, as KIND or KIND.GROUP.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Kind string `json:"kind,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Name string `json:"name,omitempty"`
	// Path of the field, such as spec.replicas or
	// spec.template.spec.containers[*].image, and all below it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Path string `json:"path,omitempty"`
	// Manager: fields that this field manager owns on either side.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Manager string `json:"manager,omitempty"`
	// Reason for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason"`
}

// RouterGuard compares the new side with the old one at the same moment, and
// with bounds of its own.
type RouterGuard struct {
	// MaxErrorRate of the new side in percent, such as "1": more than that fails,
	// as soon as it cannot be chance.
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$`
	// +optional
	MaxErrorRate string `json:"maxErrorRate,omitempty"`

	// MaxLatency of the new side: the 95th percentile, or what the router keeps
	// instead.
	// +optional
	MaxLatency *metav1.Duration `json:"maxLatency,omitempty"`

	// Compare fails the new side where it has more errors than the old one has
	// at the same moment and that cannot be chance; true by default.
	// +kubebuilder:default=true
	// +optional
	Compare *bool `json:"compare,omitempty"`

	// MaxSlowdown is how many times the old side's 95th percentile the new
	// side's may be, such as "1.5". It needs a router that counts by latency.
	// +kubebuilder:validation:Pattern=`^[0-9]{1,3}(\.[0-9]{1,4})?$`
	// +optional
	MaxSlowdown string `json:"maxSlowdown,omitempty"`

	// Confidence in percent: a new side that is just good enough is failed by
	// chance in an hour at most with what is left to 100.
	// +kubebuilder:validation:Pattern=`^[0-9]{2}(\.[0-9]{1,4})?$`
	// +kubebuilder:default="99"
	// +optional
	Confidence string `json:"confidence,omitempty"`

	// Window that is looked back at.
	// +kubebuilder:default="1m"
	// +optional
	Window metav1.Duration `json:"window,omitzero"`
}

// ChecksGuard runs the HTTP checks of a Baseline against one side's URL.
type ChecksGuard struct {
	// Baseline in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Baseline string `json:"baseline"`

	// Side that is asked.
	// +kubebuilder:validation:Enum=new;old
	// +kubebuilder:default=new
	// +optional
	Side string `json:"side,omitempty"`

	// Only these checks, by name; all by default.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	Only []string `json:"only,omitempty"`
}

// MetricBounds are what a metric may be: at least one of max and min.
type MetricBounds struct {
	// +kubebuilder:validation:Pattern=`^-?[0-9]{1,15}(\.[0-9]{1,9})?$`
	// +optional
	Max string `json:"max,omitempty"`
	// +kubebuilder:validation:Pattern=`^-?[0-9]{1,15}(\.[0-9]{1,9})?$`
	// +optional
	Min string `json:"min,omitempty"`
	// Window that the query looks back at, where the source takes one.
	// +kubebuilder:default="1m"
	// +optional
	Window metav1.Duration `json:"window,omitzero"`
}

// PrometheusGuard bounds what a query gives.
//
// +kubebuilder:validation:XValidation:rule="has(self.max) || has(self.min)",message="give max, min or both"
type PrometheusGuard struct {
	// URL of the server's API.
	// +kubebuilder:validation:MaxLength=2000
	// +kubebuilder:validation:Pattern=`^https?://[^\s@]+$`
	URL string `json:"url"`
	// Query in PromQL that gives one number.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4000
	Query        string `json:"query"`
	MetricBounds `json:",inline"`
	// SecretName names a Secret in the same namespace with the key token, or
	// username and password.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// DatadogGuard bounds what a query gives, or wants a monitor to be fine.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.monitorID)",message="exactly one of query and monitorID"
// +kubebuilder:validation:XValidation:rule="has(self.monitorID) || has(self.max) || has(self.min)",message="give max, min or both"
type DatadogGuard struct {
	// Site of the account.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9.-]+$`
	// +kubebuilder:default="datadoghq.com"
	// +optional
	Site string `json:"site,omitempty"`
	// Query of metrics.
	// +kubebuilder:validation:MaxLength=4000
	// +optional
	Query string `json:"query,omitempty"`
	// MonitorID of a monitor that must be OK.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MonitorID    int64 `json:"monitorID,omitempty"`
	MetricBounds `json:",inline"`
	// SecretName names a Secret in the same namespace with DD_API_KEY and
	// DD_APP_KEY.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// CloudWatchGuard bounds what a metric math expression or a metric gives.
//
// +kubebuilder:validation:XValidation:rule="has(self.max) || has(self.min)",message="give max, min or both"
type CloudWatchGuard struct {
	AWSAccess    `json:",inline"`
	MetricBounds `json:",inline"`
	// Metrics Insights query or metric math, that gives one series.
	// +kubebuilder:validation:MaxLength=4000
	// +optional
	Expression string `json:"expression,omitempty"`
	// MetricNamespace, such as AWS/ApplicationELB.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	MetricNamespace string `json:"metricNamespace,omitempty"`
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Metric string `json:"metric,omitempty"`
	// +kubebuilder:validation:MaxProperties=30
	// +optional
	Dimensions map[string]string `json:"dimensions,omitempty"`
	// Statistic, such as Sum, Average or p95.
	// +kubebuilder:validation:MaxLength=20
	// +optional
	Statistic string `json:"statistic,omitempty"`
	// Period of the metric's points.
	// +kubebuilder:default="1m"
	// +optional
	Period metav1.Duration `json:"period,omitzero"`
}

// ObjectiveGuard wants an objective's error budget not to be spent.
type ObjectiveGuard struct {
	// Environment in the same namespace, whose baseline has the objective.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`
	// Objective by name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Objective string `json:"objective"`
	// MinBudgetLeft in percent of the allowed failures.
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$`
	// +kubebuilder:default="0"
	// +optional
	MinBudgetLeft string `json:"minBudgetLeft,omitempty"`
	// MaxBudgetSpent is how much of the allowed failures may happen while this
	// migration goes on, in percent of them; without it, as many as there are.
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$`
	// +optional
	MaxBudgetSpent string `json:"maxBudgetSpent,omitempty"`
}
