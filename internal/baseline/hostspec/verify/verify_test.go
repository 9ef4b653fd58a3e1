package verify

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// read makes a document of its items and what comes before them.
func read(t *testing.T, host, head, items string) *hostspec.Spec {
	t.Helper()
	text := "version: landfall.dev/hostspec/v1\nhost: " + host + "\n" + head + "\nitems: {" + items + "}\n"
	spec, err := hostspec.Decode([]byte(text), host)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestValues(t *testing.T) {
	tests := []struct {
		expected, fact string
		want           result.Answer
	}{
		{`a`, `a`, result.Holds},
		{`a`, `b`, result.Fails},
		{`5`, `"5"`, result.Holds},
		{`true`, `"true"`, result.Holds},
		{`""`, `""`, result.Holds},
		{`[]`, `[]`, result.Holds},
		{`[]`, `[a]`, result.Fails},
		{`[a, b]`, `[b, a]`, result.Fails},
		{`[a]`, `a`, result.Holds},
		{`a`, `[a]`, result.Holds},
		{`a`, `[a, b]`, result.Fails},
		{`{matches: ^1\.2}`, `"1.22"`, result.Holds},
		{`{matches: ^1\.2}`, `"11.22"`, result.Fails},
		{`{matches: b}`, `[a, b]`, result.Holds},
		{`{matches: c}`, `[a, b]`, result.Fails},
		{`{contains: b}`, `abc`, result.Holds},
		{`{contains: [a, c]}`, `abc`, result.Holds},
		{`{contains: [a, d]}`, `abc`, result.Fails},
		{`{contains: [a]}`, `[a, b]`, result.Holds},
		{`{contains: a}`, `[ab]`, result.Fails},
		{`{oneOf: ["1", "2"]}`, `2`, result.Holds},
		{`{oneOf: ["1", "2"]}`, `"12"`, result.Fails},
		{`{number: ">= 128M"}`, `512M`, result.Holds},
		{`{number: ">= 128M"}`, `"134217727"`, result.Fails},
		{`{number: "> 5, < 10"}`, `10`, result.Fails},
		{`{number: "> 5"}`, `many`, result.Fails},
		{`{not: a}`, `b`, result.Holds},
		{`{not: {matches: a}}`, `abc`, result.Fails},
		{`{not: {oneOf: [a, b]}}`, `c`, result.Holds},
		{`{volatile: new each time}`, `x`, result.Holds},
		{`{unknown: needs root}`, `x`, result.Unknown},
		{`a`, `{unknown: needs root}`, result.Unknown},
		{`{not: a}`, `{unknown: needs root}`, result.Unknown},
		{`{matches: .*}`, `{unknown: needs root}`, result.Unknown},
		{`{unknown: x}`, `{unknown: needs root}`, result.Unknown},
		{`a`, `{volatile: new each time}`, result.Unknown},
		{`{volatile: x}`, `{volatile: new each time}`, result.Holds},
		{`{versions: ">= 1.22, < 2"}`, `"1.22.1"`, result.Holds},
		{`{versions: ">= 1.22"}`, `"1.9"`, result.Fails},
		{`{versions: ">= 1.22"}`, `no version`, result.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.expected+" of "+tt.fact, func(t *testing.T) {
			expected := read(t, "a", "", "sysctl: {x: "+tt.expected+"}")
			facts := read(t, "b", "", "sysctl: {x: "+tt.fact+"}")
			got := Verify(expected, facts)
			if len(got) != 1 || got[0].Answer != tt.want {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
			if got[0].Answer == result.Unknown && got[0].Reason == "" {
				t.Error("unknown without a reason")
			}
		})
	}
}

func TestVersionsAreComparedByTheirManager(t *testing.T) {
	tests := []struct {
		manager, version, bounds string
		want                     result.Answer
	}{
		{"dpkg", "1.22.1-9+deb12u1", ">= 1.22, < 1.23", result.Holds},
		{"dpkg", "1.0~rc1", ">= 1.0", result.Fails},
		{"dpkg", "1:1.0", "> 2.0", result.Holds},
		{"dpkg", "1.10-1", "> 1.9-1", result.Holds},
		{"rpm", "1.20.1-14.el9", ">= 1.20.1-9.el9", result.Holds},
		{"rpm", "1.0~rc1-1", ">= 1.0-1", result.Fails},
		{"apk", "1.24.0-r15", "> 1.24.0-r9", result.Holds},
		{"apk", "1.24.1_rc1", "< 1.24.1", result.Holds},
		{"apk", "one", "< 2", result.Unknown},
		{"rpm", "5.14.0-427.el9, 5.14.0-503.el9", ">= 5.14.0-500", result.Holds},
		{"rpm", "5.14.0-427.el9, 5.14.0-503.el9", "> 6", result.Fails},
		{"npm", "10.8.2", ">= 9", result.Holds},
		{"npm", "10.8.2-beta.1", ">= 10.8.2", result.Fails},
		{"", "8.2.29", "= 8.2.29", result.Holds},
		{"", "8.2.29", "!= 8.2.29", result.Fails},
	}
	for _, tt := range tests {
		t.Run(tt.manager+" "+tt.version+" "+tt.bounds, func(t *testing.T) {
			expected := read(t, "a", "", `package: {p: {version: {versions: "`+tt.bounds+`"}}}`)
			version := `"` + tt.version + `"`
			if strings.Contains(version, ", ") {
				version = "[" + strings.ReplaceAll(version, ", ", `", "`) + "]"
			}
			facts := read(t, "b", "", `package: {p: {version: `+version+`, manager: "`+tt.manager+`"}}`)
			if got := Verify(expected, facts)[0]; got.Answer != tt.want {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
		})
	}
}

func TestItems(t *testing.T) {
	unknownKinds := "unknown: {firewall: needs root}"
	facts := read(t, "web2", unknownKinds, `
		package: {nginx: {version: "1.22.1-9", manager: dpkg}, libc6: {version: "2"}},
		user: {deploy: {uid: 1001, groups: [adm, www-data]}},
		file: {/etc/gone: {state: missing}, /opt/app: {state: unmanaged, entries: 12, sha256: abc}, /etc/motd: {state: managed, mode: "0644"}, /root/a: {state: {unknown: denied}}}`)
	tests := map[string]struct {
		items            string
		want             result.Answer
		expected, actual string
		reason           string
	}{
		"as it is":                 {items: `package: {nginx: {version: 1.22.1-9}}`, want: result.Holds},
		"that it is there":         {items: `package: {nginx: {}}`, want: result.Holds},
		"exists":                   {items: `package: {nginx: {exists: true}}`, want: result.Holds},
		"another version":          {items: `package: {nginx: {version: 1.20.0-1, manager: dpkg}}`, want: result.Fails, expected: "version 1.20.0-1", actual: "version 1.22.1-9"},
		"not there":                {items: `package: {apache2: {version: "2"}}`, want: result.Fails, expected: "version 2", actual: "not there"},
		"absent and there":         {items: `package: {nginx: {exists: false}}`, want: result.Fails, expected: "not there", actual: "version 1.22.1-9, manager dpkg"},
		"absent and not there":     {items: `package: {telnetd: {exists: false}}`, want: result.Holds},
		"groups in another order":  {items: `user: {deploy: {groups: [www-data, adm]}}`, want: result.Holds},
		"an attribute not there":   {items: `user: {deploy: {shell: /bin/sh}}`, want: result.Fails, expected: "shell /bin/sh", actual: "shell not set"},
		"a flag not there":         {items: `package: {nginx: {hold: false}}`, want: result.Holds},
		"no such list":             {items: `user: {deploy: {keys: []}}`, want: result.Holds},
		"an attribute to be unset": {items: `package: {nginx: {hold: {exists: false}}}`, want: result.Holds},
		"two attributes": {
			items: `user: {deploy: {uid: 1002, groups: {contains: sudo}}}`, want: result.Fails,
			expected: "uid 1002\ngroups contains sudo", actual: "uid 1001\ngroups [adm, www-data]",
		},
		"a kind that is unknown":         {items: `firewall: {x: y}`, want: result.Unknown, reason: "needs root"},
		"absent of a kind that is":       {items: `firewall: {x: {exists: false}}`, want: result.Unknown, reason: "needs root"},
		"a kind that does not exist":     {items: `pakage: {nginx: {}}`, want: result.Unknown, reason: "nothing of the kind pakage is ever captured: is it written right?"},
		"a command that nobody calls":    {items: `command: {rsync: {path: /usr/bin/rsync}}`, want: result.Unknown, reason: "it was not looked for: no script there calls it"},
		"a file that cannot be seen":     {items: `file: {/root/a: {exists: false}}`, want: result.Unknown, reason: "denied"},
		"volatile and not there":         {items: `sysctl: {kernel.cad_pid: {volatile: a process id}}`, want: result.Holds},
		"a file that is missing":         {items: `file: {/etc/gone: {mode: "0644"}}`, want: result.Fails, expected: "mode 0644", actual: "not there"},
		"a file that shall be missing":   {items: `file: {/etc/gone: {state: missing}}`, want: result.Holds},
		"a missing file absent":          {items: `file: {/etc/gone: {exists: false}}`, want: result.Holds},
		"a file nobody looked at":        {items: `file: {/etc/hosts: {mode: "0644"}}`, want: result.Unknown, reason: "it was not looked at: it is not there, or as its package ships it"},
		"a file no longer changed":       {items: `file: {/etc/hosts: {state: changed, mode: "0644"}}`, want: result.Fails, expected: "state changed, mode 0644", actual: "not there"},
		"a file in a folder of its own":  {items: `file: {/opt/app/a/b: {state: unmanaged}}`, want: result.Unknown, reason: "it was not looked at: /opt/app was captured as one"},
		"a file as its package ships it": {items: `file: {/etc/motd: {mode: "0644"}}`, want: result.Holds},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Verify(read(t, "web1", "", tt.items), facts)
			if len(got) != 1 {
				t.Fatalf("%d results", len(got))
			}
			want := result.Result{Group: got[0].Group, Name: got[0].Name, Answer: tt.want, Expected: tt.expected, Actual: tt.actual, Reason: tt.reason}
			if diff := cmp.Diff(want, got[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsAreComparedByFingerprint(t *testing.T) {
	print := func(salt, secret string) string {
		return "{secret: " + hostspec.Fingerprint(salt, secret).Argument() + "}"
	}
	tests := map[string]struct {
		expected, fact, salt string
		want                 result.Answer
	}{
		"the same":                 {print("aa", "hunter2"), print("aa", "hunter2"), "aa", result.Holds},
		"another":                  {print("aa", "hunter2"), print("aa", "hunter3"), "aa", result.Fails},
		"another salt":             {print("aa", "hunter2"), print("bb", "hunter2"), "bb", result.Unknown},
		"the value itself":         {"hunter2", print("bb", "hunter2"), "bb", result.Holds},
		"another value":            {"hunter3", print("bb", "hunter2"), "bb", result.Fails},
		"not the value":            {"{not: hunter2}", print("bb", "hunter2"), "bb", result.Fails},
		"a pattern":                {"{matches: h}", print("bb", "hunter2"), "bb", result.Unknown},
		"a plain fact like it":     {print("aa", "hunter2"), "hunter2", "bb", result.Holds},
		"a plain fact not like it": {print("aa", "hunter2"), "other", "bb", result.Fails},
		"that there is one":        {"{value: {exists: true}}", print("bb", "x"), "bb", result.Holds},
		"that there is none":       {"{value: {exists: false}}", print("bb", "x"), "bb", result.Fails},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			expected := read(t, "a", "salt: aa", `environment: {"app PASSWORD": `+tt.expected+"}")
			facts := read(t, "b", "salt: "+tt.salt, `environment: {"app PASSWORD": `+tt.fact+"}")
			if got := Verify(expected, facts)[0]; got.Answer != tt.want {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
		})
	}
}

func TestWhatIsVerifiedFollowsRulesAndOnly(t *testing.T) {
	expected := read(t, "web1", `
unknown: {firewall: needs root, ntp: needs root}
rules: [{exclude: "package/*-doc", reason: noise}, {exclude: "user/*#uid", reason: differs}, {exclude: ntp/*, reason: platform}]`, `
		package: {nginx: {}, nginx-doc: {}}, user: {deploy: {uid: 1, shell: /bin/sh}}, sysctl: {a: b}`)
	names := func(only ...string) string {
		var names []string
		for _, r := range New(expected, only...).Verify(read(t, "web2", "", "")) {
			names = append(names, r.Group+"/"+r.Name+"="+strings.ReplaceAll(r.Expected, " ", ""))
		}
		return strings.Join(names, " ")
	}
	for only, want := range map[string]string{
		"*":         "package/nginx=there user/deploy=shell/bin/sh sysctl/a=b firewall/*=",
		"package":   "package/nginx=there",
		"sysctl/*":  "sysctl/a=b",
		"user/root": "",
	} {
		if got := names(only); got != want {
			t.Errorf("only %s: %s, want %s", only, got, want)
		}
	}
}

func TestBeyondIsWhatTheDocumentLacks(t *testing.T) {
	expected := read(t, "web1", `rules: [{exclude: "package/*-doc", reason: noise}]`, `package: {nginx: {}}, file: {/etc/a: {state: changed}}`)
	facts := read(t, "web2", "", `package: {nginx: {}, telnetd: {}, gcc-doc: {}}, user: {eve: {}}, file: {/etc/b: {state: managed}, /etc/c: {state: missing}, /etc/d: {state: unmanaged}}`)
	var got []string
	for _, item := range New(expected).Beyond(facts) {
		got = append(got, item.Key.String())
	}
	if diff := cmp.Diff([]string{"package/telnetd", "file//etc/d"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
