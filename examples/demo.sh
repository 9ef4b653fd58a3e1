#!/bin/bash
# Landfall's story, told by its commands: each is printed before its output.
# Run it by `make demo`. First an old shop, on servers that nobody dares to
# touch, comes to Kubernetes, its visitors with it, with proof that nothing was
# lost; then teams get environments of a new one. It leaves all of it running:
# `landfall down --delete-cluster` and `landfall local legacy delete` take it away
# again.
set -eu -o pipefail
cd "$(dirname "$0")/.."

# chapter TITLE, with the time since the story began.
chapter() { printf '\n\033[1m── %d:%02d %s\033[0m\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
run() { printf '\n$ %s\n' "$*" && "$@"; }
# expect CODE COMMAND…: the command is to end with this exit code.
expect() {
	local want=$1 got=0
	shift
	run "$@" || got=$?
	printf '(exit code %d)\n' "$got"
	[ "$got" = "$want" ]
}

# at_registry REGISTRY: the blueprint for a registry at another port than usual.
at_registry() {
	cp -r examples/shop/chart "$notes.d/"
	blueprint=$notes.d/blueprint.yaml
	sed "s|localhost:15000|$1|" examples/shop/blueprint.yaml > "$blueprint"
}

export LANDFALL_AUTHOR=${LANDFALL_AUTHOR:-demo}
port=${PORT:-8080}
staging=http://web.staging.localhost:$port
pr1=http://web.pr-1.localhost:$port
blueprint=examples/shop/blueprint.yaml
notes=$(mktemp /tmp/landfall-demo.XXXXXX)
mkdir "$notes.d"
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$notes" "$notes.d" "$notes.old"' EXIT
old=out/demo # what is made of the old servers, to look at afterwards
rm -rf "$old" && mkdir -p "$old"

# The old servers take a while where they never ran: meanwhile the platform
# comes up.
landfall local legacy create --hosts 3 > "$notes.old" 2>&1 &
servers=$!

chapter "From nothing to a platform: Kubernetes, controllers, stores, front door"
run landfall up --port "$port" | tee "$notes"
run landfall version
registry=$(sed -n 's/^registry *//p' "$notes")

chapter "The old side: a shop on servers that nobody dares to touch"
printf '\n$ landfall local legacy create --hosts 3\n'
wait "$servers" || { cat "$notes.old" && exit 1; }
run landfall local legacy list
address() { landfall local legacy list 2>/dev/null | awk -v host="$1" '$1 == host {print $3}'; }
web1=$(address web1)
reach=(--ssh-config "${LANDFALL_LOCAL_DIR:-/var/lib/landfall/local}/legacy/ssh_config")

chapter "What they really are, in one session; and which of them has drifted"
run landfall spec capture "ssh://root@$web1" "${reach[@]}" -o "$old/web1.yaml"
expect 1 landfall spec fleet "ssh://root@{$web1,$(address web2),$(address web3)}" "${reach[@]}"

chapter "What each item means for Kubernetes"
run landfall spec triage "$old/web1.yaml" \
	--decide 'service/shop-worker=image: a component of its own, later' \
	--decide 'file//opt/shopmon*=drop: the cluster watches' \
	--worksheet "$old/triage.html"

chapter "Into containers: from the server's own files, without Docker"
run landfall spec containerize "$old/web1.yaml" --target "ssh://root@$web1" "${reach[@]}" \
	--name lamps --image "$registry/lamps:1" --secret-values -o "$old/lamps"
# Redis goes by a name that only the servers' hosts files know: see its README.
run sed -i "s/'db1'/'$(address db1)'/" "$old/lamps/secret.yaml"
run kubectl apply -f "$old/lamps/secret.yaml"
run landfall apply -f "$old/lamps/blueprint.yaml"
run landfall env delete lamps
run landfall env create lamps --blueprint lamps --hostname shop.example --alias www.shop.example

chapter "The same definition of normal on both sides"
export SHOP_CUSTOMER=lamp-123 SHOP_OFFICE=back-0ffice # made up, as all of the shop
run landfall check run examples/legacy-shop/checks.yaml --address "$web1" --address "127.0.0.1:$port"
run kubectl apply -f examples/legacy-shop/checks-secret.yaml
run landfall baseline create lamps --blueprint lamps --host-spec "lamps/php=$old/lamps/expected.yaml" \
	--checks examples/legacy-shop/checks.yaml --secret lamps-checks --objective available=99/1h
run landfall baseline verify lamps

chapter "The old load balancer learns of the new side, without losing a request"
lb1=$(address lb1)
node=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
on_lb1() { landfall local legacy exec lb1 -- "$@"; }
on_lb1 sh -c 'cat > /usr/local/bin/landfall && chmod 755 /usr/local/bin/landfall' < "$(command -v landfall)"
for backend in shop office; do
	run on_lb1 /usr/local/bin/landfall watchdog configure --backend $backend \
		--old "web1=$web1:80" --old "web2=$(address web2):80" --old "web3=$(address web3):80" --new "kubernetes=$node:80" \
		--old-name ec2 --new-name kubernetes --check /healthz --check-host shop.example \
		--config /etc/haproxy/haproxy.cfg --config /etc/haproxy/conf.d --file /etc/haproxy/conf.d/$backend.cfg \
		--master unix:///run/haproxy/master.sock --server-state /var/lib/haproxy/server-state
done
for file in migration rehearsal; do
	sed -e "s/@NODE@/$node/" -e "s/10.66.0.5:/$lb1:/" -e "s/10.66.0.11/$web1/" examples/legacy-shop/$file.yaml > "$old/$file.yaml"
done
run curl -s -o /dev/null -w 'the new side, asked for by name through the real door: %{http_code}\n' \
	-H 'Host: shop.example' -H 'X-Landfall-Backend: kubernetes' "http://$lb1/"

chapter "Rehearsed first, on the office's door: a bad version on purpose"
bad=$old/bad/var/www/shop/releases/20191104093347/public
mkdir -p "$bad" && cp examples/legacy-shop/bad/product.php "$bad/"
run landfall image push "$old/bad" "$registry/lamps:2" --base "$registry/lamps:1"
# visitors PORT REPORT: a constant load, until it is told to end.
visitors() {
	landfall load "http://shop.example:$1" --address "$lb1" --path '/product.php?id=1' --path '/product.php?id=3' \
		--rate 60 --step 0 --side-header X-Served-By -o json > "$2" 2>/dev/null &
}
visitors 8088 "$old/rehearsal.json"
office=$!
run landfall migrate rehearse -f "$old/migration.yaml" --on "$old/rehearsal.yaml" --break-step 2 --max-hold 1s \
	--break 'landfall deploy lamps --set lamps=2' --mend 'landfall rollback lamps' \
	--runbook "$old/runbook.html" --runbook "$old/runbook.md"
kill -INT $office && wait $office

chapter "The move, under load: a bad version goes back by itself"
visitors 80 "$old/load.json"
visitors=$!
run landfall migrate plan -f "$old/migration.yaml"
run landfall deploy lamps --set lamps=2 -m "stock on product pages"
expect 1 landfall migrate start -f "$old/migration.yaml" -w
run landfall migrate history shop

chapter "Mended, and all the way; the evidence"
run landfall rollback lamps -m "stock is not there yet"
run landfall migrate start -f "$old/migration.yaml" -w
run landfall migrate status shop
kill -INT $visitors && wait $visitors
run landfall migrate evidence shop -f "$old/evidence.html" --load "$old/load.json"
run grep -m4 -E '"(requests|answered|errors|lost)"' "$old/load.json"

chapter "The shop's images, built without Docker"
for image in schema:1 web:1 worker:1 board:1 web:2 worker:2 web:3; do
	run landfall image push "out/shop/${image#*:}/${image%:*}" "$registry/shop/$image"
done

chapter "What the shop is made of: one blueprint for every stage"
[ "$registry" = localhost:15000 ] || at_registry "$registry"
run landfall apply -f "$blueprint"

chapter "An environment, with customers who trust it"
run landfall env delete staging pr-1
run landfall env create staging --blueprint shop
run curl -s -X POST "$staging/orders/lamp" -d name=Anna+Sommer -d email=anna@example.net -d 'phone=%2B49 170 1234567'
run curl -s -X POST "$staging/orders/rope" -d name=Ben+Okri -d email=ben@example.net -d 'phone=0351 445566'
run curl -s -X POST "$staging/orders/map" -d name=Anna+Sommer -d email=anna@example.net -d 'phone=%2B49 170 1234567'

chapter "A second one like it, with one other version, and with data that is nobody's"
run landfall data mask check --from staging --mask examples/shop/mask.yaml
run landfall env create pr-1 --from staging --set web=2 --ttl 8h --seed-from staging --mask examples/shop/mask.yaml
run landfall data status pr-1-seed
run curl -s "$staging/customers"
run curl -s "$pr1/customers"
run landfall env list
expect 1 landfall env diff staging pr-1

chapter "Both answer, on hostnames of their own"
run curl -s "$staging/"
run curl -s "$pr1/"
run curl -s -X POST "$staging/orders/lamp"

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
sleep 5 # Landfall has a look a few seconds after the last change
expect 1 landfall env drift staging
run landfall env drift staging --heal

chapter "Done with the pull request"
run landfall env sleep pr-1
run landfall env wake pr-1
run landfall env delete pr-1
run landfall env list

printf '\nThe story took %d seconds. Look around: landfall env get staging, %s\n' $SECONDS "$staging/"
