# The load balancer: HAProxy, as it was set up when the second web server came.
put() { install -D -m 644 "$RECIPE/lb/files/$1" "$2"; }

put haproxy.cfg /etc/haproxy/haproxy.cfg
put shop.cfg /etc/haproxy/conf.d/shop.cfg
put office.cfg /etc/haproxy/conf.d/office.cfg
put default /etc/default/haproxy
touch /var/lib/haproxy/server-state
