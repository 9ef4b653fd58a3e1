# The addresses of this network, which everything knows by heart.
sed -i "s/@NET@/$HOST_NETWORK/g" /etc/haproxy/haproxy.cfg /etc/haproxy/conf.d/*.cfg
