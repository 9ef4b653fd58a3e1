#!/bin/bash
# Installs the Debian packages that a local Kubernetes and legacy servers need,
# and those named as arguments, where they are missing. Quiet and quick where
# none is.
set -eu -o pipefail

packages=(containerd runc containernetworking-plugins iptables iproute2 ipset conntrack ca-certificates curl
	mmdebstrap openssh-client haproxy jq "$@")

missing=()
for package in "${packages[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
	echo "missing packages: run  apt-get install -y ${missing[*]}  as root" >&2
	exit 4
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/landfall-apt.log 2>&1; }
install || { apt-get update -qq && install; } || { cat /tmp/landfall-apt.log >&2; exit 3; }
