#!/bin/bash
# Blue is replaced by green while people shop: `make demo-clusters`. Nothing but
# commands, each printed before its output. It makes three local clusters: one
# that Landfall runs on, and two for the shop. What is left at the end goes by
# `landfall cluster destroy green` and `landfall down --delete-cluster`.
#
# KILL_AT names steps of the migration at whose end it is killed, to be gone on
# with: KILL_AT="transfer traffic finish".
set -eu -o pipefail
cd "$(dirname "$0")/../.."

# chapter TITLE, with the time since the story began.
chapter() { printf '\n\033[1m── %d:%02d %s\033[0m\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
run() { printf '\n$ %s\n' "$*" && "$@"; }

port=${PORT:-8080} visit=${VISIT_PORT:-8090} hub=${HUB:-hub}
work=${WORK:-out/demo-clusters}
rm -rf "$work" && mkdir -p "$work/conf.d" && work=$(cd "$work" && pwd)
balancer=
trap 'kill $balancer $(jobs -p) 2>/dev/null || true' EXIT

# address CLUSTER FIELD: where a local cluster is.
address() {
	landfall local list -o json | jq -r --arg name "$1" ".[] | select(.name == \$name) | $2"
}

chapter "The cluster that Landfall runs on"
run landfall up --name "$hub" --port "$port" | tee "$work/up"
registry=$(sed -n 's/^registry *//p' "$work/up")
door=$(kubectl get -n landfall-system daemonset landfall-front-door -o jsonpath='{.spec.template.spec.containers[0].image}')
for image in schema:1 web:1 worker:1 board:1; do
	run landfall image push "out/shop/${image#*:}/${image%:*}" "$registry/shop/$image"
done

chapter "What every cluster has, and what the shop is made of"
cp -r examples/clusters/. "$work/"
sed -i "s|image: front-door .*|image: $door|" "$work/addons/door/door.yaml"
sed -i "s|localhost:15000|$registry|" "$work/blueprint.yaml"
run landfall apply -f "$work/addons/blueprint.yaml" -f "$work/blueprint.yaml"

cluster() {
	run landfall cluster create "$1" --module local --var "registry_of=[\"$hub\"]" \
		--domain localhost --port "$visit" --ingress-class landfall --allow-from addons --addons default/addons --yes
}

chapter "Blue, by Terraform, and the shop on it"
cluster blue
run landfall env create shop --blueprint shop --cluster blue --hostname shop.example
blue=$(address blue '.nodes[0].ip')

chapter "Green, by the same module"
cluster green
green=$(address green '.nodes[0].ip')

chapter "The load balancer before both, and visitors"
lb=$(address "$hub" .network | sed 's|\.0\.0/16|.0.1|')
sed -i "s|@DIR@|$work|; s|@LB@|$lb|; s|@PORT@|$visit|" "$work/haproxy.cfg"
sed -i "s|@LB@|$lb|; s|@BLUE@|$blue|; s|@GREEN@|$green|" "$work/migration.yaml"
printf 'backend shop\n\tbalance roundrobin\n\tserver blue %s:80 check\n' "$blue" > "$work/conf.d/shop.cfg"
touch "$work/server-state"
haproxy -W -S "$work/master.sock,mode,600" -f "$work/haproxy.cfg" -f "$work/conf.d" &
balancer=$!
until [ -S "$work/admin.sock" ]; do sleep 0.2; done
run landfall watchdog configure --backend shop --old "blue=$blue:80" --new "green=$green:80" \
	--old-name blue --new-name green --check /healthz --check-host shop.example \
	--config "$work/haproxy.cfg" --config "$work/conf.d" --file "$work/conf.d/shop.cfg" \
	--haproxy "unix://$work/admin.sock" --master "unix://$work/master.sock" --server-state "$work/server-state"
shop=(-H "Host: shop.example" "http://127.0.0.1:$visit")
until curl -sf -o /dev/null "${shop[@]}/"; do sleep 0.5; done
run curl -sf -X POST "${shop[@]}/orders/lamp" -d name=Anna+Sommer -d email=anna@example.net
landfall load "http://shop.example:$visit" --address 127.0.0.1 --rate 20 --step 0 -o json > "$work/load.json" 2>/dev/null &
visitors=$!

chapter "What it would do; then all of it, blue's end included"
run landfall cluster migrate blue green -f "$work/migration.yaml" --dry-run
for step in ${KILL_AT:-}; do
	killed=0
	run env LANDFALL_CRASH_AT="$step" landfall cluster migrate blue green -f "$work/migration.yaml" --yes --destroy || killed=$?
	[ "$killed" = 137 ]
done
run landfall cluster migrate blue green -f "$work/migration.yaml" --yes --destroy --evidence "$work/parity.html"
run landfall cluster migrate status green
run landfall env get shop

chapter "Every request was answered, and what was ordered on blue is known on green"
kill -INT "$visitors" && wait "$visitors" || true
run grep -m4 -E '"(requests|answered|errors|lost)"' "$work/load.json"
run curl -sf "${shop[@]}/customers"
run landfall cluster migrate evidence green -f "$work/green.html" --load "$work/load.json"
run landfall cluster list
