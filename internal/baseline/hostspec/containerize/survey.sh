# Tells what a host has that may become part of an image: its package database,
# the files that no package brought, accounts, and what the running services
# use. Sent to `sh -s` behind lines that set N (the mark of sections) and ROOTS
# (folders to list). Nothing is written; names of files end in a NUL.
LC_ALL=C
export LC_ALL
section() { printf '\n%s %s\n' "$N" "$1"; }

command -v find > /dev/null && find / -maxdepth 0 -printf '' 2> /dev/null || { section error; echo 'GNU find is not installed'; exit 0; }
command -v tar > /dev/null || { section error; echo 'tar is not installed'; exit 0; }

section links
for dir in /bin /sbin /lib /lib32 /lib64 /libx32; do
	[ -L "$dir" ] && printf '%s %s\n' "$dir" "$(readlink "$dir")"
done

section status
cat /var/lib/dpkg/status 2> /dev/null

section lists
cd /var/lib/dpkg/info 2> /dev/null && tail -n +1 -- *.list 2> /dev/null < /dev/null

section passwd
cat /etc/passwd
section group
cat /etc/group

section files
set --
for root in $ROOTS; do [ -e "$root" ] && set -- "$@" "$root"; done
[ $# = 0 ] || find "$@" -xdev -printf '%y\t%m\t%U\t%G\t%s\t%p\t%l\0' 2> /dev/null
find /usr/bin /usr/sbin /usr/lib /bin /sbin -xdev -maxdepth 3 -type l -lname '/etc/alternatives/*' -printf '%y\t%m\t%U\t%G\t%s\t%p\t%l\0' 2> /dev/null

section ticks
getconf CLK_TCK 2> /dev/null || echo 100
cut -d' ' -f1 /proc/uptime
section processes
for dir in /proc/[0-9]*; do
	exe=$(readlink "$dir/exe" 2> /dev/null) || continue
	pss=$(awk '/^Pss:/ { print $2 }' "$dir/smaps_rollup" 2> /dev/null)
	[ -n "$pss" ] || pss=$(awk '/^VmRSS:/ { print $2 }' "$dir/status" 2> /dev/null)
	set -- $(sed 's/^.*) //' "$dir/stat" 2> /dev/null)
	[ $# -ge 20 ] || continue
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$exe" "$2" "${pss:-0}" "${12}" "${13}" "${20}"
done

section end
