# All files of all packages, those that differ.
cd /
if [ -d /var/lib/dpkg/info ]; then
	cat /var/lib/dpkg/info/*.md5sums | md5sum -c 2>/dev/null | grep -v ': OK$'
elif command -v rpm >/dev/null; then
	rpm -Va --nodeps --noscripts 2>/dev/null
elif command -v apk >/dev/null; then
	apk audit --system 2>/dev/null
fi
exit 0
