# The data server: MariaDB and Redis, open to the servers of the shop.
put() { install -D -m "$1" "$RECIPE/db/files/$2" "$3"; }

put 644 mariadb.cnf /etc/mysql/mariadb.conf.d/90-shop.cnf
(cat "$RECIPE/db/files/users.sql" "$RECIPE/db/files/schema.sql") |
	mariadbd --user=mysql --bootstrap --skip-log-error

sed -i -e 's/^bind .*/bind 0.0.0.0/' -e 's/^protected-mode .*/protected-mode no/' \
	-e 's/^# requirepass .*/requirepass r3dis-of-2016/' \
	-e 's/^# maxmemory <bytes>/maxmemory 128mb/' -e 's/^# maxmemory-policy noeviction/maxmemory-policy allkeys-lru/' \
	/etc/redis/redis.conf

put 750 backup-db.sh /usr/local/bin/backup-db.sh
put 644 cron-backup /etc/cron.d/backup
