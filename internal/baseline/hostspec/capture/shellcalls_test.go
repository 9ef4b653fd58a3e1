package capture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShellCalls(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want []string
	}{
		"pipes and lists":  {"cd /x && php artisan queue:work | tee -a log; [ -f a ] || mysqldump shop > x", []string{"php", "tee", "mysqldump"}},
		"substitutions":    {"d=$(date +%F)\necho `hostname` \"$(id -un)\"", []string{"date", "hostname", "id"}},
		"control":          {"if grep -q a b; then rsync a b; else case $x in a) curl u ;; esac; fi\nfor i in $(seq 3); do sleep 1; done", []string{"grep", "rsync", "curl", "seq", "sleep"}},
		"own functions":    {"log() { logger -t shop \"$1\"; }\nlog a\n", []string{"logger"}},
		"functions later":  {"a() { b; }\nb() { true; }\na", nil},
		"wrappers":         {"sudo -u www-data -- php x; nice -n 19 ionice -c3 tar c; timeout -k 5 30 wget u; env A=b FOO=1 ruby x; flock -n /run/l /opt/job; xargs -0 -n 1 gzip", []string{"sudo", "php", "nice", "ionice", "tar", "timeout", "wget", "env", "ruby", "flock", "/opt/job", "xargs", "gzip"}},
		"code in words":    {"su - deploy -c 'cd /x && bundle exec rake'; sh -ec \"jq . f\"; trap 'rm -f t' EXIT; flock /l -c 'wp cron'", []string{"su", "bundle", "sh", "jq", "rm", "flock", "wp"}},
		"find":             {"find . -name x -exec gzip {} \\; -o -execdir chmod 1 {} +", []string{"find", "gzip", "chmod"}},
		"here documents":   {"cat <<E\nnot called\nE\nmail -s x y", []string{"cat", "mail"}},
		"asked for only":   {"command -v node || exit 1", nil},
		"unknown words":    {"$PHP x; \"$d\"/run; ${x:-y} z; /usr/local/bin/backup.sh", []string{"/usr/local/bin/backup.sh"}},
		"before an error":  {"ls\ncp a b\nif then fi (", []string{"ls", "cp"}},
		"text is no code":  {"awk '{ print $1; system(\"x\") }' f # rm -rf\necho 'a; b'", []string{"awk"}},
		"deep, and hidden": {strings.Repeat("( ", 40_000) + "ls", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, shellCalls(c.code)); diff != "" && len(c.want)+len(shellCalls(c.code)) > 0 {
				t.Error(diff)
			}
		})
	}
}

func FuzzShellCalls(f *testing.F) {
	f.Add("sudo -u x sh -c 'a | b' && find . -exec c")
	f.Add("a() { b; }; trap \"$(c)\" 0; eval 'd'; <<E")
	f.Add("((a=-1)); [[ -f x ]]; case a in b) ;; esac; f() f")
	f.Fuzz(func(_ *testing.T, code string) { shellCalls(code) })
}
