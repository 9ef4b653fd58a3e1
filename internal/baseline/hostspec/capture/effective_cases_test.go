package capture

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each case is one source, the files and outputs it is given, and the items it
// makes of them.
func TestEffectiveConfigurationCases(t *testing.T) {
	for name, c := range map[string]struct {
		source  string
		files   string
		outputs map[string]string
		want    []string
	}{
		"mysql: includes, later files win, servers do not count": {
			source: "mysql-client",
			files: `
-- /etc/my.cnf --
[client]
port=3306
host = a # here
!include /etc/mysql/mysql.cnf
-- /etc/mysql/mysql.cnf --
[client]
ssl_ca='/etc/ca # not a comment'
!includedir /etc/mysql/conf.d/
[mysqld]
bind-address = 0.0.0.0
[mariadb-10.5]
log-bin
[mysql]
no-auto-rehash
-- /etc/mysql/conf.d/z.cnf --
[client]
host = b
-- /etc/mysql/conf.d/README --
[client]
host = c
`,
			want: []string{"mysql-client/client host: value=b", "mysql-client/client port: value=3306", "mysql-client/client ssl-ca: value=/etc/ca # not a comment", "mysql-client/mysql no-auto-rehash: value=true"},
		},
		"mysql: files that include each other end": {
			source: "mysql-client",
			files:  "-- /etc/my.cnf --\n!include /etc/my.cnf\n[client]\nuser=x\n",
			want:   []string{"mysql-client/client user: value=x"},
		},
		"logrotate: what is said for all, and paths on lines of their own": {
			source: "logrotate",
			files: `
-- /etc/logrotate.conf --
weekly
rotate 4
compress
include /etc/logrotate.d
-- /etc/logrotate.d/app --
"/var/log/my app.log"
/var/log/b.log
{
	size=10M
	nocompress
	prerotate
		a \
			b
		if x; then
			y
		fi
	endscript
}
-- /etc/logrotate.d/app.dpkg-old --
/var/log/old.log { daily }
`,
			want: []string{
				"logrotate//var/log/b.log: schedule=when larger rotate=4 size=10M compress=false prerotate=a b; if x; then y; fi file=/etc/logrotate.d/app",
				"logrotate//var/log/my app.log: schedule=when larger rotate=4 size=10M compress=false prerotate=a b; if x; then y; fi file=/etc/logrotate.d/app",
			},
		},
		"ntp: daemons side by side": {
			source: "ntp",
			files: `
-- /etc/systemd/timesyncd.conf --
[Time]
#NTP=
NTP=a b
-- /etc/chrony/chrony.conf --
! comment
server b iburst # near
server a iburst
rtcsync
`,
			want: []string{"ntp/chrony rtcsync: value=true", "ntp/chrony server: value=[a iburst, b iburst]", "ntp/systemd-timesyncd NTP: value=a b"},
		},
		"redis: secrets by every name": {
			source: "redis-client",
			files: `
-- /etc/redis/redis.conf --
# requirepass no
requirepass "hunter2"
masterauth hunter2
user default on >hunter2 ~* +@all
maxmemory-policy allkeys-lru
-- /var/www/app/.env --
export REDIS_URL="redis://default:hunter2@db1:6379/0"
DB_HOST=db1
`,
			want: []string{
				"redis-client//etc/redis/redis.conf masterauth: value=secret d61bd5043d19a6dc",
				"redis-client//etc/redis/redis.conf maxmemory-policy: value=allkeys-lru",
				"redis-client//etc/redis/redis.conf requirepass: value=secret d61bd5043d19a6dc",
				"redis-client//etc/redis/redis.conf user: value=secret 81dd1828393bf306",
				"redis-client//var/www/app/.env REDIS_URL: value=redis://default:<secret d61bd5043d19a6dc>@db1:6379/0",
			},
		},
		"sshd: files where sshd cannot be asked": {
			source: "sshd",
			files: `
-- /etc/ssh/sshd_config --
Include sshd_config.d/*.conf
Port 22
Port=2222
PermitRootLogin yes
AllowUsers a b
ChallengeResponseAuthentication no
Match Group sftp
	ForceCommand internal-sftp
Match all
X11Forwarding no
-- /etc/ssh/sshd_config.d/10.conf --
PermitRootLogin prohibit-password
Match User x
	PasswordAuthentication no
`,
			want: []string{
				"sshd/allowusers: value=[a, b]", "sshd/kbdinteractiveauthentication: value=no", "sshd/match Group sftp: value=[forcecommand internal-sftp]",
				"sshd/match User x: value=[passwordauthentication no]", "sshd/permitrootlogin: value=without-password", "sshd/port: value=[22, 2222]", "sshd/x11forwarding: value=no",
			},
		},
		"postfix: services with parameters of their own": {
			source:  "postfix",
			files:   "-- /etc/postfix/main.cf --\nrelayhost =\n  [mail]:25\n-- /etc/postfix/master.cf --\nsmtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtp_sasl_password=hunter2\n",
			outputs: map[string]string{"postfix/postconf": "process_id = 12\nrelayhost = [mail]:25\nmyhostname = web1.localdomain\n"},
			want: []string{
				"postfix/master smtps/inet: value=smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtp_sasl_password=<secret d61bd5043d19a6dc>",
				"postfix/master smtps/inet/smtp_sasl_password: value=secret d61bd5043d19a6dc", "postfix/master smtps/inet/smtpd_tls_wrappermode: value=yes",
				"postfix/myhostname: value=volatile made from the host's name default=true", "postfix/process_id: value=volatile the process that was asked default=true", "postfix/relayhost: value=[mail]:25",
			},
		},
		"certificates that cannot be read": {
			source: "certificate",
			outputs: map[string]string{"certificate/pem": "@@ nginx /a.crt\n! no such file\n@@ - /b.pem\n@@ - /c.pem\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" +
				"@@ postfix /d.pem\n! permission denied\n@@ nginx /d.pem\n! permission denied\n"},
			want: []string{
				"certificate//a.crt: subject=unknown no such file expires=unknown no such file usedBy=[nginx]",
				"certificate//c.pem: subject=unknown x509: malformed certificate expires=unknown x509: malformed certificate",
				"certificate//d.pem: subject=unknown permission denied expires=unknown permission denied usedBy=[nginx, postfix]",
			},
		},
		"php: versions side by side, and Apache's module by its files": {
			source: "php",
			files: `
-- /etc/php/7.4/fpm/php.ini --
memory_limit = 64M
-- /etc/php/7.4/fpm/pool.d/www.conf --
[www]
pm = ondemand
-- /etc/php/8.2/cli/php.ini --
memory_limit = -1
opcache.preload = /srv/preload.php
-- /etc/php/8.2/apache2/php.ini --
memory_limit = 256M
extension=redis.so
`,
			outputs: map[string]string{
				"php/cli": "PHP Warning: something\n" + `{"sapi":"cli","version":"8.2.1","files":"/etc/php/8.2/cli/php.ini,","settings":{"memory_limit":"-1","opcache.preload":"","precision":"14"},"extensions":{"redis":"5.3"}}` + "\n" +
					`{"sapi":"cli","version":"7.4.3","files":",","settings":{"precision":"17"},"extensions":{"redis":"4.0"}}` + "\n",
				"php/fpm": "@@ info\nphpinfo()\nPHP Version => 7.4.3\n\nServer API => FPM/FastCGI\nLoaded Configuration File => /etc/php/7.4/fpm/php.ini\n\nConfiguration\n\nCore\n\nDirective => Local Value => Master Value\nmemory_limit => 64M => 64M\n\nredis\n\nRedis Support => enabled\n\n" +
					"@@ pools\n[1] NOTICE: [www]\n[1] NOTICE: \tpm = ondemand\n[1] NOTICE: \tpm.max_children = 5\n[1] NOTICE: \tchroot = undefined\n",
			},
			want: []string{
				"php-setting/apache2-8.2 memory_limit: value=256M",
				"php-setting/cli-7.4 precision: value=17 default=true", "php-setting/cli-7.4 version: value=7.4.3",
				"php-setting/cli-8.2 memory_limit: value=-1", "php-setting/cli-8.2 opcache.preload: value=/srv/preload.php", "php-setting/cli-8.2 precision: value=14 default=true", "php-setting/cli-8.2 version: value=8.2.1",
				"php-setting/fpm-7.4 memory_limit: value=64M", "php-setting/fpm-7.4 version: value=7.4.3",
				"php-extension/apache2-8.2 redis: version=unknown only its file is known", "php-extension/cli-7.4 redis: version=4.0", "php-extension/cli-8.2 redis: version=5.3",
				"php-extension/fpm-7.4 Core: version=unknown PHP does not say", "php-extension/fpm-7.4 redis: version=4.0",
				"php-pool/fpm-7.4 www pm: value=ondemand", "php-pool/fpm-7.4 www pm.max_children: value=5 default=true",
			},
		},
		"composer 1 and broken files": {
			source: "language",
			files:  "-- /var/www/a/vendor/composer/installed.json --\n[{\"name\":\"x/y\",\"version\":\"v1.0\"}]\n-- /var/www/b/vendor/composer/installed.json --\n{\n",
			want:   []string{"language-package/composer /var/www/a x/y: version=1.0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := sourceNamed(t, c.source)
			in := inputOf(strings.TrimPrefix(c.files, "\n"), c.outputs)
			if diff := cmp.Diff(c.want, items(parsed(t, source, in))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a user may not read is unknown, by its kind.
func TestEffectiveConfigurationThatMayNotBeRead(t *testing.T) {
	for source, path := range map[string]string{
		"nginx": "/etc/nginx/nginx.conf", "php": "/etc/php/8.2/fpm/pool.d/shop.conf", "postfix": "/etc/postfix/main.cf", "sshd": "/etc/ssh/sshd_config",
		"mysql-client": "/etc/my.cnf", "logrotate": "/etc/logrotate.conf", "ntp": "/etc/chrony.conf", "at": "/var/spool/at/a0000101c97394",
		"language": "/var/www/vendor/composer/installed.json",
	} {
		t.Run(source, func(t *testing.T) {
			in := &Input{User: "deploy", outcomes: map[string]Output{"language/gem": {}, "language/pip": {}, "language/npm": {}}, files: map[string]file{path: {err: &fs.PathError{Op: "read", Path: path, Err: fs.ErrPermission}}}}
			spec := parsed(t, sourceNamed(t, source), in)
			for _, reason := range spec.Unknown {
				if strings.Contains(reason, path) {
					return
				}
			}
			t.Errorf("unknown %v, want the reason for %s", spec.Unknown, path)
		})
	}
}
