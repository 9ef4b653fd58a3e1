package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Environment is one running copy of a Blueprint: a namespace on a cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=env,categories=landfall
// +kubebuilder:printcolumn:name="Blueprint",type=string,JSONPath=`.spec.blueprint`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.status.release`
// +kubebuilder:printcolumn:name="Drift",type=string,JSONPath=`.status.drift.state`
// +kubebuilder:printcolumn:name="Baseline",type=string,JSONPath=`.status.baseline.answer`
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.status.cluster`,priority=1
// +kubebuilder:printcolumn:name="Expires",type=date,JSONPath=`.status.expiresAt`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 50",message="an environment's name has at most 50 characters: it becomes part of host names and labels"
type Environment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EnvironmentSpec   `json:"spec"`
	Status EnvironmentStatus `json:"status,omitempty"`
}

// EnvironmentList is a list of Environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}

// EnvironmentSpec is what somebody wants to run.
//
// +kubebuilder:validation:XValidation:rule="has(self.__namespace__) == has(oldSelf.__namespace__) && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",message="an environment cannot change its namespace"
type EnvironmentSpec struct {
	// Blueprint names a Blueprint in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Blueprint string `json:"blueprint"`

	// Cluster names the Cluster to run on. Changing it moves the environment: it
	// is created there, and stays where it was until the move is finished.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=local
	// +optional
	Cluster string `json:"cluster,omitempty"`

	// Namespace on the cluster; the environment's name by default.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Versions by component: an image tag, digest ("sha256:…") or both (the tag
	// is then for people: TAG@sha256:…), or a chart version. Components left out run the blueprint's version.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	Versions map[string]string `json:"versions,omitempty"`

	// Overrides by component.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=component
	// +optional
	Overrides []Override `json:"overrides,omitempty"`

	// Stores replaces where the blueprint's stores come from.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Stores []StoreOverride `json:"stores,omitempty"`

	// Stage says what the environment's data is worth; production where it is
	// not set and the name says so (production, prod or live). Data of
	// production leaves it masked only, and goes into it on purpose only.
	// +optional
	Stage Stage `json:"stage,omitempty"`

	// Seed fills the environment's new stores with another one's data, before
	// its first release. What changes here later has no effect.
	// +optional
	Seed *Seed `json:"seed,omitempty"`

	// Hostname of the environment; ENVIRONMENT.DOMAIN of its cluster by
	// default. Public components answer on COMPONENT.HOSTNAME, and where there
	// is just one, on HOSTNAME too.
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	Hostname string `json:"hostname,omitempty"`

	// Aliases are further names that HOSTNAME answers to, such as www.HOSTNAME.
	// Only where one component is public: which else should answer?
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +listType=set
	// +optional
	Aliases []string `json:"aliases,omitempty"`

	// TTL counts from creation; the environment is deleted after it. None
	// means it stays.
	// +optional
	TTL *metav1.Duration `json:"ttl,omitempty"`

	// Asleep scales everything to zero; waking restores the exact sizes.
	// +optional
	Asleep bool `json:"asleep,omitempty"`

	// RollbackTo names a Release whose stored objects the environment runs,
	// whatever versions and blueprint say, until the next deploy clears it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	RollbackTo string `json:"rollbackTo,omitempty"`

	// Adopt allows taking over a namespace and objects that exist already and
	// are not this environment's.
	// +optional
	Adopt bool `json:"adopt,omitempty"`

	// Drift says what happens when the cluster differs from the release:
	// Report shows it, Heal puts it back.
	// +kubebuilder:validation:Enum=Report;Heal
	// +kubebuilder:default=Report
	// +optional
	Drift string `json:"drift,omitempty"`

	// Quota limits the whole environment (a ResourceQuota's hard limits).
	// +optional
	Quota corev1.ResourceList `json:"quota,omitempty"`

	// DeployTimeout is how long a release may take to become ready before it
	// has failed; 10 minutes by default.
	// +optional
	DeployTimeout *metav1.Duration `json:"deployTimeout,omitempty"`

	// HistoryLimit is how many finished releases are kept to go back to.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:default=10
	// +optional
	HistoryLimit int32 `json:"historyLimit,omitempty"`
}

// Override changes one component in one environment.
type Override struct {
	// Component of the blueprint.
	// +kubebuilder:validation:MaxLength=40
	Component string `json:"component"`

	// Env adds variables, or replaces those of the same name.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// Scale replaces the component's.
	// +optional
	Scale *Scale `json:"scale,omitempty"`

	// Resources replaces the component's.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Seed is the data that an environment begins with.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.mask) && has(self.unmasked) && self.unmasked)",message="either mask or unmasked"
type Seed struct {
	// From names the Environment of the same namespace whose data it is.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from"`

	// Stores to fill; all that both have by default.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=20
	// +listType=set
	// +optional
	Stores []string `json:"stores,omitempty"`

	// Mask changes personal data in flight.
	// +optional
	Mask *DataMask `json:"mask,omitempty"`

	// Unmasked says that data of production may leave it as it is.
	// +optional
	Unmasked bool `json:"unmasked,omitempty"`
}

