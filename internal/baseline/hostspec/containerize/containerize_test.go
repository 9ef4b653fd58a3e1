package containerize

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/result"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// host is a made-up server: it answers the survey's script and packs files, as
// a shell there would.
type host struct {
	files map[string]entry
	// scripts that were run.
	scripts int
	// breakAfter cuts each answer, in bytes; 0 does not.
	breakAfter int
}

type entry struct {
	kind    byte
	content string
	owner   int
	mode    int64
}

func (h *host) Name() string   { return "ssh://web1" }
func (h *host) Compress() bool { return false }

func (h *host) Run(_ context.Context, script io.Reader, stdout io.Writer) error {
	h.scripts++
	text, err := io.ReadAll(script)
	if err != nil {
		return err
	}
	if h.breakAfter > 0 {
		var whole bytes.Buffer
		if err := h.answer(string(text), &whole); err != nil {
			return err
		}
		_, err = stdout.Write(whole.Bytes()[:min(h.breakAfter, whole.Len())])
		return err
	}
	return h.answer(string(text), stdout)
}

var marked = regexp.MustCompile(`^N=(\S+)\n`)

func (h *host) answer(script string, out io.Writer) error {
	if m := marked.FindStringSubmatch(script); m != nil {
		return h.survey(m[1], out)
	}
	head, list, _ := strings.Cut(script, "\n")
	names := strings.Split(strings.TrimSpace(list), "\n")
	if !strings.Contains(head, "tar -cf -") {
		return errors.New("not a script that is known: " + head)
	}
	archive := tar.NewWriter(out)
	for _, name := range names[:len(names)-1] {
		e, ok := h.files["/"+name]
		if !ok {
			continue
		}
		header := &tar.Header{Name: name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Typeflag: tar.TypeReg, Size: int64(len(e.content))}
		switch e.kind {
		case 'd':
			header.Typeflag, header.Size = tar.TypeDir, 0
		case 'l':
			header.Typeflag, header.Linkname, header.Size = tar.TypeSymlink, e.content, 0
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if e.kind == 'f' {
			if _, err := io.WriteString(archive, e.content); err != nil {
				return err
			}
		}
	}
	return archive.Close()
}

func (h *host) survey(mark string, out io.Writer) error {
	section := func(name, content string) { fmt.Fprintf(out, "\n%s %s\n%s", mark, name, content) }
	section("links", "/bin usr/bin\n")
	section("status", installed)
	section("lists", shipped)
	section("passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\ndeploy:x:1001:1001::/home/deploy:/bin/bash\n")
	section("group", "root:x:0:\nwww-data:x:33:suzuki\ndeploy:x:1001:\n")
	var files strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h.files)) {
		e := h.files[name]
		target := ""
		if e.kind == 'l' {
			target = e.content
		}
		if matchFolder(roots, name) {
			fmt.Fprintf(&files, "%c\t%o\t%d\t%d\t%d\t%s\t%s\x00", e.kind, e.mode, e.owner, e.owner, len(e.content), name, target)
		}
	}
	section("files", files.String())
	section("ticks", "100\n10000.5\n")
	section("processes", "/usr/sbin/nginx\t1\t5120\t10\t10\t1000\n/usr/sbin/php-fpm8.2\t1\t20480\t3000\t1000\t1000\n/usr/sbin/php-fpm8.2\t5\t40960\t90000\t9000\t1000\n")
	section("end", "")
	return nil
}

const installed = `Package: nginx
Status: install ok installed
Version: 1.22.1-9
Architecture: amd64
Depends: libc6 (>= 2.34), nginx-common | other

Package: nginx-common
Status: hold ok installed
Version: 1.22.1-9
Architecture: all

Package: php8.2-fpm
Status: install ok installed
Version: 8.2.29-1
Architecture: amd64
Depends: php8.2-cli, systemd | systemd-standalone

Package: php8.2-cli
Status: install ok installed
Version: 8.2.29-1
Architecture: amd64

Package: libc6
Status: install ok installed
Version: 2.36-9
Architecture: amd64

Package: dash
Essential: yes
Status: install ok installed
Version: 0.5.12-2
Architecture: amd64

Package: systemd
Status: install ok installed
Version: 252
Architecture: amd64

Package: chrony
Status: install ok installed
Version: 4.3
Architecture: amd64

Package: gone
Status: deinstall ok config-files
Version: 1
`

const shipped = `==> nginx.list <==
/.
/usr/sbin
/usr/sbin/nginx
/usr/share/doc/nginx/README.gz
/usr/share/doc/nginx/copyright
==> nginx-common.list <==
/etc/nginx/nginx.conf
/etc/init.d/nginx
==> php8.2-fpm.list <==
/usr/sbin/php-fpm8.2
/usr/share/php8.2-fpm/a/a.ini
/etc/php/8.2/fpm/pool.d/www.conf
==> php8.2-cli.list <==
/usr/bin/php8.2
==> libc6:amd64.list <==
/lib/x86_64-linux-gnu/libc.so.6
==> dash.list <==
/bin/sh
==> chrony.list <==
/usr/sbin/chronyd
`

