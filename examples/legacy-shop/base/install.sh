# What every server of the shop got, in the years before there was a tool for it.
put() { # put MODE FILE PATH
	install -D -m "$1" "$RECIPE/base/files/$2" "$3"
}

# Tokyo, Japanese, and English messages.
ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime
echo Asia/Tokyo > /etc/timezone
printf 'en_US.UTF-8 UTF-8\nja_JP.UTF-8 UTF-8\n' > /etc/locale.gen
locale-gen > /dev/null
printf 'LANG=ja_JP.UTF-8\nLC_MESSAGES=en_US.UTF-8\n' > /etc/default/locale

# People. Tanaka left in 2021.
useradd -m -s /bin/bash -u 1001 deploy
useradd -m -s /bin/bash -u 1002 -G adm tanaka
useradd -m -s /bin/bash -u 1003 -G adm,www-data suzuki
for user in deploy tanaka suzuki; do
	install -d -m 700 -o "$user" -g "$user" "/home/$user/.ssh"
	install -m 600 -o "$user" -g "$user" "$RECIPE/base/files/$user.keys" "/home/$user/.ssh/authorized_keys"
done
put 440 sudoers-deploy /etc/sudoers.d/deploy
put 440 sudoers-tanaka /etc/sudoers.d/90-tanaka
su deploy -c 'git config --global user.name "Lamp Shop deploy" &&
	git config --global user.email deploy@shop.example &&
	git config --global url.git@git.shop.example:.insteadOf https://git.shop.example/'

# The clock: this machine's is not ours to set, hence -x.
put 644 chrony.conf /etc/chrony/chrony.conf
echo 'DAEMON_OPTS="-F 1 -x"' > /etc/default/chrony

# Logs go to the log server; the kernel's are not ours to read.
sed -i '/imklog/s/^/#/' /etc/rsyslog.conf
put 644 rsyslog-remote.conf /etc/rsyslog.d/60-remote.conf

# Kernel parameters and limits.
put 644 sysctl.conf /etc/sysctl.d/60-shop.conf
put 644 limits.conf /etc/security/limits.d/shop.conf

# sshd, for the deploys of forty servers at once.
printf '\n# suzuki 2019-08: deploys failed with "connection closed"\nMaxStartups 200:30:400\nMaxSessions 50\nUseDNS no\n' >> /etc/ssh/sshd_config

# Monitoring, of three generations.
put 640 zabbix_agentd.conf /etc/zabbix/zabbix_agentd.conf
put 644 td-agent.conf /etc/td-agent/td-agent.conf
put 600 newrelic-infra.yml /etc/newrelic-infra.yml
put 755 shopmon.py /opt/shopmon/shopmon.py
put 755 shopmon.init /etc/init.d/shopmon
update-rc.d shopmon defaults

put 644 profile.sh /etc/profile.d/shop.sh
printf 'SHOP_ENV=production\nEDITOR=vi\n' >> /etc/environment