// StoreOverride replaces where a store comes from.
type StoreOverride struct {
	// Name of the blueprint's store.
	// +kubebuilder:validation:MaxLength=20
	Name string `json:"name"`

	StoreSource `json:",inline"`
}

// Phase sums up an environment in one word.
type Phase string

// Phases of an environment.
const (
	PhasePending     Phase = "Pending"
	PhaseDeploying   Phase = "Deploying"
	PhaseRollingBack Phase = "RollingBack"
	PhaseReady       Phase = "Ready"
	PhaseDegraded    Phase = "Degraded"
	PhaseFailed      Phase = "Failed"
	PhaseAsleep      Phase = "Asleep"
	PhaseUnknown     Phase = "Unknown"
	PhaseDeleting    Phase = "Deleting"
)

// EnvironmentStatus is what runs.
type EnvironmentStatus struct {
	// ObservedGeneration is the generation this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase in one word.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// Release names the newest Release, under way or finished: the one key for
	// what is applied and what may go.
	// +optional
	Release string `json:"release,omitempty"`

	// InputsHash identifies the inputs of the newest release; other inputs
	// make a new one.
	// +optional
	InputsHash string `json:"inputsHash,omitempty"`

	// RefusedInputs identifies inputs whose release was refused, because it
	// would delete too much; see the annotation landfall.dev/prune-approved.
	// +optional
	RefusedInputs string `json:"refusedInputs,omitempty"`

	// Seeded is when the stores had been filled as spec.seed says, and verified.
	// +optional
	Seeded *metav1.Time `json:"seeded,omitempty"`

	// LastSuccessful names the newest Release that succeeded.
	// +optional
	LastSuccessful string `json:"lastSuccessful,omitempty"`

	// Namespace on the cluster.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Cluster that the newest release is applied to.
	// +optional
	Cluster string `json:"cluster,omitempty"`

	// Left is where the environment ran before it moved, and runs until the move
	// is finished.
	// +optional
	Left *LeftBehind `json:"left,omitempty"`

	// JobsDone are one-off Jobs that completed before the environment moved here:
	// they are not run again.
	// +optional
	JobsDone []ObjectRef `json:"jobsDone,omitempty"`

	// Components as they run.
	// +listType=map
	// +listMapKey=name
	// +optional
	Components []ComponentStatus `json:"components,omitempty"`

	// URLs of the public components.
	// +listType=map
	// +listMapKey=component
	// +optional
	URLs []URL `json:"urls,omitempty"`

	// ExpiresAt is creation plus TTL.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// Drift between the release and the cluster.
	// +optional
	Drift *Drift `json:"drift,omitempty"`

	// Baseline says whether the environment is as its blueprint's baseline says.
	// Absent when there is none.
	// +optional
	Baseline *BaselineStatus `json:"baseline,omitempty"`

	// Inventory names every object that an attempted release applied and no
	// later one removed. Only these may be pruned.
	// +optional
	Inventory []ObjectRef `json:"inventory,omitempty"`

	// Sleep holds the sizes to restore while the environment is asleep.
	// +optional
	Sleep []SleepingObject `json:"sleep,omitempty"`

	// HealedRequest is the last heal request carried out.
	// +optional
	HealedRequest string `json:"healedRequest,omitempty"`

	// RedeployedRequest is the last redeploy request carried out.
	// +optional
	RedeployedRequest string `json:"redeployedRequest,omitempty"`

	// Conditions: Ready, Reconciling, Stalled, Expiring, Drifted, Moving.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// LeftBehind is what an environment that moved still has on its old cluster.
type LeftBehind struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	// Release that runs there.
	// +optional
	Release string `json:"release,omitempty"`
	// Inventory names the objects there.
	// +optional
	Inventory []ObjectRef `json:"inventory,omitempty"`
	// Sleep holds the sizes to restore there.
	// +optional
	Sleep []SleepingObject `json:"sleep,omitempty"`
	// HandedOver: CronJobs run on the new side and are suspended here; without
	// it, it is the other way round.
	// +optional
	HandedOver bool `json:"handedOver,omitempty"`
	// MovedAt is when the environment changed its cluster.
	MovedAt metav1.Time `json:"movedAt"`
}

