#!/bin/sh
# Starts Redis with the users it had and the administrator's password of today.
set -eu
acl=/data/users.acl
{
  echo "user default on >$REDIS_PASSWORD ~* &* +@all"
  if [ -f "$acl" ]; then grep -v '^user default ' "$acl" || true; fi
} >"$acl.new"
mv "$acl.new" "$acl"
exec redis-server --bind '* -::*' --dir /data --aclfile "$acl" --appendonly yes --save '' \
  --notify-keyspace-events EA "$@" # which is what `landfall data copy --follow` listens to
