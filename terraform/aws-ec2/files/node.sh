#!/bin/bash
# A machine's part in a cluster made by kubeadm.
#
#   landfall-node        installs what it takes, then makes the cluster or joins
#                        it. May be repeated at any time.
#   landfall-node tend   on the control plane, by a timer: renews how machines
#                        join, and forgets machines that are gone.
#
# What it is told is in node.json. The parameter "join" at AWS says how machines
# join; "none" means that there is no cluster yet. Only then a cluster is made,
# by one machine: once it was published, a control plane that is lost as a whole
# is never made anew over what it held.
set -euo pipefail

state=${LANDFALL_STATE:-/etc/landfall}
told=$state/node.json
pki=${LANDFALL_PKI:-/etc/kubernetes/pki}
socket=unix:///run/containerd/containerd.sock
metadata=http://169.254.169.254/latest

tell() { jq -er ".$1" "$told"; }

# try repeats what may fail for a while, such as a download.
try() {
	local n
	for n in 1 2 3 4 5 6; do
		"$@" && return
		sleep $((n * 5))
	done
	echo "landfall-node: gave up: $1" >&2
	return 1
}

about() {
	local token
	token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
	curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	try apt-get update -q
	try apt-get install -qy ca-certificates curl gpg jq openssl containerd
	local repository
	repository=$(tell aptKeyRepository)
	try curl -fsSL -o "$state/Release.key" "$repository/Release.key"
	gpg --dearmor --yes -o /etc/apt/keyrings/kubernetes.gpg "$state/Release.key"
	echo "deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] $repository/ /" >/etc/apt/sources.list.d/kubernetes.list
	try apt-get update -q
	try apt-get install -qy kubelet kubeadm kubectl
	apt-mark hold kubelet kubeadm kubectl >/dev/null
	command -v aws >/dev/null || try snap install aws-cli --classic
}

prepare_system() {
	swapoff -a
	printf '%s\n' overlay br_netfilter >/etc/modules-load.d/kubernetes.conf
	modprobe -a overlay br_netfilter
	printf '%s\n' 'net.ipv4.ip_forward = 1' 'net.bridge.bridge-nf-call-iptables = 1' >/etc/sysctl.d/99-kubernetes.conf
	sysctl -q --system
	install -d /etc/containerd
	containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
	systemctl restart containerd
	# The kubelet may hold back a shutdown for as long as its pods need.
	install -d /etc/systemd/logind.conf.d
	printf '[Login]\nInhibitDelayMaxSec=%s\n' "$(tell shutdownSeconds)" >/etc/systemd/logind.conf.d/99-kubelet.conf
	systemctl restart systemd-logind
}

