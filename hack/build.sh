#!/bin/bash
# Builds bin/: landfall, and localkube with the programs it needs beside it.
# Usage: build.sh VERSION KUBERNETES-VERSION
set -eu -o pipefail
cd "$(dirname "$0")/.."
version=$1 kubernetes=$2 versitygw=v1.8.0
bin=$PWD/bin
mkdir -p "$bin"

# Kubernetes tells its version from these; without them nodes say v0.0.0.
kube_flags() {
	local rest=${kubernetes#v}
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- '-X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
			$package "$kubernetes" $package "${rest%%.*}" $package "$(cut -d. -f2 <<<"$rest")" $package
	done
}

note_first_time() {
	[ -x "$bin/localkube" ] || echo "building localkube: all of Kubernetes, the first time takes a few minutes"
}

build_localkube() (
	cd localkube
	# No version of our own: a cluster goes over to another build when it is
	# started, which should not come of a commit elsewhere.
	go build -buildvcs=false -ldflags "-s -w $(kube_flags)" -o "$bin/localkube" ./cmd/localkube
	CGO_ENABLED=0 go build -buildvcs=false -ldflags '-s -w' -o "$bin/" ./cmd/pause ./cmd/localkube-netpol
)

build_landfall() {
	CGO_ENABLED=0 go build -ldflags "-s -w -X github.com/landfall-dev/landfall/internal/cli/version.version=$version" -o "$bin/landfall" ./cmd/landfall
}

# The S3 server of the local platform, as its project publishes it.
build_versitygw() {
	go version -m "$bin/versitygw" 2>/dev/null | grep -q "versitygw	$versitygw	" ||
		CGO_ENABLED=0 GOFLAGS=-ldflags=-s GOBIN="$bin" go install "github.com/versity/versitygw/cmd/versitygw@$versitygw"
}

note_first_time
build_localkube &
localkube=$!
build_landfall && build_versitygw || { kill $localkube; exit 1; }
wait $localkube
