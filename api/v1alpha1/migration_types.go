package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Migration moves one hostname's live traffic from one backend to another
// through a router, in steps, while its guards hold. Creating it starts it. What
// people say while it runs is in spec.words; `landfall migrate` writes them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mig,categories=landfall
// +kubebuilder:printcolumn:name="Hostname",type=string,JSONPath=`.spec.hostname`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Weight",type=string,JSONPath=`.status.weight`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="a migration's name has at most 63 characters: it becomes part of labels and names"
type Migration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MigrationSpec   `json:"spec"`
	Status MigrationStatus `json:"status,omitempty"`
}

// MigrationList is a list of Migrations.
//
// +kubebuilder:object:root=true
type MigrationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Migration `json:"items"`
}

// MigrationSpec is the definition of a migration and what people said to it.
// The definition stays as it is for a whole attempt.
//
// +kubebuilder:validation:XValidation:rule="self.attempt >= oldSelf.attempt",message="an attempt cannot be taken back"
// +kubebuilder:validation:XValidation:rule="self.attempt > oldSelf.attempt || (self.hostname == oldSelf.hostname && self.router == oldSelf.router && self.from == oldSelf.from && self.to == oldSelf.to && self.steps == oldSelf.steps)",message="hostname, router, sides and steps stay as they are while a migration runs: abort it, then start it again, which makes a new attempt"
// +kubebuilder:validation:XValidation:rule="self.attempt > oldSelf.attempt || (has(self.guards) == has(oldSelf.guards) && (!has(self.guards) || self.guards == oldSelf.guards) && self.onFailure == oldSelf.onFailure && self.onForeignChange == oldSelf.onForeignChange && duration(self.interval) == duration(oldSelf.interval) && duration(self.unknownFor) == duration(oldSelf.unknownFor) && duration(self.residualFor) == duration(oldSelf.residualFor) && has(self.deadMan) == has(oldSelf.deadMan) && (!has(self.deadMan) || duration(self.deadMan) == duration(oldSelf.deadMan)))",message="guards and what they lead to stay as they are while a migration runs: abort it, then start it again, which makes a new attempt"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.words) || oldSelf.words.all(o, o.attempt < self.attempt || (has(self.words) && self.words.exists(n, n.serial == o.serial)))",message="what was said stays: words can only be added"
// +kubebuilder:validation:XValidation:rule="self.from.name != self.to.name",message="the two sides need different names"
// +kubebuilder:validation:XValidation:rule="has(self.router.haproxy) == has(self.from.haproxy) && has(self.router.haproxy) == has(self.to.haproxy)",message="with the router haproxy both sides need haproxy, and only then"
// +kubebuilder:validation:XValidation:rule="has(self.router.gatewayAPI) == has(self.from.gatewayAPI) && has(self.router.gatewayAPI) == has(self.to.gatewayAPI)",message="with the router gatewayAPI both sides need gatewayAPI, and only then"
// +kubebuilder:validation:XValidation:rule="has(self.router.alb) == has(self.from.alb) && has(self.router.alb) == has(self.to.alb)",message="with the router alb both sides need alb, and only then"
// +kubebuilder:validation:XValidation:rule="has(self.router.route53) == has(self.from.route53) && has(self.router.route53) == has(self.to.route53)",message="with the router route53 both sides need route53, and only then"
type MigrationSpec struct {
	// Hostname whose traffic moves.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Hostname string `json:"hostname"`

	// Router that sends requests to the two sides by weight.
	Router MigrationRouter `json:"router"`

	// From is the side that traffic comes from, the old one.
	From MigrationSide `json:"from"`

	// To is the side that traffic moves to, the new one.
	To MigrationSide `json:"to"`

	// Steps go up and end at 100.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self[size(self)-1].weight == 100",message="the last step is 100"
	// +kubebuilder:validation:XValidation:rule="self.map(s, s.weight).isSorted() && self.all(s, self.exists_one(o, o.weight == s.weight))",message="the weights of steps go up"
	// +listType=atomic
	Steps []MigrationStep `json:"steps"`

	// Guards that must hold while traffic moves.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Guards []MigrationGuard `json:"guards,omitempty"`

	// OnFailure is what a guard that fails does: revert returns all traffic to
	// the old side, pause leaves the weight and waits for a person.
	// +kubebuilder:validation:Enum=revert;pause
	// +kubebuilder:default=revert
	// +optional
	OnFailure string `json:"onFailure,omitempty"`

	// OnForeignChange is what weights lead to that somebody else has changed:
	// restore writes them again, pause waits for a person.
	// +kubebuilder:validation:Enum=restore;pause
	// +kubebuilder:default=restore
	// +optional
	OnForeignChange string `json:"onForeignChange,omitempty"`

	// Interval between two looks at guards and weights: 100ms to 10m.
	// +kubebuilder:default="5s"
	// +optional
	Interval metav1.Duration `json:"interval,omitzero"`

	// UnknownFor is how long a guard may be unknown before that counts as a
	// failure; the weight stays as it is meanwhile.
	// +kubebuilder:default="2m"
	// +optional
	UnknownFor metav1.Duration `json:"unknownFor,omitzero"`

	// ResidualFor is how long sessions that an earlier weight left on a side may
	// take to end by themselves.
	// +kubebuilder:default="30s"
	// +optional
	ResidualFor metav1.Duration `json:"residualFor,omitzero"`

	// DeadMan is how long Landfall may be dead before traffic returns to the old
	// side without it; at least 15s. By default never.
	// +optional
	DeadMan *metav1.Duration `json:"deadMan,omitempty"`

	// Contacts are whom to call.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Contacts []MigrationContact `json:"contacts,omitempty"`

	// Attempt grows each time the migration is started again.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:default=1
	// +optional
	Attempt int64 `json:"attempt,omitempty"`

	// Words are what people said, oldest first. They can only be added to.
	// +kubebuilder:validation:MaxItems=128
	// +listType=map
	// +listMapKey=serial
	// +optional
	Words []MigrationWord `json:"words,omitempty"`
}

