# Takes out of a Debian system with sysvinit what a host in namespaces has no
# use for: consoles to log in at, and filesystems and clocks that belong to the
# machine that carries it. Run in the new base system.
if [ -f /etc/inittab ]; then
	sed -i '/getty/d' /etc/inittab
	for script in hostname.sh hwclock.sh checkroot.sh checkroot-bootclean.sh checkfs.sh mountall.sh mountall-bootclean.sh \
		mountnfs.sh mountnfs-bootclean.sh \
		mount-configfs mountdevsubfs.sh mountkernfs.sh brightness umountfs umountroot; do
		[ ! -e "/etc/init.d/$script" ] || update-rc.d -f "$script" remove
	done
fi
rm -f /etc/ssh/ssh_host_*
: > /etc/fstab