func shop(t testing.TB) *host {
	file := func(content string) entry { return entry{kind: 'f', content: content, mode: 0o644} }
	folder := func(owner int) entry { return entry{kind: 'd', owner: owner, mode: 0o755} }
	return &host{files: map[string]entry{
		"/usr/sbin":                                   folder(0),
		"/usr/sbin/nginx":                             {kind: 'f', content: "\x7fELFnginx", mode: 0o755},
		"/usr/sbin/php-fpm8.2":                        {kind: 'f', content: "\x7fELFfpm", mode: 0o755},
		"/usr/bin/php8.2":                             {kind: 'f', content: "\x7fELFphp", mode: 0o755},
		"/usr/bin/sh":                                 {kind: 'f', content: "\x7fELFsh", mode: 0o755},
		"/lib/x86_64-linux-gnu/libc.so.6":             file("\x7fELFlibc"),
		"/usr/sbin/chronyd":                           file("\x7fELFchrony"),
		"/usr/share/doc/nginx/copyright":              file("BSD"),
		"/usr/share/doc/nginx/README.gz":              file("x"),
		"/etc/nginx":                                  folder(0),
		"/etc/nginx/nginx.conf":                       file("user www-data;\npid /run/nginx.pid;\nevents {}\nhttp { include /etc/nginx/sites-enabled/*; }\n"),
		"/etc/nginx/sites-available/shop":             file(read(t, "nginx-shop.conf")),
		"/etc/nginx/sites-enabled/shop":               {kind: 'l', content: "../sites-available/shop", mode: 0o777},
		"/etc/nginx/htpasswd":                         file("office:$apr1$abc"),
		"/etc/nginx/ssl/shop.example.key":             file("-----BEGIN " + "PRIVATE KEY-----\n"),
		"/etc/nginx/ssl/shop.example.crt":             file("-----BEGIN CERTIFICATE-----\n"),
		"/etc/php/8.2/fpm/pool.d/shop.conf":           file(read(t, "fpm-shop.conf")),
		"/etc/php/8.2/mods-available/shop.ini":        file("memory_limit = 1G\n"),
		"/etc/php/8.2/fpm/conf.d/20-a.ini":            {kind: 'l', content: "/etc/php/8.2/mods-available/a.ini", mode: 0o777},
		"/etc/php/8.2/fpm/conf.d/99-shop.ini":         {kind: 'l', content: "/etc/php/8.2/mods-available/shop.ini", mode: 0o777},
		"/etc/php/8.2/fpm/conf.d/vendor.ini":          file("vendor.license = \"0123456789\"\n"),
		"/etc/php/8.2/mods-available/a.ini":           file("extension=a.so\n"),
		"/etc/default/php-fpm8.2":                     file("# by hand\nexport APP_ENV=production\nexport SHOP_API_KEY=7f3c9e1ab4d84f0f9c51\n"),
		"/etc/timezone":                               file("Asia/Tokyo\n"),
		"/usr/local/bin":                              folder(0),
		"/usr/local/bin/imgopt":                       {kind: 'f', content: "#!/bin/sh\n", mode: 0o755},
		"/var/www":                                    folder(0),
		"/var/www/shop":                               folder(1001),
		"/var/www/shop/current":                       {kind: 'l', content: "/var/www/shop/releases/2", mode: 0o777},
		"/var/www/shop/releases":                      folder(1001),
		"/var/www/shop/releases/1":                    folder(1001),
		"/var/www/shop/releases/1/old.php":            file("<?php old"),
		"/var/www/shop/releases/2":                    folder(1001),
		"/var/www/shop/releases/2/index.php":          file("<?php echo 1;"),
		"/var/www/shop/releases/2/config":             folder(1001),
		"/var/www/shop/releases/2/config/config.php":  {kind: 'l', content: "/var/www/shop/shared/config/config.php", mode: 0o777},
		"/var/www/shop/releases/2/src/cache":          folder(1001),
		"/var/www/shop/releases/2/src/cache/pool.php": file("<?php class Pool {}"),
		"/var/www/shop/repo":                          folder(1001),
		"/var/www/shop/repo/HEAD":                     file("ref"),
		"/var/www/shop/shared":                        folder(1001),
		"/var/www/shop/shared/config":                 folder(1001),
		"/var/www/shop/shared/config/config.php":      file("<?php return ['db' => ['host' => '10.66.0.21', 'password' => 'lamps4ever!'], 'redis' => 'db1'];\n"),
		"/var/www/shop/shared/tmp/sessions":           folder(33),
		"/var/www/shop/shared/tmp/sessions/sess_1":    file("user|1"),
		"/var/www/shop/shared/public/uploads":         folder(33),
		"/var/www/shop/shared/public/uploads/a.gif":   file("GIF89a"),
	}}
}

