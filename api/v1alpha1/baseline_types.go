package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Baseline is the definition of normal: what must be so in the containers of
// components, how the system must answer over HTTP, and how often. Blueprints
// name one; every environment of such a blueprint shows whether it holds.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=bl,categories=landfall
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Baseline struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec BaselineSpec `json:"spec"`
}

// BaselineList is a list of Baselines.
//
// +kubebuilder:object:root=true
type BaselineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Baseline `json:"items"`
}

// BaselineSpec has at least one of the three parts.
//
// +kubebuilder:validation:XValidation:rule="has(self.hostSpecs) || has(self.checks)",message="a baseline needs host specs or checks"
// +kubebuilder:validation:XValidation:rule="!has(self.objectives) || has(self.checks)",message="objectives are about checks: write those, too"
type BaselineSpec struct {
	// HostSpecs are what must be so in the containers of components, a document
	// a component.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=component
	// +optional
	HostSpecs []ComponentHostSpec `json:"hostSpecs,omitempty"`

	// Checks is a document of HTTP checks (landfall.dev/checks/v1). Its url is
	// replaced by the environment's.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +optional
	Checks *runtime.RawExtension `json:"checks,omitempty"`

	// SecretName names a Secret in the same namespace: the checks' secrets by
	// env are its keys.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`

	// Component whose address the checks' paths belong to; by default the first
	// public one.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Component string `json:"component,omitempty"`

	// Objectives say how often checks must hold.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Objectives []Objective `json:"objectives,omitempty"`

	// Interval between two runs of the checks: at least 5s.
	// +kubebuilder:default="1m"
	// +optional
	Interval metav1.Duration `json:"interval,omitempty"`
}

// ComponentHostSpec is what must be so in a component's container.
type ComponentHostSpec struct {
	// Component of the blueprint.
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component"`

	// Container of its pods; by default the first.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Container string `json:"container,omitempty"`

	// Document is a host spec (landfall.dev/hostspec/v1).
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Document runtime.RawExtension `json:"document"`
}

// Objective is a promise about checks over a time.
type Objective struct {
	// Name for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Check names the check that is counted; all of them by default.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Check string `json:"check,omitempty"`

	// Target is how many of a hundred runs must hold, such as "99.9".
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$`
	Target string `json:"target"`

	// Window that is looked back at: 10m to 30 days.
	// +kubebuilder:default="24h"
	// +optional
	Window metav1.Duration `json:"window,omitempty"`
}

// Answer says whether something is as it should be. Unknown is never fine.
//
// +kubebuilder:validation:Enum=holds;fails;unknown
type Answer string

// Answers.
const (
	AnswerHolds   Answer = "holds"
	AnswerFails   Answer = "fails"
	AnswerUnknown Answer = "unknown"
)

// BaselineStatus is whether an environment is as its baseline says.
type BaselineStatus struct {
	// Name of the Baseline.
	Name string `json:"name"`

	// Generation of the Baseline that was looked at.
	// +optional
	Generation int64 `json:"generation,omitempty"`

	// Answer of all together.
	Answer Answer `json:"answer"`

	// CheckedAt is when it was last looked at.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`

	// Reason the answer is unknown as a whole.
	// +optional
	Reason string `json:"reason,omitempty"`

	// Parts that the baseline has.
	// +listType=map
	// +listMapKey=name
	// +optional
	Parts []BaselinePart `json:"parts,omitempty"`

	// Findings are what does not hold, the first fifty.
	// +kubebuilder:validation:MaxItems=50
	// +optional
	Findings []BaselineFinding `json:"findings,omitempty"`

	// Objectives and how far they are met.
	// +listType=map
	// +listMapKey=name
	// +optional
	Objectives []ObjectiveStatus `json:"objectives,omitempty"`
}

// BaselinePart counts what holds of "checks" or of "hostSpec COMPONENT".
type BaselinePart struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// CheckedAt is when this part was last looked at.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`
	// Release that ran then.
	// +optional
	Release string `json:"release,omitempty"`
	Holds   int32  `json:"holds"`
	Fails   int32  `json:"fails"`
	Unknown int32  `json:"unknown"`
}

// BaselineFinding is something that does not hold, or is not known to.
type BaselineFinding struct {
	// Part it belongs to.
	Part string `json:"part"`
	// Name within the part.
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// Expected and actual, shortened; secrets are never in them.
	// +optional
	Expected string `json:"expected,omitempty"`
	// +optional
	Actual string `json:"actual,omitempty"`
	// +optional
	Reason string `json:"reason,omitempty"`
}

// ObjectiveStatus is how far an objective is met.
type ObjectiveStatus struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// Good of Total runs held within the window.
	Good  int64 `json:"good"`
	Total int64 `json:"total"`
	// BudgetLeft is the part of the allowed failures that is left, in percent of
	// them: "100" to "0", negative when overspent.
	// +optional
	BudgetLeft string `json:"budgetLeft,omitempty"`
	// Spans hold the runs of the window, in slices of it, the oldest first.
	// +kubebuilder:validation:MaxItems=25
	// +optional
	Spans []ObjectiveSpan `json:"spans,omitempty"`
}

// ObjectiveSpan counts the runs of one slice of time.
type ObjectiveSpan struct {
	Start metav1.Time `json:"start"`
	Good  int64       `json:"good"`
	Total int64       `json:"total"`
}
