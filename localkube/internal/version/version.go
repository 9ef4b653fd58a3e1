// Package version says which build this is. Both values are set by the
// linker; see docs/localkube.md for the flags.
package version

// Localkube is the version of this program.
var Localkube = "dev"

// Kubernetes is the version of the Kubernetes in this program.
var Kubernetes = "v1.34.4"
