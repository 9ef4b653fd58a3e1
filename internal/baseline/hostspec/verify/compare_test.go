package verify

import (
	"encoding/json"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	left = `package: {nginx: {version: 1.22.1-9, manager: dpkg, manual: true}, php8.2-fpm: {version: {versions: ">= 8.2, < 8.3"}, manager: dpkg}, php8.2-apcu: {version: 5.1.22-1}, gcc-doc: {version: "12"}, telnetd: {exists: false}},
		user: {deploy: {uid: 1001, groups: [adm, www-data]}},
		sysctl: {net.core.somaxconn: "4096", kernel.random.uuid: {volatile: new at each read}, vm.swappiness: {unknown: needs root}},
		environment: {"fpm DB_PASSWORD": {secret: "1111111111111111"}},
		file: {/etc/app.conf: {state: changed, mode: "0644", sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}}`
	right = `package: {nginx: {version: 1.20.0-1, manager: dpkg, manual: true, hold: true}, php8.2-fpm: {version: 8.2.29-1, manager: dpkg}, htop: {version: 3.2.2-2}},
		user: {deploy: {uid: 1001, groups: [www-data, adm]}},
		sysctl: {net.core.somaxconn: "128", kernel.random.uuid: {volatile: new at each read}, vm.swappiness: "60"},
		environment: {"fpm DB_PASSWORD": {secret: "2222222222222222"}},
		cron: {"root /usr/local/bin/\e[31mclean": {schedule: 5 4 * * *}},
		file: {/etc/app.conf: {state: changed, mode: "0600", sha256: 0000000098fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}}`
)

func TestCompare(t *testing.T) {
	left := strings.ReplaceAll(left, "\t", "")
	right := strings.ReplaceAll(right, "\t", "")
	a := read(t, "web1", "salt: aa\nunknown: {firewall: needs root}\nrules: [{exclude: \"package/*-doc\", reason: noise}]", left)
	b := read(t, "web2", "salt: bb", right+", firewall: {x: y}")
	d := Compare("web1.yaml", a, "ssh://web2", b)
	var text strings.Builder
	if err := d.Write(&text, false); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "compare.golden")
	document, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(document)+"\n", "compare.json.golden")
	if fault.ExitCode(d.Err()) != fault.ExitNotHolding {
		t.Errorf("error %v", d.Err())
	}
	if err := d.Write(&text, true); err != nil || strings.Contains(text.String(), "\x1b[31mclean") {
		t.Errorf("the name of a job is obeyed by terminals: %v\n%s", err, text.String())
	}
}

func TestCompareWithItself(t *testing.T) {
	a := read(t, "web1", "salt: aa", `package: {nginx: {version: "1"}}, environment: {"x PASSWORD": {secret: "1111111111111111"}}`)
	if d := Compare("a", a, "b", a); d.Err() != nil || d.Same != 2 {
		t.Errorf("got %+v", d)
	}
	other := read(t, "web2", "salt: aa\nunknown: {package: dpkg is locked}", `environment: {"x PASSWORD": {secret: "1111111111111111"}}`)
	d := Compare("a", a, "b", other)
	if len(d.Changes) != 0 || len(d.Unknown) != 1 || fault.ExitCode(d.Err()) != fault.ExitFailed {
		t.Errorf("what is unknown is no difference: %+v", d)
	}
}
