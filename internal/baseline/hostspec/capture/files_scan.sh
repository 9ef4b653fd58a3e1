# A heading for each folder, its entries down to the second level, and then all:
# of a folder with very many, the first part is left out of account later.
format='%y %m %U %G %s\0%p\0%l\0'
list() { # ROOT LEVELS
	if $gnu; then
		find "$1" -xdev -maxdepth "$2" \( $prune \) -prune -printf "$format" -o -printf "$format" 2>/dev/null
		return
	fi
	# BusyBox: the same from stat, whose type and mode are one hexadecimal number.
	find "$1" -xdev -maxdepth "$2" \( $prune \) -prune -print0 -o -print0 2>/dev/null | xargs -0 -r sh -c 'for f; do
		l=; if [ -h "$f" ]; then l=$(readlink "$f"); fi
		m=$(stat -c "%f %u %g %s" "$f") && printf "x %s\0%s\0%s\0" "$m" "$f" "$l"
	done' -
}
for root; do
	printf '\0# shallow %s\0' "$root"
	list "$root" 2
	printf '\0# deep %s\0' "$root"
	list "$root" 60 | head -c @SCANBYTES@
done
printf '\0# asked\0'
set -- @PATHS@
if $gnu && [ $# -gt 0 ]; then
	find "$@" -maxdepth 0 -printf "$format" 2>/dev/null
else
	for f; do
		if [ -e "$f" ] || [ -h "$f" ]; then list "$f" 0; fi
	done
fi
exit 0
