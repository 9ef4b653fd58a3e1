package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DataCopy brings the data of one environment's stores into another's, near the
// data: a Job plans, copies, masks in flight and verifies. Creating it starts
// it; deleting it ends it and leaves the target marked as incomplete. It runs
// once: what it says cannot be changed.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dc,categories=landfall
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.to`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Answer",type=string,JSONPath=`.status.answer`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 57",message="a data copy's name has at most 57 characters: its Job is named after it"
type DataCopy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DataCopySpec   `json:"spec"`
	Status DataCopyStatus `json:"status,omitempty"`
}

// DataCopyList is a list of DataCopies.
//
// +kubebuilder:object:root=true
type DataCopyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DataCopy `json:"items"`
}

// DataCopySpec is what to copy, and how.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a data copy runs once as it was asked for: create another one"
// +kubebuilder:validation:XValidation:rule="!(has(self.mask) && has(self.unmasked) && self.unmasked)",message="either mask or unmasked"
// +kubebuilder:validation:XValidation:rule="!(has(self.follow) && self.follow) || !has(self.action) || self.action in ['copy', 'plan']",message="only a copy follows its source"
// +kubebuilder:validation:XValidation:rule="has(self.to) || self.action in ['check', 'suggest']",message="to is required"
type DataCopySpec struct {
	// Action is copy (which verifies, too), or what changes nothing: plan says
	// what copy would do, verify compares both sides as they are, check holds
	// the mask's rules against the source, suggest drafts rules.
	// +kubebuilder:validation:Enum=copy;plan;verify;check;suggest
	// +kubebuilder:default=copy
	// +optional
	Action string `json:"action,omitempty"`

	// From is where data comes from; it is only read.
	From DataCopySide `json:"from"`
	// To is where data goes. Check and suggest need none.
	// +optional
	To *DataCopySide `json:"to,omitempty"`

	// Stores to copy, by their names in the blueprint; all that both sides have
	// by default.
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

	// IntoProduction says that production is meant as the target.
	// +optional
	IntoProduction bool `json:"intoProduction,omitempty"`

	// Mode is full, or incremental: only what differs.
	// +kubebuilder:validation:Enum=full;incremental
	// +kubebuilder:default=full
	// +optional
	Mode string `json:"mode,omitempty"`

	// Replace allows to overwrite and remove what is in the target.
	// +optional
	Replace bool `json:"replace,omitempty"`

	// Delete removes, in an incremental copy, what the source no longer has.
	// +optional
	Delete bool `json:"delete,omitempty"`

	// Follow goes on with the source's changes after the first copy, until the
	// annotation landfall.dev/cutover-requested is set: then what is left is
	// applied and both sides are verified. See to it that nothing writes to the
	// source by then. Stores that cannot be followed (s3) are copied once more at
	// that time, only what differs.
	// +optional
	Follow bool `json:"follow,omitempty"`

	// Include and Exclude are globs over the names of tables, keys or objects.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	// +optional
	Include []string `json:"include,omitempty"`
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	// +optional
	Exclude []string `json:"exclude,omitempty"`

	// Parallel is the number of workers for each store; by default as many as
	// make sense.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	// +optional
	Parallel int32 `json:"parallel,omitempty"`

	// Options that one kind of store knows, by KIND.NAME: s3.tags, mysql.definer.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Options map[string]string `json:"options,omitempty"`

	// MaxBytesPerSecond limits what is read from the source.
	// +optional
	MaxBytesPerSecond *resource.Quantity `json:"maxBytesPerSecond,omitempty"`

	// MaxThreadsRunning pauses reading while the source (mysql) runs more threads
	// than that.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxThreadsRunning int32 `json:"maxThreadsRunning,omitempty"`
}

// DataCopySide is one side of a copy: the stores of an environment, or one
// store by its address.
//
// +kubebuilder:validation:XValidation:rule="has(self.environment) != has(self.secret)",message="exactly one of environment and secret"
type DataCopySide struct {
	// Environment names an Environment of the same namespace.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Environment string `json:"environment,omitempty"`

	// Secret names a Secret of the same namespace whose "url" is the store.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Secret string `json:"secret,omitempty"`

	// Stage of the store in Secret.
	// +optional
	Stage Stage `json:"stage,omitempty"`
}

// DataMask says how personal data is changed in flight. Exactly one of rules
// and configMap.
//
// +kubebuilder:validation:XValidation:rule="has(self.rules) != has(self.configMap)",message="exactly one of rules and configMap"
type DataMask struct {
	// Rules as docs/spec/v1alpha1/mask.md says.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	Rules string `json:"rules,omitempty"`

	// ConfigMap of the same namespace that holds the rules, and the key in it.
	// +optional
	ConfigMap *corev1.ConfigMapKeySelector `json:"configMap,omitempty"`

	// Key is the secret that pseudonyms come from: the Secret
	// "landfall-mask-key" with the key "key" by default, which is made where
	// there is none.
	// +optional
	Key *corev1.SecretKeySelector `json:"key,omitempty"`
}

// Stage of an environment: what its data is worth.
//
// +kubebuilder:validation:Enum=production;staging;test;development
type Stage string

// Stages.
const (
	StageProduction  Stage = "production"
	StageStaging     Stage = "staging"
	StageTest        Stage = "test"
	StageDevelopment Stage = "development"
)

// DataCopyPhase sums up a copy in one word.
type DataCopyPhase string

// Phases of a copy. The last three are final.
const (
	DataCopyPending   DataCopyPhase = "Pending"
	DataCopyRunning   DataCopyPhase = "Running"
	DataCopySucceeded DataCopyPhase = "Succeeded"
	// DataCopyDifferent: all was copied, and verifying found differences.
	DataCopyDifferent DataCopyPhase = "Different"
	DataCopyFailed    DataCopyPhase = "Failed"
)

// Final says that nothing more happens.
func (p DataCopyPhase) Final() bool {
	return p == DataCopySucceeded || p == DataCopyDifferent || p == DataCopyFailed
}

// DataCopyStatus is how far a copy is.
type DataCopyStatus struct {
	// ObservedGeneration is the generation this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase in one word, and Message in a sentence.
	// +optional
	Phase DataCopyPhase `json:"phase,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`

	// From and To as people name them.
	// +optional
	From string `json:"from,omitempty"`
	// +optional
	To string `json:"to,omitempty"`

	// Answer of the verification, the worst of all stores: equal, different or
	// unknown.
	// +optional
	Answer string `json:"answer,omitempty"`

	// Progress of all stores together, as in "45 %".
	// +optional
	Progress string `json:"progress,omitempty"`

	// Job that does the work, in the same namespace.
	// +optional
	Job string `json:"job,omitempty"`

	// Evidence names the ConfigMap that holds state.json, evidence.json and
	// evidence.html.
	// +optional
	Evidence string `json:"evidence,omitempty"`

	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// ResumedRequest is the last request to resume that was carried out; see the
	// annotation landfall.dev/resume-requested.
	// +optional
	ResumedRequest string `json:"resumedRequest,omitempty"`

	// Stores and how far each is.
	// +listType=map
	// +listMapKey=name
	// +optional
	Stores []DataCopyStore `json:"stores,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DataCopyStore is how far the copy of one store is.
type DataCopyStore struct {
	Name string `json:"name"`
	// Kind is mysql, redis or s3.
	Kind string `json:"kind"`
	// State is waiting, planning, copying, following, verifying, done or failed.
	// +optional
	State string `json:"state,omitempty"`
	// From and To without their passwords.
	// +optional
	From string `json:"from,omitempty"`
	// +optional
	To string `json:"to,omitempty"`
	// Answer of the verification: equal, different or unknown.
	// +optional
	Answer string `json:"answer,omitempty"`
	// Masked says that the mask's rules apply here.
	// +optional
	Masked bool `json:"masked,omitempty"`
	// Bytes sent.
	// +optional
	Bytes int64 `json:"bytes,omitempty"`
	// BytesPerSecond on average.
	// +optional
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// Retries of what failed for a moment.
	// +optional
	Retries int64 `json:"retries,omitempty"`
	// Message says what is wrong.
	// +optional
	Message string `json:"message,omitempty"`
	// Units are tables, databases of Redis, buckets; the first hundred.
	// +kubebuilder:validation:MaxItems=100
	// +optional
	Units []DataCopyUnit `json:"units,omitempty"`
}

// DataCopyUnit is how far the copy of one table, database or bucket is.
type DataCopyUnit struct {
	Name string `json:"name"`
	// Noun is what is counted: rows, keys, objects.
	// +optional
	Noun string `json:"noun,omitempty"`
	// Done of Total.
	Done int64 `json:"done"`
	// +optional
	Total int64 `json:"total,omitempty"`
	// Answer of the verification.
	// +optional
	Answer string `json:"answer,omitempty"`
	// Digest of what was sent, and what the target has.
	// +optional
	Digest string `json:"digest,omitempty"`
	// +optional
	TargetDigest string `json:"targetDigest,omitempty"`
	// Differences, the first ten, as in "17: missing".
	// +kubebuilder:validation:MaxItems=10
	// +optional
	Differences []string `json:"differences,omitempty"`
}
