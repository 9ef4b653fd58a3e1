package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Release is the immutable record of one change of an environment: what it
// was to run, who wanted it and why, and how it went. Its status is also the
// journal from which a deploy goes on after a crash.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rel,categories=landfall
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Number",type=integer,JSONPath=`.spec.number`
// +kubebuilder:printcolumn:name="Cause",type=string,JSONPath=`.spec.cause`
// +kubebuilder:printcolumn:name="Author",type=string,JSONPath=`.spec.author`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.environment`
// +kubebuilder:validation:XValidation:rule="self.spec == oldSelf.spec",message="a release never changes"
type Release struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ReleaseSpec   `json:"spec"`
	Status ReleaseStatus `json:"status,omitempty"`
}

// ReleaseList is a list of Releases.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}

// Cause is what made a release.
// +kubebuilder:validation:Enum=Create;Deploy;Blueprint;Rollback;Redeploy;Move
type Cause string

// Causes of a release.
const (
	// CauseCreate is an environment's first release.
	CauseCreate Cause = "Create"
	// CauseDeploy is a change of the Environment.
	CauseDeploy Cause = "Deploy"
	// CauseBlueprint is a change of the Blueprint or of a Secret it names.
	CauseBlueprint Cause = "Blueprint"
	// CauseRollback is a return to a former release.
	CauseRollback Cause = "Rollback"
	// CauseRedeploy is the same again.
	CauseRedeploy Cause = "Redeploy"
	// CauseMove is the same on another cluster.
	CauseMove Cause = "Move"
)

// ReleaseSpec never changes.
type ReleaseSpec struct {
	// Environment this release is of.
	Environment string `json:"environment"`

	// Number counts an environment's releases from 1.
	// +kubebuilder:validation:Minimum=1
	Number int32 `json:"number"`

	// Cause of the release.
	Cause Cause `json:"cause"`

	// Cluster that it is applied to.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Cluster string `json:"cluster,omitempty"`

	// Author who asked for it; empty when unknown.
	// +optional
	Author string `json:"author,omitempty"`

	// Message in the author's words.
	// +optional
	Message string `json:"message,omitempty"`

	// RollbackTo names the release whose objects these are.
	// +optional
	RollbackTo string `json:"rollbackTo,omitempty"`

	// InputsHash identifies blueprint, versions, overrides and the rest of what
	// the objects were rendered from.
	InputsHash string `json:"inputsHash"`

	// ObjectsHash identifies the rendered objects: equal hashes, equal
	// releases.
	ObjectsHash string `json:"objectsHash"`

	// Components with the versions asked for and the digests they resolved to.
	// +listType=map
	// +listMapKey=name
	// +optional
	Components []ReleaseComponent `json:"components,omitempty"`

	// Contents names the Secrets, in order, that together hold the compressed
	// objects and inputs. The release owns them.
	Contents []string `json:"contents"`
}

// ReleaseComponent is a component's version in a release.
type ReleaseComponent struct {
	Name string `json:"name"`
	// Version as asked for.
	// +optional
	Version string `json:"version,omitempty"`
	// Image by digest, or chart with version and digest.
	// +optional
	Image string `json:"image,omitempty"`
}

// ReleasePhase is how far a release has come.
type ReleasePhase string

// Phases of a release. The last three are final.
const (
	ReleasePending    ReleasePhase = "Pending"
	ReleaseProgress   ReleasePhase = "Progressing"
	ReleaseSucceeded  ReleasePhase = "Succeeded"
	ReleaseFailed     ReleasePhase = "Failed"
	ReleaseSuperseded ReleasePhase = "Superseded"
)

// ReleaseStatus is the journal and the outcome.
type ReleaseStatus struct {
	// Phase of the release.
	// +optional
	Phase ReleasePhase `json:"phase,omitempty"`

	// StartedAt is when the first object was applied.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// FinishedAt is when the outcome was known.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// Steps done and under way, oldest first.
	// +optional
	Steps []ReleaseStep `json:"steps,omitempty"`

	// Changes counts what happened to the objects.
	// +optional
	Changes *ChangeCounts `json:"changes,omitempty"`

	// Failures say what is wrong, with the object and the reason a person
	// needs.
	// +kubebuilder:validation:MaxItems=20
	// +optional
	Failures []Failure `json:"failures,omitempty"`

	// Proof is the live comparison that ended the release.
	// +optional
	Proof *Drift `json:"proof,omitempty"`
}

// ReleaseStep is one entry of the journal.
type ReleaseStep struct {
	// Name of the step, for example "apply workloads" or "wait for schema".
	Name string `json:"name"`
	// StartedAt is when it began.
	StartedAt metav1.Time `json:"startedAt"`
	// FinishedAt is when it was done.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Message sums up what was done.
	// +optional
	Message string `json:"message,omitempty"`
}

// ChangeCounts counts objects by what happened to them.
type ChangeCounts struct {
	Created    int32 `json:"created"`
	Configured int32 `json:"configured"`
	Unchanged  int32 `json:"unchanged"`
	Deleted    int32 `json:"deleted"`
}

// Failure is why something is not ready.
type Failure struct {
	Object ObjectRef `json:"object"`
	// Component it belongs to.
	// +optional
	Component string `json:"component,omitempty"`
	// Reason is one constant word: ImagePull, CrashLoop, ProbeFailing, Quota,
	// Unschedulable, JobFailed, Rejected, Timeout, VolumePending.
	Reason string `json:"reason"`
	// Message for people.
	Message string `json:"message"`
	// Log holds the last lines of a crashed container.
	// +optional
	Log []string `json:"log,omitempty"`
	// Hint is the next step.
	// +optional
	Hint string `json:"hint,omitempty"`
}
