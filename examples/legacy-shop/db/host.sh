# The addresses of this network.
grep -rlI '@NET@' /etc /usr/local/bin /home | while read -r file; do
	sed -i "s/@NET@/$HOST_NETWORK/g" "$file"
done
