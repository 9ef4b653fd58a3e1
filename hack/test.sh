#!/bin/bash
# Runs the tests: everything, or one part.
# Usage: test.sh [unit|localkube|integration|e2e]…
#
# Integration tests get a local cluster of their own, end-to-end tests make
# theirs with `landfall up`; both are removed at the end, whatever happens.
set -eu -o pipefail
cd "$(dirname "$0")/.."
parts=${*:-unit localkube integration e2e}
work=$(mktemp -d /tmp/landfall-test.XXXXXX)
export LANDFALL_LOCAL_DIR=$work/clusters LANDFALL_LOCALKUBE=$PWD/bin/localkube
export PATH=$PWD/bin:$PATH

tidy() {
	for cluster in integration e2e local; do
		bin/localkube delete "$cluster" >/dev/null 2>&1 || true
	done
	rm -rf "$work"
}
trap tidy EXIT

part() {
	echo "== $1"
	shift
	"$@"
}

# The packages whose tests use a cluster.
with_cluster() {
	grep -rl --include='*_test.go' -e 'kubetest\.' -e LANDFALL_TEST_KUBECONFIG internal | xargs -n1 dirname | sort -u | sed 's|^|./|'
}

unit() { go test ./...; }

localkube() { (cd localkube && LOCALKUBE_E2E=1 go test -timeout 15m ./...); }

integration() {
	bin/localkube create integration
	export LANDFALL_TEST_KUBECONFIG=$work/clusters/integration/kubeconfig
	# shellcheck disable=SC2046
	go test -count=1 -timeout 15m $(with_cluster)
	unset LANDFALL_TEST_KUBECONFIG
	bin/localkube delete integration
}

e2e() { LANDFALL_E2E=1 go test -count=1 -timeout 20m -v ./test/e2e; }

for name in $parts; do part "$name" "$name"; done
echo "== all passed: $parts"
