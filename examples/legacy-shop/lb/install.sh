# The load balancer: HAProxy, as it was set up when the second web server came.
install -D -m 644 "$RECIPE/lb/files/haproxy.cfg" /etc/haproxy/haproxy.cfg
touch /var/lib/haproxy/server-state