func options(t *testing.T, h *host, decisions ...string) Options {
	t.Helper()
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := hostspec.Decode(data, "shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range decisions {
		d, err := triage.ParseDecision(text)
		if err == nil {
			err = triage.Keep(spec, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Options{
		Spec: spec, Rules: triage.BuiltIn(), Host: h, Name: "shop", Image: "registry.example/shop:1",
		Dir: filepath.Join(t.TempDir(), "out"), Progress: progress.Discard,
	}
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(result.Archive) })
	return result
}

func TestShop(t *testing.T) {
	h := shop(t)
	o := options(t, h, "service/shop-worker=image: a component of its own")
	result := run(t, o)
	for _, name := range []string{"Dockerfile", "README.md", "blueprint.yaml", "expected.yaml", "secret.yaml"} {
		text, err := os.ReadFile(filepath.Join(o.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		golden.Assert(t, string(text), "shop/"+name)
		for _, secret := range []string{"lamps4ever", "7f3c9e1ab4d8", "$apr1$", "PRIVATE KEY", "0123456789\""} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds the secret %s", name, secret)
			}
		}
	}
	var files []string
	root := filepath.Join(o.Dir, "rootfs")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, strings.Join(files, "\n")+"\n", "shop/rootfs.txt")
	if h.scripts != 2 {
		t.Errorf("%d sessions", h.scripts)
	}
	if result.OneInstance == "" || len(result.Open) == 0 {
		t.Errorf("%+v", result)
	}
}

func TestStatelessShopGrowsWithTheLoad(t *testing.T) {
	o := options(t, shop(t), "php-setting/fpm-8.2 session.save_handler=store: in Redis")
	delete(o.Host.(*host).files, "/var/www/shop/shared/public/uploads")
	delete(o.Host.(*host).files, "/var/www/shop/shared/public/uploads/a.gif")
	result := run(t, o)
	if result.OneInstance != "" {
		t.Errorf("one instance: %s", result.OneInstance)
	}
	text := string(result.Blueprint)
	for _, want := range []string{
		"scale: {min: 2, max: 6, cpu: 70}", "path: /etc/php/8.2/fpm/conf.d/99-sessions.ini", "session.save_handler = redis",
		"${CACHE_HOST}:${CACHE_PORT}", "; php_value[session.save_path]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the blueprint", want)
		}
	}
	if strings.Contains(text, "name: sessions") {
		t.Error("there is still a volume for sessions")
	}
	expected, err := os.ReadFile(filepath.Join(o.Dir, "expected.yaml"))
	if err != nil || strings.Contains(string(expected), "session.save") {
		t.Errorf("%v: what moved is still expected:\n%s", err, expected)
	}
}

func TestDockerfileContinuesLinesOnlyWhereMeant(t *testing.T) {
	o := options(t, shop(t))
	run(t, o)
	text, err := os.ReadFile(filepath.Join(o.Dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines[:len(lines)-1] {
		if next := strings.TrimSpace(lines[i+1]); strings.HasSuffix(line, "\\") && (next == "" || strings.HasPrefix(next, "#")) {
			t.Errorf("line %d goes on in %q", i+1, next)
		}
	}
}

// archived lists an archive: a line an entry.
func archived(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var text strings.Builder
	seen := map[string]bool{}
	archive := tar.NewReader(f)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen[header.Name] {
			t.Errorf("%s is there twice", header.Name)
		}
		seen[header.Name] = true
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(content), "\n")
		fmt.Fprintf(&text, "%c %04o %d:%d %s %s%s\n", header.Typeflag, header.Mode, header.Uid, header.Gid, header.Name, header.Linkname, result.Clean(first))
	}
}

func TestAssembledImage(t *testing.T) {
	o := options(t, shop(t))
	o.Assemble = true
	result := run(t, o)
	golden.Assert(t, archived(t, result.Archive), "shop/archive.txt")
	want := RunConfig{
		User: "33:33", Command: []string{"/usr/sbin/nginx", "-e", "/dev/stderr", "-g", "daemon off;"}, Ports: []int32{80}, StopSignal: "SIGQUIT",
		Env: map[string]string{"PATH": searchPath, "LANG": "ja_JP.UTF-8", "TZ": "Asia/Tokyo"},
	}
	if diff := cmp.Diff(want, result.Run); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o.Dir += "2"
	again := run(t, o)
	if first, second := archived(t, result.Archive), archived(t, again.Archive); first != second {
		t.Error("a second run gives other files")
	}
}