// MigrationRouter is exactly one of the routers.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type MigrationRouter struct {
	// +optional
	HAProxy *HAProxyRouter `json:"haproxy,omitempty"`
	// +optional
	GatewayAPI *GatewayAPIRouter `json:"gatewayAPI,omitempty"`
	// +optional
	ALB *ALBRouter `json:"alb,omitempty"`
	// +optional
	Route53 *Route53Router `json:"route53,omitempty"`
}

// MigrationSide is one of the two backends.
type MigrationSide struct {
	// Name for people; the header X-Landfall-Backend asks for the side by it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// URL asks this side directly, past the router. Guards by checks need it.
	// +kubebuilder:validation:MaxLength=2000
	// +kubebuilder:validation:Pattern=`^https?://[^\s@]+$`
	// +optional
	URL string `json:"url,omitempty"`

	// HAProxy says which servers of the backend this side is.
	// +optional
	HAProxy *HAProxySide `json:"haproxy,omitempty"`
	// GatewayAPI says which Service this side is.
	// +optional
	GatewayAPI *GatewayAPISide `json:"gatewayAPI,omitempty"`
	// ALB says which target group this side is.
	// +optional
	ALB *ALBSide `json:"alb,omitempty"`
	// Route53 says what the hostname's record of this side holds.
	// +optional
	Route53 *Route53Side `json:"route53,omitempty"`
}

// MigrationStep is a weight to reach, and how long it must hold.
type MigrationStep struct {
	// Weight of the new side in percent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`

	// Hold is how long guards must hold at this weight, counted from when it is
	// in effect and nothing is sent by earlier weights.
	// +optional
	Hold metav1.Duration `json:"hold,omitzero"`

	// Approval: after the hold, a person must approve before it goes on.
	// +optional
	Approval bool `json:"approval,omitempty"`
}

// MigrationContact is whom to call.
type MigrationContact struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=100
	// +optional
	Role string `json:"role,omitempty"`
	// Address is a telephone number, a channel, an e-mail address.
	// +kubebuilder:validation:MaxLength=300
	// +optional
	Address string `json:"address,omitempty"`
}

// MigrationWord is what somebody said to a running migration.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="what was said stays: words can only be added"
type MigrationWord struct {
	// Serial grows with each word.
	// +kubebuilder:validation:Minimum=1
	Serial int64 `json:"serial"`

	// Attempt that the word is about.
	// +kubebuilder:validation:Minimum=1
	Attempt int64 `json:"attempt"`

	// Verb: pause and resume, approve a step, abort (all traffic returns to the
	// old side), finish (let go of the way back).
	// +kubebuilder:validation:Enum=pause;resume;approve;abort;finish
	Verb string `json:"verb"`

	// Step that approve is about, counted from 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +optional
	Step int32 `json:"step,omitempty"`

	// By whom.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	By string `json:"by"`

	// At is when it was said.
	At metav1.Time `json:"at"`

	// Why, if the person said so.
	// +kubebuilder:validation:MaxLength=1000
	// +optional
	Why string `json:"why,omitempty"`
}
