# A web server of the shop: nginx, two pools of PHP-FPM, a mail relay, cron, and
# the shop itself as Capistrano left it.
put() { install -D -m "$1" "$RECIPE/web/files/$2" "$3"; }

# nginx, and what was changed in its own files.
put 644 nginx-shop.conf /etc/nginx/sites-available/shop
put 644 nginx-partner.conf /etc/nginx/snippets/partner.conf
ln -sf ../sites-available/shop /etc/nginx/sites-enabled/shop
rm /etc/nginx/sites-enabled/default
sed -i -e 's/worker_connections 768/worker_connections 4096/' -e 's/# server_tokens off/server_tokens off/' /etc/nginx/nginx.conf
put 644 nginx-override.conf /etc/systemd/system/nginx.service.d/override.conf
printf '\n# tanaka: too many open files\nULIMIT="-n 16384"\n' >> /etc/default/nginx
sed -i 's/^\t*rotate 14$/\trotate 400/' /etc/logrotate.d/nginx
htpasswd -bc /etc/nginx/htpasswd office 'back-0ffice' 2> /dev/null
chmod 640 /etc/nginx/htpasswd
chgrp www-data /etc/nginx/htpasswd

# The certificate that somebody renews by hand, most years.
mkdir -p /etc/nginx/ssl
openssl req -x509 -newkey rsa:2048 -nodes -days 20 -sha256 -subj '/C=JP/O=Lamp Shop/CN=shop.example' \
	-addext 'subjectAltName=DNS:shop.example,DNS:www.shop.example' \
	-keyout /etc/nginx/ssl/shop.example.key -out /etc/nginx/ssl/shop.example.crt 2> /dev/null
chmod 600 /etc/nginx/ssl/shop.example.key

# PHP: two pools of our own instead of Debian's.
mv /etc/php/8.2/fpm/pool.d/www.conf /etc/php/8.2/fpm/pool.d/www.conf.orig
put 644 fpm-shop.conf /etc/php/8.2/fpm/pool.d/shop.conf
put 644 fpm-api.conf /etc/php/8.2/fpm/pool.d/api.conf
put 644 php-shop.ini /etc/php/8.2/mods-available/shop.ini
ln -sf /etc/php/8.2/mods-available/shop.ini /etc/php/8.2/fpm/conf.d/99-shop.ini
ln -sf /etc/php/8.2/mods-available/shop.ini /etc/php/8.2/cli/conf.d/99-shop.ini
put 644 newrelic.ini /etc/php/8.2/fpm/conf.d/newrelic.ini
sed -i 's/^;emergency_restart_threshold = 0/emergency_restart_threshold = 10/' /etc/php/8.2/fpm/php-fpm.conf
put 600 fpm-default /etc/default/php-fpm8.2
apt-mark hold php8.2-fpm nginx-light > /dev/null

# Mail only goes out, through the relay in the server room.
postconf -X myhostname
postconf -e myorigin=shop.example mydestination=localhost \
	'relayhost=[@NET@.25]:25' inet_interfaces=loopback-only inet_protocols=ipv4 \
	mynetworks=127.0.0.0/8 message_size_limit=20480000 smtp_tls_security_level=may compatibility_level=3.6
printf 'root: ops@shop.example\nwww-data: ops@shop.example\n' >> /etc/aliases
newaliases

# The shop: three releases, one of them current.
shop=/var/www/shop
for release in 20190314101500 20190822143012 20191104093347; do
	mkdir -p "$shop/releases/$release"
	cp -R "$RECIPE/web/app/." "$shop/releases/$release/"
	echo "$release" | sha1sum | cut -c1-40 > "$shop/releases/$release/REVISION"
	mkdir -p "$shop/releases/$release/config" "$shop/releases/$release/tmp"
	ln -s "$shop/shared/config/config.php" "$shop/releases/$release/config/config.php"
	ln -s "$shop/shared/log" "$shop/releases/$release/log"
	ln -s "$shop/shared/tmp/sessions" "$shop/releases/$release/tmp/sessions"
	ln -s "$shop/shared/public/uploads" "$shop/releases/$release/public/uploads"
	echo "Branch master (at $(cut -c1-7 "$shop/releases/$release/REVISION")) deployed as release $release by tanaka" >> "$shop/revisions.log"
done
# Only the newest release has the API.
rm "$shop"/releases/20190[38]*/public/api.php
ln -s "$shop/releases/20191104093347" "$shop/current"
mkdir -p "$shop/shared/config" "$shop/shared/log" "$shop/shared/tmp/sessions" "$shop/shared/public/uploads" "$shop/repo"
put 640 config.php "$shop/shared/config/config.php"
printf 'GIF89a\001\000\001\000\000\000\000;' > "$shop/shared/public/uploads/1-0a0b0c0d.gif"
git init -q --bare "$shop/repo"
put 644 deploy.rb "$shop/deploy.rb"
find "$shop" -type d -exec chmod 755 {} +
find "$shop/releases" -type f -exec chmod 644 {} +
chown -R deploy:deploy "$shop"
chown deploy:www-data "$shop/shared/config/config.php"
chown -R www-data:www-data "$shop/shared/tmp/sessions" "$shop/shared/public/uploads"
chmod 733 "$shop/shared/tmp/sessions"
mkdir -p /var/www/export
printf 'id,name,price\n1,Desk lamp,4800\n' > /var/www/export/prices.csv
printf '2019-11-04T10:00:02+09:00 3 invoices\n' > "$shop/shared/log/invoices.log"
chown deploy:deploy "$shop/shared/log/invoices.log"
touch /var/log/php-shop.log /var/log/php-api.log
chown www-data:adm /var/log/php-shop.log /var/log/php-api.log

# What runs by itself.
put 755 shop-worker.init /etc/init.d/shop-worker
update-rc.d shop-worker defaults
put 644 cron-shop /etc/cron.d/shop
crontab -u deploy "$RECIPE/web/files/crontab-deploy"
put 644 logrotate-shop /etc/logrotate.d/shop
put 755 rc.local /etc/rc.local

# By hand, and in no runbook.
install -m 755 /bin/cat /usr/local/bin/imgopt
mkdir -p /usr/local/lib/python3.11/dist-packages/pricelist-0.3.dist-info
printf '"""Makes the price list for the partner."""\n' > /usr/local/lib/python3.11/dist-packages/pricelist.py
printf 'Metadata-Version: 2.1\nName: pricelist\nVersion: 0.3\n' > /usr/local/lib/python3.11/dist-packages/pricelist-0.3.dist-info/METADATA
mkdir -p /usr/local/lib/node_modules/svgo
printf '{"name": "svgo", "version": "1.3.2"}\n' > /usr/local/lib/node_modules/svgo/package.json
