package php

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The files in testdata are outputs of PHP 8.2.32 of Debian bookworm.

func TestInfoOfFPM(t *testing.T) {
	r, err := ParseInfo(read(t, "fpm-info.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if r.SAPI != "fpm" || r.Version != "8.2.32" || r.Series() != "8.2" {
		t.Errorf("%s %s", r.SAPI, r.Version)
	}
	if len(r.Files) != 28 || r.Files[0] != "/etc/php/8.2/fpm/php.ini" || r.Files[27] != "/etc/php/8.2/fpm/conf.d/20-tokenizer.ini" {
		t.Errorf("files %q", r.Files)
	}
	for key, want := range map[string]string{
		"memory_limit": "128M", "date.timezone": "Asia/Tokyo", "disable_functions": "", "upload_max_filesize": "32M",
		"highlight.html": `<font style="color: #000000">#000000</font>`, "allow_url_fopen": "On", "redis.clusters.seeds": "",
	} {
		if got, there := r.Settings[key]; !there || got != want {
			t.Errorf("%s is %q (there: %t), want %q", key, got, there, want)
		}
	}
	if got := r.Extensions["redis"]; got != "5.3.7" {
		t.Errorf("redis %q", got)
	}
	if _, leaked := r.Settings["$_SERVER['PHP_SELF']"]; leaked {
		t.Error("variables are no settings")
	}
}

func TestReportOfTheCommandLineKnowsTheSameSettings(t *testing.T) {
	report, err := ParseReport([]byte(read(t, "cli-report.json")))
	if err != nil {
		t.Fatal(err)
	}
	info, err := ParseInfo(read(t, "fpm-info.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if report.SAPI != "cli" || report.Version != "8.2.32" || len(report.Files) != 28 || report.Extensions["Zend OPcache"] != "8.2.32" {
		t.Errorf("%s %s %d files %v", report.SAPI, report.Version, len(report.Files), report.Extensions)
	}
	for key := range report.Settings {
		if _, there := info.Settings[key]; !there && key != "cli.pager" && key != "cli.prompt" && !strings.HasPrefix(key, "mysqlnd.") { // which phpinfo lacks
			t.Errorf("phpinfo of php-fpm lacks %s", key)
		}
	}
}

func TestReportWithoutExtensions(t *testing.T) {
	r, err := ParseReport([]byte(`{"sapi":"cli","version":"7.4.3","files":",","settings":[],"extensions":[]}`))
	if err != nil || r.Series() != "7.4" || len(r.Files) != 0 || len(r.Settings) != 0 {
		t.Error(r, err)
	}
}

// fpm-modules.txt is what `php-fpm -m` said.
func TestInfoNamesTheLoadedExtensions(t *testing.T) {
	info, err := ParseInfo(read(t, "fpm-info.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for line := range strings.Lines(read(t, "fpm-modules.txt")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '[' {
			want[line] = true
		}
	}
	got := map[string]bool{}
	for name := range info.Extensions {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	listed, err := ParseInfo("PHP Version => 5.6\n\nConfiguration\n\nCore\n\nAdditional Modules\n\nModule Name\nsysvmsg\nwddx\n\nEnvironment\n\nA => B\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Core": "", "sysvmsg": "", "wddx": ""}, listed.Extensions); diff != "" {
		t.Error(diff)
	}
}

func TestPoolsOfTheDump(t *testing.T) {
	pools := ParsePools(read(t, "fpm-pools.txt"))
	var names []string
	for _, pool := range pools {
		names = append(names, pool.Name)
	}
	if diff := cmp.Diff([]string{"global", "shop", "www"}, names); diff != "" {
		t.Fatal(diff)
	}
	for key, want := range map[string]string{
		"pm.max_children": "20", "php_admin_value[memory_limit]": "256M", "env[DB_HOST]": "10.0.0.20", "listen.backlog": "-1",
		"php_value[session.save_path]": "tcp://10.0.0.20:6379?auth=s3cret",
	} {
		if got := pools[1].Settings[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if _, there := pools[1].Settings["chroot"]; there {
		t.Error("chroot is undefined")
	}
}

func TestPoolsOfFiles(t *testing.T) {
	pools := Pools(ParseINI("[global]\npid = /run/x.pid\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n"),
		ParseINI("; a comment\n[shop]\nlisten = /run/php/$pool.sock ; here\nphp_admin_flag[log_errors] = on\nphp_value[session.save_path] = \"tcp://a?b=1;2\" ; x\n"))
	want := []Pool{
		{Name: "global", Settings: map[string]string{"pid": "/run/x.pid"}},
		{Name: "shop", Settings: map[string]string{
			"listen": "/run/php/shop.sock", "php_admin_value[log_errors]": "1", "php_value[session.save_path]": "tcp://a?b=1;2",
		}},
	}
	if diff := cmp.Diff(want, pools); diff != "" {
		t.Error(diff)
	}
}

func TestINI(t *testing.T) {
	ini := ParseINI("[PHP]\nmemory_limit = 64M\nmemory_limit=128M ;twice\nerror_reporting = E_ALL & ~E_NOTICE\nextension=/usr/lib/php/redis.so\nzend_extension = opcache\n[PATH=/var/www]\nmemory_limit = 1G\n[opcache]\nopcache.enable=\"0\"\nbroken\n=x\n")
	want := map[string]string{"memory_limit": "128M", "error_reporting": "E_ALL & ~E_NOTICE", "opcache.enable": "0"}
	if diff := cmp.Diff(want, ini.Settings()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"redis", "opcache"}, ini.Extensions()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("phpinfo()\nPHP Version => 8\n\nCore\n\nDirective => Local Value => Master Value\na => b => b\n => \n")
	f.Add("[21-Nov] NOTICE: [www]\n[21-Nov] NOTICE: \ta = b\n")
	f.Add("[x\n]\na=\"b\n=;\n[PATH=]\n")
	f.Add(`{"version":"8","settings":{"a":"b"}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = ParseInfo(text)
		ParsePools(text)
		ini := ParseINI(text)
		ini.Settings()
		ini.Extensions()
		Pools(ini)
		_, _ = ParseReport([]byte(text))
	})
}
