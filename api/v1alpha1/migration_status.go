package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MigrationPhase says where a migration is.
//
// +kubebuilder:validation:Enum=Pending;Preparing;Shifting;Holding;AwaitingApproval;Paused;Completed;Reverting;Reverted;Finished
type MigrationPhase string

// Phases of a migration. Completed and Reverted end it; Finished lets go of the
// way back.
const (
	MigrationPending          MigrationPhase = "Pending"
	MigrationPreparing        MigrationPhase = "Preparing"
	MigrationShifting         MigrationPhase = "Shifting"
	MigrationHolding          MigrationPhase = "Holding"
	MigrationAwaitingApproval MigrationPhase = "AwaitingApproval"
	MigrationPaused           MigrationPhase = "Paused"
	MigrationCompleted        MigrationPhase = "Completed"
	MigrationReverting        MigrationPhase = "Reverting"
	MigrationReverted         MigrationPhase = "Reverted"
	MigrationFinished         MigrationPhase = "Finished"
)

// MigrationStatus is where a migration is and what was last seen of it.
type MigrationStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase of the attempt.
	// +optional
	Phase MigrationPhase `json:"phase,omitempty"`

	// Reason of the phase.
	// +optional
	Reason string `json:"reason,omitempty"`

	// Weight of the new side as the router has it: "25 %", "0–25 %" where
	// instances differ, "unknown".
	// +optional
	Weight string `json:"weight,omitempty"`

	// Progress in words: "2 of 5".
	// +optional
	Progress string `json:"progress,omitempty"`

	// Journal of the attempt, by which another process goes on.
	// +optional
	Journal *MigrationJournal `json:"journal,omitempty"`

	// SeenAt is when the router was last read.
	// +optional
	SeenAt *metav1.MicroTime `json:"seenAt,omitempty"`

	// Instances of the router and their weights.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Instances []RouterInstance `json:"instances,omitempty"`

	// Guards and what each said last.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Guards []GuardStatus `json:"guards,omitempty"`

	// HeardWords is the serial of the last word that was acted on.
	// +optional
	HeardWords int64 `json:"heardWords,omitempty"`

	// Evidence names the ConfigMap that holds what happened in this attempt.
	// +optional
	Evidence string `json:"evidence,omitempty"`

	// Conditions: Ready (the migration has ended well), Reconciling (it is under
	// way), Stalled (it cannot be run as it is).
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MigrationJournal is all that must survive the death of the process that works
// on a migration.
type MigrationJournal struct {
	// Attempt this is about.
	Attempt int64 `json:"attempt"`
	// Epoch grows with each process that takes over: an older one may not write.
	Epoch int64 `json:"epoch"`
	// Worker names the process that wrote it.
	Worker string `json:"worker"`
	// Progress is Landfall's own; durations are in nanoseconds.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Progress runtime.RawExtension `json:"progress"`
}

// GuardStatus is what a guard said last.
type GuardStatus struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// At is when it was read.
	// +optional
	At *metav1.MicroTime `json:"at,omitempty"`
	// Value and bound as people read them.
	// +optional
	Value string `json:"value,omitempty"`
	// +optional
	Bound string `json:"bound,omitempty"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// Bad counts failing readings in a row.
	// +optional
	Bad int32 `json:"bad,omitempty"`
}

// RouterInstance is one place where weights are.
type RouterInstance struct {
	Name string `json:"name"`
	// Old and New are the weights in the router's own units.
	Old int64 `json:"old"`
	New int64 `json:"new"`
	// Settled: what was written last is in effect here.
	// +optional
	Settled bool `json:"settled,omitempty"`
	// Waiting says why it is not.
	// +optional
	Waiting string `json:"waiting,omitempty"`
	// Residual counts connections that go where an earlier weight sent them; -1
	// where that cannot be known.
	// +optional
	Residual int64 `json:"residual,omitempty"`
	// DeadMan says that traffic was returned here because Landfall was silent.
	// +optional
	DeadMan string `json:"deadMan,omitempty"`
	// Error says why it could not be read.
	// +optional
	Error string `json:"error,omitempty"`
}
