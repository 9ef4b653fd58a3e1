// Package kube is everything Landfall does to a cluster that environments run
// on: applying and pruning objects, telling whether they are ready and why
// not, comparing them with what was released, and tearing them down.
//
// Start at Pool, which turns a Cluster's name into a Target; then read one file
// per verb: apply.go, prune.go, ready.go, diagnose.go, diff.go, heal.go,
// sleep.go, teardown.go.
//
// No verb waits for the cluster to settle: each does what can be done now and
// says what is left. Changes of watched objects wake the environment through
// Pool's event source. Everything is safe for concurrent use.
package kube
