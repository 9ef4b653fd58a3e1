# Makes a host out of the system of its group: its name, its address, its keys.
# Run in the new host before the recipe's own scripts.
echo "$HOST_NAME" > /etc/hostname
cat > /etc/hosts <<END
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
$HOSTS
END
echo "nameserver $HOST_NETWORK.1" > /etc/resolv.conf
# The way back to the pods of clusters on this machine, and to nothing else: a
# recipe may name addresses that must never be reached from here.
cat > /etc/network/interfaces <<END
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
	address $HOST_ADDRESS/24
	up ip route add 10.96.0.0/11 via $HOST_NETWORK.1
	up ip route add 10.128.0.0/9 via $HOST_NETWORK.1
END
ssh-keygen -q -A
for login in $LOGINS; do
	home=$(getent passwd "$login" | cut -d: -f6)
	install -d -m 700 -o "$login" -g "$(id -gn "$login")" "$home/.ssh"
	touch "$home/.ssh/authorized_keys"
	grep -qxF "$KEY" "$home/.ssh/authorized_keys" || echo "$KEY" >> "$home/.ssh/authorized_keys"
	chown "$login:" "$home/.ssh/authorized_keys"
	chmod 600 "$home/.ssh/authorized_keys"
done
