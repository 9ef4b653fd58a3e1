#!/bin/bash
# Builds what the demo and the end-to-end tests need beside Landfall: the shop's
# programs, by version, into out/shop; and kubectl, to be the tool that edits
# things behind Landfall's back.
set -eu -o pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

build() { # build VERSION PROGRAM…
	local version=$1 programs=()
	shift
	for program in "$@"; do programs+=("./examples/shop/$program"); done
	mkdir -p "out/shop/$version"
	go build -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "out/shop/$version/" "${programs[@]}"
}

build 1 schema web worker board
build 2 web worker
build 3 web
go build -buildvcs=false -ldflags '-s -w' -o bin/kubectl ./bench/env/kubectl
