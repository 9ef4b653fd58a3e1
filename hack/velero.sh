#!/bin/bash
# Builds bin/velero, Velero as its project pins it, and the plugin that keeps its
# backups in a folder, for the tests and measurements that have them beside
# Landfall. The first time takes minutes.
# Usage: velero.sh VERSION
set -eu -o pipefail
cd "$(dirname "$0")/.."
version=$1
bin=$PWD/bin
export CGO_ENABLED=0

plugin=$bin/velero-plugins/velero-plugin-folder
mkdir -p "$bin/velero-plugins"
go build -C bench/transfer/velero -trimpath -buildvcs=false -ldflags '-s -w' -o "$plugin" .

if [ -x "$bin/velero" ] && "$bin/velero" version --client-only | grep -qF "$version"; then exit 0; fi
# Not `go install`: its go.mod replaces modules, and its go.sum knows them, which
# counts only where it is the main module.
source=$(go mod download -json "github.com/vmware-tanzu/velero@$version" | sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p')
echo "building Velero $version, the first time takes minutes"
# Servers of two clusters run beside each other here: none may take port 8080.
GOTOOLCHAIN=local go build -C "$source" -trimpath -buildvcs=false \
	-ldflags "-s -w -X github.com/vmware-tanzu/velero/pkg/buildinfo.Version=$version -X sigs.k8s.io/controller-runtime/pkg/metrics.DefaultBindAddress=0 -X sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=0" \
	-o "$bin/velero" ./cmd/velero
