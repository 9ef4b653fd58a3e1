#!/bin/bash
# Builds bin/tofu, OpenTofu, as its project pins it, for machines that have
# neither terraform nor tofu. The first time takes minutes.
# Usage: tofu.sh VERSION
set -eu -o pipefail
cd "$(dirname "$0")/.."
version=$1
bin=$PWD/bin

have() { command -v terraform || command -v tofu || [ -x "$bin/tofu" ]; }
if have >/dev/null; then exit 0; fi

# Not `go install`: its go.mod replaces modules, which counts only where it is
# the main module.
source=$(go mod download -json "github.com/opentofu/opentofu@$version" | sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p')
echo "building OpenTofu $version, the first time takes minutes"
mkdir -p "$bin"
CGO_ENABLED=0 go build -C "$source" -trimpath -buildvcs=false \
	-ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no' -o "$bin/tofu" ./cmd/tofu
