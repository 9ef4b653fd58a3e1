# web3 is not like the others. README.md lists each of these; nothing else knows.
shop=/var/www/shop

# The deploy of November 2019 did not reach it.
ln -sfn "$shop/releases/20190822143012" "$shop/current"
sed -i '/20191104093347/d' "$shop/revisions.log"

# Somebody looked for a memory leak, at night.
sed -i 's/^upload_max_filesize = .*/upload_max_filesize = 2M/' /etc/php/8.2/mods-available/shop.ini
sed -i 's/^pm.max_children = 12/pm.max_children = 5/' /etc/php/8.2/fpm/pool.d/shop.conf
printf '# until we know why\n0 * * * * root /etc/init.d/php8.2-fpm restart > /dev/null\n' > /etc/cron.d/restart-fpm
printf '<?php phpinfo();\n' > "$shop/releases/20190822143012/public/info.php"
chown deploy:deploy "$shop/releases/20190822143012/public/info.php"

# An extension that FPM does not load, and a package that is not there.
rm /etc/php/8.2/fpm/conf.d/20-bcmath.ini
dpkg --purge php8.2-zip > /dev/null

# "Permission denied", solved.
chmod 666 "$shop/shared/config/config.php"

printf '#!/bin/sh\nchown -R www-data: /var/www/shop/shared/public/uploads\n' > /root/fix-uploads.sh
