#!/bin/sh
# Starts MariaDB, on the first start after making its system tables. They are
# made aside and moved into place, so that a start that breaks off is made good
# by the next. The administrator's password is set at every start, from the
# file that --init-file names.
set -eu
home=/var/lib/mysql
if [ ! -d "$home/data" ]; then
  rm -rf "$home/new"
  mkdir "$home/new"
  {
    printf 'CREATE DATABASE mysql;\nUSE mysql;\n' # a statement a line, as --bootstrap wants
    cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_performance_tables.sql /usr/share/mysql/mysql_system_tables_data.sql
  } | mariadbd --no-defaults --bootstrap --datadir="$home/new" --innodb-log-file-size=16M
  mv "$home/new" "$home/data"
fi
exec mariadbd --no-defaults --datadir="$home/data" --socket=/tmp/mysql.sock --pid-file=/tmp/mysql.pid "$@"
