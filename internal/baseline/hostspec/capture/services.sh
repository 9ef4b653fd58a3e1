# Services by whichever manager there is.
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
	echo '# systemd'
	systemctl show --no-pager --all -p Id -p Names -p LoadState -p ActiveState -p UnitFileState -p Type -p RemainAfterExit -p User -p DropInPaths -p ExecStart -p Environment -p EnvironmentFiles '*.service'
	echo '# timers'
	systemctl show --no-pager --all -p Id -p LoadState -p UnitFileState -p Unit -p TimersCalendar -p TimersMonotonic '*.timer'
	echo '# unit files'
	systemctl list-unit-files --no-pager --no-legend --type=service,timer
	exit 0
fi
if [ -d /etc/runlevels ]; then
	echo '# openrc'
	for f in /etc/runlevels/*/*; do [ -h "$f" ] && echo "enabled ${f##*/}"; done
	for f in /run/openrc/started/*; do [ -e "$f" ] && echo "started ${f##*/}"; done
fi
echo '# sysv'
for f in /etc/init.d/*; do [ -x "$f" ] && [ -f "$f" ] && echo "script ${f##*/}"; done
for f in /etc/rc[2345].d/S* /etc/rcS.d/S* /etc/rc.d/rc[35].d/S*; do [ -e "$f" ] && echo "start ${f##*/}"; done
grep -sE '^(NAME|DAEMON|EXEC|SBIN|BIN|PROG|exec|prog)=' /etc/init.d/* /dev/null | sed 's|^/etc/init.d/|daemon |'
grep -slE 'start-stop-daemon|start_daemon|daemonize|init-d-script' /etc/init.d/* /dev/null | sed 's|^/etc/init.d/|stays |'
for f in /run/*.pid /run/*/*.pid /var/spool/postfix/pid/master.pid; do
	[ -r "$f" ] && read -r pid rest <"$f" && [ -d "/proc/$pid" ] && echo "pid $f"
done
exit 0
