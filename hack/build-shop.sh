#!/bin/bash
# Builds the programs of the example's images, by version, into out/shop.
set -eu -o pipefail
cd "$(dirname "$0")/.."

build() { # build VERSION PROGRAM…
	local version=$1 programs=()
	shift
	for program in "$@"; do programs+=("./examples/shop/$program"); done
	mkdir -p "out/shop/$version"
	CGO_ENABLED=0 go build -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "out/shop/$version/" "${programs[@]}"
}

build 1 schema web worker board
build 2 web worker
build 3 web
