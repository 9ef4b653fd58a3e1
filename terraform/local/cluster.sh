#!/bin/sh
# Makes or removes the local cluster $NAME in $STATE_DIR. Both may be repeated:
# what was interrupted is gone on with, what is done already is left alone. A
# mark beside the clusters says which ones are this module's.
set -eu
mark=$STATE_DIR/.terraform-$NAME
: "${LOCALKUBE:=${LANDFALL_LOCALKUBE:-localkube}}"

run() { "$LOCALKUBE" --state-dir "$STATE_DIR" "$@"; }

state() { run list | awk -v name="$NAME" '$1 == name { print $2 }'; }

create() {
	set --
	[ -z "$CIDR" ] || set -- "$@" --cidr "$CIDR"
	for port in $PUBLISH; do set -- "$@" --publish "$port"; done
	for other in $SHARED; do set -- "$@" --registry-of "$other"; done
	run create "$NAME" --nodes "$NODES" --wait "$WAIT" "$@"
}

case $1 in
create)
	now=$(state)
	if [ -n "$now" ] && [ ! -e "$mark" ]; then
		echo "error: a local cluster $NAME exists already, and Terraform did not make it" >&2
		echo "next: choose another name, or delete it: localkube delete $NAME" >&2
		exit 4
	fi
	mkdir -p "$STATE_DIR"
	: >"$mark"
	[ "$now" != deleting ] || { run delete "$NAME" && now=; }
	if [ -n "$now" ]; then run start "$NAME" --wait "$WAIT"; else create; fi
	;;
delete)
	run delete "$NAME"
	rm -f "$mark"
	;;
esac
