# What runs, from /proc: who is the collector, the processes' states, programs,
# arguments and environments. Arguments and environments are separated by NUL.
printf '# self %s\n' "$PPID"
printf '# status\n'
grep -sH -E '^(Name|PPid|Uid|NSpid):' /proc/[0-9]*/status
printf '# exe\n'
list='ls -l'
if ls -lb /proc/self/exe >/dev/null 2>&1; then list='ls -lb'; fi
$list /proc/[0-9]*/exe 2>/dev/null
printf '# sockets\n'
$list /proc/[0-9]*/fd 2>/dev/null | sed -n -e '/^\/proc\/[0-9]*\/fd:$/p' -e 's/.* -> \(socket:\[[0-9]*\]\)$/\1/p'
printf '# cmdline\n'
if printf 'a\0' | grep -qzs a 2>/dev/null; then
	grep -sazH '' /proc/[0-9]*/cmdline
	printf '\n# environ\n'
	grep -sazH '' /proc/[0-9]*/environ
else
	for what in cmdline environ; do
		for f in /proc/[0-9]*/$what; do
			{ tr '\0' '\n' <"$f" | while IFS= read -r text; do printf '%s:%s\0' "$f" "$text"; done; } 2>/dev/null
		done
		if [ $what = cmdline ]; then printf '\n# environ\n'; fi
	done
fi
exit 0
