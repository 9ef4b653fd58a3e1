// Package v1alpha1 holds the objects a team writes and reads: Blueprint,
// Environment, Release and Cluster. It is data only: no I/O, no controllers.
// docs/spec/v1alpha1 explains every field; start there.
//
// +kubebuilder:object:generate=true
// +groupName=landfall.dev
package v1alpha1
