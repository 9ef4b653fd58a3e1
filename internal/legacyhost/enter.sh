#!/bin/sh
# The first process of new mount, process, host-name and IPC namespaces (and of
# a network namespace, for a host that starts). It lays the system's layers over
# each other, mounts what a Linux system expects, and becomes either one script
# in it (build) or its init (boot). All mounts end with this namespace.
#
#   enter.sh build ROOT SCRIPT…   environment: LAYERS UPPER WORK RECIPE PACKAGES
#   enter.sh boot ROOT            environment: LAYERS UPPER WORK HOST_NAME
set -eu
mode=$1 root=$2
shift 2

mount --make-rprivate /
mkdir -p "$root" "$UPPER" "$WORK"
mount -t overlay -o "lowerdir=$LAYERS,upperdir=$UPPER,workdir=$WORK" overlay "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o nosuid,mode=755,size=64m tmpfs "$root/run"
mkdir -m 1777 "$root/run/lock"

mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm" "$root/dev/mqueue"
mkdir "$root/dev/pts"
mount -t tmpfs -o nosuid,nodev,mode=1777,size=64m tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

if [ "$mode" = build ]; then
	# What apt fetches is kept beside the layers, for the next ones.
	mkdir -p "$root/run/recipe" "$PACKAGES/lists" "$PACKAGES/archives"
	mount --bind "$RECIPE" "$root/run/recipe"
	mount --bind "$PACKAGES/archives" "$root/var/cache/apt/archives"
	mount --bind "$PACKAGES/lists" "$root/var/lib/apt/lists"
	export RECIPE=/run/recipe DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
	unset LAYERS UPPER WORK PACKAGES
	exec chroot "$root" /bin/sh -eu -c "$1" build
fi

# What a host may not do to the machine that carries it: kernel parameters
# outside its own network, the kernel's log, its memory, its clock, its modules.
# Without the capability sys_admin, below, none of it can be mounted otherwise.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,rw "$root/proc/sys/net"
for file in kcore kmsg sysrq-trigger; do
	[ ! -e "$root/proc/$file" ] || mount --bind /dev/null "$root/proc/$file"
done
: > "$root/dev/console" # a file: what scripts say while the host starts

hostname "$HOST_NAME"
# The machine gives the network interface, then says so.
read -r _

mkdir "$root/run/old"
cd "$root"
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=linux \
	setpriv --bounding-set=-sys_admin,-sys_time,-sys_module,-sys_rawio,-syslog,-sys_boot,-mknod,-mac_admin,-mac_override,-wake_alarm,-block_suspend \
	/sbin/init
