// Package version says which Kubernetes is in this program.
package version

import "k8s.io/component-base/version"

// Kubernetes is the version that the linker was told; see hack/build.sh.
var Kubernetes = version.Get().GitVersion
