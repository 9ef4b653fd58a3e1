#!/bin/sh
# Starts versitygw over two folders of its volume: buckets and users.
set -eu
mkdir -p /data/buckets /data/users
exec versitygw --port :7070 --iam-dir /data/users --health /health --quiet posix /data/buckets
