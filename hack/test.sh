#!/bin/bash
# Runs the tests: everything, or one part.
# Usage: test.sh [unit|localkube|integration|legacy|e2e|velero]…
#
# Integration tests get a local cluster of their own, end-to-end tests make
# theirs with `landfall up`, legacy tests get servers of the legacy shop; all are
# removed at the end, whatever happens.
set -eu -o pipefail
cd "$(dirname "$0")/.."
parts=${*:-unit localkube integration legacy e2e}
work=$(mktemp -d /tmp/landfall-test.XXXXXX)
export LANDFALL_LOCAL_DIR=$work/clusters LANDFALL_LOCALKUBE=$PWD/bin/localkube
export PATH=$PWD/bin:$PATH

tidy() {
	for cluster in integration integration-2 e2e local green blue e2e-hub; do
		bin/localkube delete "$cluster" >/dev/null 2>&1 || true
	done
	bin/landfall local legacy delete --base >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap tidy EXIT

part() {
	echo "== $1"
	shift
	"$@"
}

# Tests wait more than they compute: one package more than there are cores.
# What debuggers need of the binaries would take a third of linking them.
go_test() { go test -p "$((1 + $(nproc)))" -ldflags=-w "$@"; }

# The packages whose tests use a cluster.
with_cluster() {
	grep -rl --include='*_test.go' -e 'kubetest\.' -e LANDFALL_TEST_KUBECONFIG internal | xargs -n1 dirname | sort -u | sed 's|^|./|'
}

# The packages that a later part of this run tests, with what they need.
later() {
	local part
	for part in $parts; do
		case $part in
		integration) with_cluster ;;
		legacy) with_legacy ;;
		e2e) echo ./test/e2e ;;
		esac
	done
}

unit() {
	# Without these the tests that need them are skipped.
	[ "$(id -u)" != 0 ] || hack/prerequisites.sh prometheus
	local others
	others=$(later | xargs -r go list)
	# shellcheck disable=SC2046
	go_test $(go list ./... | grep -vxF -e "${others:-none}")
}

localkube() { (cd localkube && LOCALKUBE_E2E=1 go test -ldflags=-w -timeout 15m ./...); }

# between_clusters runs tests with two clusters: what goes from one to another
# goes there.
between_clusters() {
	local cluster
	for cluster in integration integration-2; do bin/localkube create "$cluster"; done
	LANDFALL_TEST_KUBECONFIG=$work/clusters/integration/kubeconfig \
		LANDFALL_TEST_SECOND_KUBECONFIG=$work/clusters/integration-2/kubeconfig go_test -count=1 -timeout 15m "$@"
	for cluster in integration integration-2; do bin/localkube delete "$cluster"; done
}

integration() {
	# shellcheck disable=SC2046
	between_clusters $(with_cluster)
}

# Velero looks for the other side's backups once a minute: not part of everything.
velero() { LANDFALL_TEST_VELERO=1 between_clusters -v -run RealVelero ./internal/cluster/velero; }

# The packages whose tests use servers of the legacy shop. They find them by
# $LANDFALL_LEGACY_SSH_CONFIG: web1, web2, web3 and db1.
with_legacy() {
	grep -rl --include='*_test.go' -e LANDFALL_LEGACY -e 'hosttest\.' internal test | xargs -n1 dirname | sort -u | sed 's|^|./|'
}

legacy() {
	hack/prerequisites.sh ruby-serverspec
	bin/landfall local legacy create --hosts 3
	export LANDFALL_LEGACY=1 LANDFALL_LEGACY_SSH_CONFIG=$LANDFALL_LOCAL_DIR/legacy/ssh_config
	# One package at a time: they look at the same servers.
	# shellcheck disable=SC2046
	go_test -count=1 -p 1 -timeout 15m $(with_legacy)
	unset LANDFALL_LEGACY LANDFALL_LEGACY_SSH_CONFIG
	bin/landfall local legacy delete --base
}

e2e() { LANDFALL_E2E=1 go_test -count=1 -timeout 20m -v ./test/e2e; }

for name in $parts; do part "$name" "$name"; done
echo "== all passed: $parts"
