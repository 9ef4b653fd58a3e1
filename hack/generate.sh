#!/bin/bash
# Generates deep copies and CRDs from api/. With --check nothing is changed:
# it fails when a file is not what would be generated.
# Usage: generate.sh CONTROLLER-GEN ROOT [--check]
set -eu -o pipefail
generator=$1 root=$2 check=${3:-}
cd "$root"

generate() { # generate CRD-FOLDER DEEPCOPY-FOLDER
	$generator crd paths=./api/... output:crd:dir="$1"
	$generator object paths=./api/... output:object:dir="$2"
}

if [ -z "$check" ]; then
	generate config/crd api/v1alpha1
	exit
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generate "$fresh/crd" "$fresh/api"
status=0
diff -r "$fresh/crd" config/crd || status=1
diff "$fresh/api/zz_generated.deepcopy.go" api/v1alpha1/zz_generated.deepcopy.go || status=1
[ $status = 0 ] || echo "generated files are not current: run  make generate" >&2
exit $status