# registration is how the kubelet announces itself.
registration() {
	jq --arg name "$(about local-hostname)" --arg provider "aws:///$(about placement/availability-zone)/$(about instance-id)" --arg socket "$socket" '
		{name: $name, criSocket: $socket, kubeletExtraArgs: ([
			{name: "provider-id", value: $provider},
			{name: "node-labels", value: (.labels // "")},
			{name: "cloud-provider", value: .cloudProvider}
		] | map(select(.value != "")))}
		+ if .taints then {taints: .taints} else {} end' "$told"
}

read_join() { aws ssm get-parameter --region "$(tell region)" --name "$(tell join)" --with-decryption --query Parameter.Value --output text; }

# join_configuration is for a machine that joins; $1 is what read_join gave, $2
# the address of the API server that it runs itself, if it does.
join_configuration() {
	jq -n --argjson join "$1" --arg address "$2" --arg endpoint "$(tell endpoint)" --argjson registration "$(registration)" '
		{apiVersion: "kubeadm.k8s.io/v1beta4", kind: "JoinConfiguration", nodeRegistration: $registration,
		 discovery: {bootstrapToken: {token: $join.token, apiServerEndpoint: $endpoint, caCertHashes: [$join.hash]}}}
		+ if $address == "" then {} else {controlPlane: {localAPIEndpoint: {advertiseAddress: $address}}} end'
}

# init_configuration is for the machine that makes the cluster.
init_configuration() {
	jq -n --argjson registration "$(registration)" '{apiVersion: "kubeadm.k8s.io/v1beta4", kind: "InitConfiguration", nodeRegistration: $registration}'
	echo ---
	jq --arg version "$(kubeadm version -o short)" '.cluster + {kubernetesVersion: $version}' "$told"
	echo ---
	jq '{apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration",
		shutdownGracePeriod: "\(.shutdownSeconds)s", shutdownGracePeriodCriticalPods: "\(.criticalSeconds)s"}' "$told"
}

# put_keys puts the keys of the cluster where kubeadm looks for them.
put_keys() {
	local keys path
	keys=$(aws secretsmanager get-secret-value --region "$(tell region)" --secret-id "$(tell pki)" --query SecretString --output text)
	install -d -m 0755 "$pki" "$pki/etcd"
	for path in ca.crt ca.key etcd/ca.crt etcd/ca.key front-proxy-ca.crt front-proxy-ca.key sa.key sa.pub; do
		(umask 077 && jq -er --arg path "$path" '.[$path]' <<<"$keys" >"$pki/$path")
	done
}

# is_first: of all machines of the group the one with the least id makes the
# cluster.
is_first() {
	local all least
	all=$(aws autoscaling describe-auto-scaling-groups --region "$(tell region)" --auto-scaling-group-names "$(tell group)" \
		--query "AutoScalingGroups[0].Instances[?LifecycleState=='InService'].InstanceId" --output text | tr -s '[:space:]' '\n' | sort)
	least=${all%%$'\n'*}
	[ "$(wc -l <<<"$all")" = "$(tell size)" ] && [ "$least" = "$(about instance-id)" ]
}

# make_cluster goes on where it was interrupted. Before it is published nobody
# has joined, so that what is half made can be thrown away.
make_cluster() {
	touch "$state/first"
	if [ ! -e "$state/made" ]; then
		kubeadm reset -f >/dev/null
		put_keys
		(umask 077 && init_configuration >"$state/kubeadm.yaml")
		kubeadm init --config "$state/kubeadm.yaml" --skip-token-print
		touch "$state/made"
	fi
	export KUBECONFIG=/etc/kubernetes/admin.conf
	local manifest
	jq -r '.manifests[]' "$told" | while read -r manifest; do
		try kubectl apply --server-side --force-conflicts -f "$manifest"
	done
	publish_join
}

# join_cluster joins as $1, control-plane or node. What a failed try has left is
# taken away: kubeadm refuses to join over it.
join_cluster() {
	local address=
	if [ "$1" = control-plane ]; then
		put_keys
		address=$(about local-ipv4)
	fi
	(umask 077 && join_configuration "$2" "$address" >"$state/kubeadm.yaml")
	if ! kubeadm join --config "$state/kubeadm.yaml"; then
		kubeadm reset -f >/dev/null
		return 1
	fi
	touch "$state/made"
}

become() {
	local role join
	role=$(tell role)
	while true; do
		join=$(read_join)
		if [ "$join" != none ]; then
			[ -e "$state/made" ] || join_cluster "$role" "$join"
			break
		elif [ "$role" = control-plane ] && { [ -e "$state/first" ] || is_first; }; then
			make_cluster
			break
		fi
		sleep 10
	done
	rm -f "$state/kubeadm.yaml"
	if [ "$role" = control-plane ]; then
		systemctl enable --now landfall-tend.timer
	fi
}

# publish_join gives machines a token for a day.
publish_join() {
	local token hash
	token=$(kubeadm token create --ttl 24h)
	hash=sha256:$(openssl x509 -pubkey -noout -in "$pki/ca.crt" | openssl pkey -pubin -outform der | openssl dgst -sha256 -hex | sed 's/^.* //')
	aws ssm put-parameter --region "$(tell region)" --name "$(tell join)" --type SecureString --overwrite \
		--value "$(jq -cn --arg token "$token" --arg hash "$hash" '{token: $token, hash: $hash}')" >/dev/null
}

# renew_join publishes a new token long before the last one ends.
renew_join() {
	local at
	at=$(aws ssm get-parameter --region "$(tell region)" --name "$(tell join)" --query Parameter.LastModifiedDate --output text)
	if [ $(($(date +%s) - $(date -d "$at" +%s))) -gt $((6 * 3600)) ]; then
		publish_join
	fi
}

etcdctl() {
	local container
	container=$(crictl --runtime-endpoint "$socket" ps --name '^etcd$' --state running -q)
	crictl --runtime-endpoint "$socket" exec "${container%%$'\n'*}" etcdctl --endpoints=https://127.0.0.1:2379 \
		--cacert="$pki/etcd/ca.crt" --cert="$pki/etcd/server.crt" --key="$pki/etcd/server.key" "$@"
}

# gone gives the nodes that are not ready and whose instances AWS says are
# terminated, or does not know any more. An answer in which this very machine is
# not running is not believed.
gone() {
	local nodes ids there
	nodes=$(kubectl get nodes -o json | jq -r '.items[]
		| select(any(.status.conditions[]; .type == "Ready" and .status != "True"))
		| "\(.metadata.name) \(.spec.providerID // "" | split("/") | last // "")"')
	[ -n "$nodes" ] || return 0
	ids=$(about instance-id),$(awk 'NF == 2 { print $2 }' <<<"$nodes" | paste -sd,)
	there=$(aws ec2 describe-instances --region "$(tell region)" --filters "Name=instance-id,Values=$ids" 'Name=instance-state-name,Values=pending,running,stopping,stopped,shutting-down' \
		--query 'Reservations[].Instances[].InstanceId' --output text | tr -s '[:space:]' '\n')
	grep -qx "$(about instance-id)" <<<"$there" || return 1
	local name id
	while read -r name id; do
		if [ -n "$id" ] && ! grep -qx "$id" <<<"$there"; then echo "$name"; fi
	done <<<"$nodes"
}

# forget_gone takes machines that are gone out of etcd and out of the cluster, in
# this order: interrupted in between, the node is still there to tell. etcd
# itself refuses what would cost it its majority.
forget_gone() {
	local names members name member
	names=$(gone)
	[ -n "$names" ] || return 0
	members=$(etcdctl member list -w simple)
	while read -r name; do
		member=$(awk -F', ' -v name="$name" '$3 == name { print $1 }' <<<"$members")
		[ -z "$member" ] || etcdctl member remove "$member"
		kubectl delete node "$name" --wait=false
	done <<<"$names"
}

tend() {
	export KUBECONFIG=/etc/kubernetes/admin.conf
	kubectl get --raw /readyz >/dev/null
	renew_join
	forget_gone
}

case ${1:-} in
tend) tend ;;
'')
	if [ ! -e "$state/prepared" ]; then
		install_packages
		prepare_system
		touch "$state/prepared"
	fi
	become
	;;
*)
	echo "usage: landfall-node [tend]" >&2
	exit 2
	;;
esac