func TestSecretValuesOnlyWhereAskedFor(t *testing.T) {
	o := options(t, shop(t))
	o.SecretValues = true
	run(t, o)
	file := filepath.Join(o.Dir, "secret.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"SHOP_DB_PASSWORD": "lamps4ever!"`, `"SHOP_API_KEY": "7f3c9e1ab4d84f0f9c51"`, `"htpasswd": "office:$apr1$abc"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestCredentialsInTheImageAreRefused(t *testing.T) {
	h := shop(t)
	h.files["/var/www/shop/releases/2/deploy_key.php"] = entry{kind: 'f', content: "-----BEGIN RSA " + "PRIVATE KEY-----\nMII\n", mode: 0o644}
	h.files["/usr/local/etc"] = entry{kind: 'd', mode: 0o755}
	h.files["/usr/local/bin/.netrc"] = entry{kind: 'f', content: "machine x", mode: 0o600}
	o := options(t, h)
	_, err := Run(t.Context(), o)
	if fault.ClassOf(err) != fault.Refused {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"/var/www/shop/releases/2/deploy_key.php: it holds a private key", "/usr/local/bin/.netrc"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(o.Dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	o.Allow = []string{"/usr/local/*", "/var/www/*deploy_key.php"}
	run(t, o)
}

func TestFolderWithOtherThingsIsLeftAlone(t *testing.T) {
	o := options(t, shop(t))
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "Dockerfile"), []byte("polished"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o); fault.ClassOf(err) != fault.Refused {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(filepath.Join(o.Dir, "Dockerfile")); string(text) != "polished" {
		t.Errorf("Dockerfile is %q", text)
	}
	o.Force = true
	run(t, o)
}

func TestAnswersThatBreakOff(t *testing.T) {
	for _, after := range []int{1, 200, 3000} {
		h := shop(t)
		h.breakAfter = after
		o := options(t, h)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "ssh://web1") {
			t.Errorf("after %d bytes: %v", after, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(o.Dir)); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestHostileArchiveStaysInside(t *testing.T) {
	h := shop(t)
	outside := filepath.Join(t.TempDir(), "outside")
	// A link out of the folder, and a file that would be written through it.
	h.files["/usr/local/bin/escape"] = entry{kind: 'l', content: filepath.Dir(outside), mode: 0o777}
	h.files["/usr/local/bin/escape/outside"] = entry{kind: 'f', content: "written", mode: 0o644}
	if _, err := Run(t.Context(), options(t, h)); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file was written outside")
	}
}

func FuzzParseSurvey(f *testing.F) {
	var answer bytes.Buffer
	if err := shop(f).survey("MARK", &answer); err != nil {
		f.Fatal(err)
	}
	f.Add(answer.Bytes())
	f.Add([]byte("\nMARK files\nf\t1\t\x00\nMARK end\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSurvey(data, "MARK"); err == nil {
			closure(s.packages, []string{"nginx"}, func(string) bool { return false })
			for _, file := range s.files {
				s.canonical(file.path)
			}
		}
	})
}

func TestHostileNamesStayOutOfTheDockerfile(t *testing.T) {
	h := shop(t)
	h.files["/var/www/shop/shared/$(reboot) 'x/uploads"] = entry{kind: 'd', owner: 33, mode: 0o755}
	o := options(t, h)
	item, _ := o.Spec.Find(hostspec.Key{Kind: hostspec.System, Name: "locale.LANG"})
	item.Attributes[0].Value = hostspec.Text("a_B'; reboot; '")
	run(t, o)
	text, err := os.ReadFile(filepath.Join(o.Dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `'/var/www/shop/shared/$(reboot) '\''x/uploads'`) {
		t.Errorf("the folder is not quoted:\n%s", text)
	}
	if strings.Contains(string(text), "printf 'a_B") {
		t.Errorf("the locale is taken as it is:\n%s", text)
	}
	if packages := parseStatus("Package: x;reboot\nStatus: install ok installed\nVersion: 1\n\nPackage: y\nStatus: install ok installed\nVersion: 1;reboot\n"); len(packages) != 0 {
		t.Errorf("%v", packages)
	}
}

func TestClosureLeavesOutWhatTheClusterDoes(t *testing.T) {
	packages := parseStatus(installed + "\nPackage: mail\nStatus: install ok installed\nVersion: 1\nProvides: mta (= 1), smtpd\n\nPackage: app\nStatus: install ok installed\nVersion: 1\nPre-Depends: mta\nDepends: app:any, php8.2-fpm, missing\n")
	var names []string
	for _, p := range closure(packages, []string{"app"}, func(name string) bool { return name == "systemd" }) {
		names = append(names, p.name)
	}
	if diff := cmp.Diff([]string{"app", "mail", "php8.2-cli", "php8.2-fpm"}, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
