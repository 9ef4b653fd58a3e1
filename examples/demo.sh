#!/bin/bash
# Landfall's story, told by its commands: each is printed before its output.
# Run it by `make demo`. It leaves the platform and the environment "staging"
# running; `landfall down --delete-cluster` takes everything away again.
set -eu -o pipefail
cd "$(dirname "$0")/.."

chapter() { printf '\n\033[1m── %s\033[0m\n' "$*"; }
run() { printf '\n$ %s\n' "$*" && "$@"; }
# expect CODE COMMAND…: the command is to end with this exit code.
expect() {
	local want=$1 got=0
	shift
	run "$@" || got=$?
	printf '(exit code %d)\n' "$got"
	[ "$got" = "$want" ]
}

export LANDFALL_AUTHOR=${LANDFALL_AUTHOR:-demo}
staging=http://web.staging.localhost:8080
pr1=http://web.pr-1.localhost:8080
began=$SECONDS

chapter "From nothing to a platform: Kubernetes, controllers, stores, front door"
run landfall up
run landfall version

chapter "The shop's images, built without Docker"
registry=$(landfall up --registry-only 2>/dev/null || echo localhost:15000)
for image in schema:1 web:1 worker:1 board:1 web:2 worker:2 web:3; do
	run landfall image push "out/shop/${image#*:}/${image%:*}" "$registry/shop/$image"
done

chapter "What the shop is made of: one blueprint for every stage"
run landfall apply -f examples/shop/blueprint.yaml

chapter "An environment, and a second one like it with one other version"
run landfall env delete staging pr-1
run landfall env create staging --blueprint shop
run landfall env create pr-1 --from staging --set web=2 --ttl 8h
run landfall env list
expect 1 landfall env diff staging pr-1

chapter "Both answer, on hostnames of their own"
run curl -s "$staging/"
run curl -s "$pr1/"
run curl -s -X POST "$staging/orders/[lamp-lamp]" 2>/dev/null || run curl -s -X POST "$staging/orders/lamp"

chapter "A deploy that is bad in a way no health check sees"
run landfall deploy staging --set web=2 -m "a tenth off everything"
run landfall deploy staging --set web=3 -m "faster prices"
run curl -s -X POST "$staging/orders/rope?[1-10]"

chapter "Back to what ran before, and the proof"
run landfall rollback staging -m "orders fail"
run curl -s -X POST "$staging/orders/rope?[1-10]"
expect 0 landfall env drift staging

chapter "What happened: logs and history"
run landfall logs staging web --since 2m --tail 12
run landfall logs staging --grep 'all connections are in use' --tail 5
run landfall history staging

chapter "Somebody edits the cluster behind our back"
run kubectl --namespace staging set env deployment/worker SPEED=reckless
run kubectl --namespace staging label service/web owner=somebody
sleep 3
expect 1 landfall env drift staging
run landfall env drift staging --heal

chapter "Done with the pull request"
run landfall env sleep pr-1
run landfall env wake pr-1
run landfall env delete pr-1
run landfall env list

printf '\nThe story took %d seconds. Look around: landfall env get staging, %s\n' $((SECONDS - began)) "$staging/"