// ComponentStatus is one component as it runs.
type ComponentStatus struct {
	Name string `json:"name"`
	// Version as asked for: tag, digest or chart version.
	// +optional
	Version string `json:"version,omitempty"`
	// Image by digest.
	// +optional
	Image string `json:"image,omitempty"`
	// Ready instances.
	Ready int32 `json:"ready"`
	// Desired instances.
	Desired int32 `json:"desired"`
	// Message says why the component is not ready.
	// +optional
	Message string `json:"message,omitempty"`
}

// URL is an address of a public component.
type URL struct {
	Component string `json:"component"`
	URL       string `json:"url"`
}

// DriftState is the answer to "does the cluster still run the release?".
type DriftState string

// Drift states. Unknown is never clean.
const (
	DriftClean   DriftState = "clean"
	DriftDrifted DriftState = "drifted"
	DriftUnknown DriftState = "unknown"
)

// Drift is how the cluster differs from the release.
type Drift struct {
	State DriftState `json:"state"`
	// CheckedAt is when the cluster was last read.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`
	// Reason the state is unknown.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Total number of differences; more than Differences lists when long.
	// +optional
	Total int32 `json:"total,omitempty"`
	// Differences, the first hundred.
	// +kubebuilder:validation:MaxItems=100
	// +optional
	Differences []Difference `json:"differences,omitempty"`
}

// DifferenceKind says in which way something differs.
type DifferenceKind string

// Kinds of difference.
const (
	// DifferenceChanged: a field of ours has another value.
	DifferenceChanged DifferenceKind = "changed"
	// DifferenceAdded: somebody added a field to an object of ours.
	DifferenceAdded DifferenceKind = "added"
	// DifferenceRemoved: a field of ours is gone.
	DifferenceRemoved DifferenceKind = "removed"
	// DifferenceMissing: an object of ours is gone.
	DifferenceMissing DifferenceKind = "missing"
	// DifferenceExtra: an object in the namespace that is nobody's we know.
	DifferenceExtra DifferenceKind = "extra"
)

// Difference is one way in which the cluster differs from the release.
type Difference struct {
	Kind   DifferenceKind `json:"kind"`
	Object ObjectRef      `json:"object"`
	// Path of the field, as in `.spec.replicas`. Empty for whole objects.
	// +optional
	Path string `json:"path,omitempty"`
	// Expected value, shortened; never that of a Secret.
	// +optional
	Expected string `json:"expected,omitempty"`
	// Actual value, shortened; never that of a Secret.
	// +optional
	Actual string `json:"actual,omitempty"`
	// Manager that made it so, from managedFields.
	// +optional
	Manager string `json:"manager,omitempty"`
	// Time it was made so, from managedFields.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// ObjectRef names an object on the environment's cluster.
type ObjectRef struct {
	// APIVersion as last applied.
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Namespace; empty for cluster-scoped objects.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// SleepingObject is what a sleeping workload was before.
type SleepingObject struct {
	Object ObjectRef `json:"object"`
	// Replicas to restore.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Suspended before sleep, of a CronJob.
	// +optional
	Suspended *bool `json:"suspended,omitempty"`
}
