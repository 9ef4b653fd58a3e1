# What all sections about files share: the folders where people change things,
# and what is not looked into.
set --
for d in /etc /usr/local /opt /srv /var/www /root /home /var/spool/cron; do
	if [ -d "$d" ]; then set -- "$@" "$d"; fi
done
roots='^/(etc|usr/local|opt|srv|var/www|root|home|var/spool/cron)(/|$)'
prune='-name .git -o -name .hg -o -name .svn -o -name .cache -o -name .npm -o -name __pycache__ -o -name lost+found'
gnu=false
if find / -maxdepth 0 -printf '' 2>/dev/null; then gnu=true; fi
