# Landfall's collector: reads what a host is, in one session, and writes nothing.
# Assembled by internal/baseline/hostspec/capture/script.go; stream.go reads what
# it says. Runs in any POSIX shell: dash, bash, BusyBox.
N='@NONCE@'
LC_ALL=C; export LC_ALL
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; export PATH
unset LANGUAGE CDPATH ENV BASH_ENV GREP_OPTIONS TAR_OPTIONS POSIXLY_CORRECT || :
IFS=' 	
'
umask 077
cd / || exit 1
# limit SECONDS COMMAND…: kills what takes longer. BusyBox's timeout leaves a
# process behind that holds the output open, so there it is done by hand.
if timeout --version >/dev/null 2>&1; then
	limit() { timeout -s KILL "$@"; }
else
	limit() {
		t=$1
		shift
		"$@" &
		p=$!
		(
			trap 'kill "$n"; exit' TERM
			sleep "$t" &
			n=$!
			wait "$n"
			kill -9 "$p"
		) >/dev/null 2>&1 3>&- 4>&- &
		w=$!
		wait "$p"
		c=$?
		kill "$w" 2>/dev/null
		return "$c"
	}
fi

# frame starts a part of the stream; what follows belongs to it.
frame() { printf '\n%s %s\0' "$N" "$1"; }

# section ID SECONDS BYTES SCRIPT: output, then what stderr said and the exit
# code. Descriptor 3 is the stream, 4 leads to the notes.
section() {
	frame "begin $1" >&3
	notes=$({ { limit "$2" sh -c "$4" 2>&4; echo "exit $?" >&4; } </dev/null | head -c "$3" >&3; } 4>&1)
	{
		frame "notes $1"
		printf '%.1000s' "${notes%exit *}"
		frame "exit ${notes##*exit } $1"
	} >&3
}

# shut TEST DIR…: says which folders on the way cannot be looked into.
shut() {
	t=$1
	shift
	for d; do
		if [ -d "$d" ] && ! [ "$t" "$d" ]; then frame "closed /$d" >&3; fi
	done
}

# take PATH…: lists files that can be read, each ended by NUL; says which cannot.
take() {
	for f; do
		if [ -f "$f" ]; then
			if [ -r "$f" ]; then printf '%s\0' "$f"; else frame "denied /$f" >&3; fi
		fi
	done
}

# deep DIR…: take for all files below.
deep() {
	for d; do
		[ -d "$d" ] && find -L "$d" -type f 2>/dev/null | while IFS= read -r f; do take "$f"; done
	done
}

# sized TEST: keeps the files of a list by their size.
sized() { xargs -0 -r sh -c 't=$1; shift; find -L "$@" -prune -type f -size "$t" -print0 2>/dev/null' - "$1"; }

# each sends the files of the list one by one: for kernel files, whose size is
# not known before they are read.
each() {
	tr '\0' '\n' | while IFS= read -r f; do
		frame "file /$f" >&3
		head -c @MAXBYTES@ "$f" 2>/dev/null >&3
	done
}

listed() {
	:
@GLOBS@
}

files() {
	if [ "$(id -u)" != 0 ]; then
		:
@FOLDERS@
	fi
	{ listed | sized +@MAXKB@k | tr '\0' '\n' | while IFS= read -r f; do frame "large /$f"; done; } >&3
	if command -v tar >/dev/null; then
		frame tar >&3
		listed 3>/dev/null | sized -@OVERKB@k | xargs -0 -r tar -chf - 2>/dev/null >&3
	else
		listed 3>/dev/null | sized -@OVERKB@k | each
	fi
	{ :
@KERNEL@
	} | each
}

first() {
	frame "user $(id -u) $(id -un 2>/dev/null)" >&3
	frame "host $(uname -n)" >&3
	files </dev/null
@FIRST@
}

second() {
	:
@SECOND@
}

# The second half works while the first does: what it says waits, packed, in the
# memory of tail, until the first is done. A pipe alone would hold it up.
main() {
	if command -v gzip >/dev/null; then
		second 3>&1 </dev/null | gzip -1 -c | tail -c 33554432 | { first; gzip -dc >&3; }
	else
		first
		second </dev/null
	fi
	frame done >&3
}

if @COMPRESS@ && command -v gzip >/dev/null; then
	printf '%s gzip\n' "$N"
	main 3>&1 | gzip -1 -c
else
	printf '%s plain\n' "$N"
	main 3>&1
fi
exit 0
