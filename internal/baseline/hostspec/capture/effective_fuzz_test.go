package capture

import (
	"testing"
)

// Whatever a host's files and tools say, no source of effective configuration
// may panic: parse would hide it, so Parse is called itself.
func FuzzEffectiveConfiguration(f *testing.F) {
	for _, seed := range []string{
		"", "\n@@ ", "a = b\n c\nsmtp inet n - y - - smtpd -o a=b\n", "Include *\nMatch User x\n\tY=\"\n", "[client]\n!includedir /etc/\n!include /etc/my.cnf\na=\"#\n",
		"/a \"/b c\" {\n\tdaily\n\tpostrotate\n\\\n}\n", "}\nendscript\ninclude /etc/logrotate.d\n", "[PHP]\nx=;\n[www]\n", "{\"version\":\"8\",\"settings\":[]}",
		"@@ info\nphpinfo()\nPHP Version => 8\n@@ pools\n[x] NOTICE: [www]\n", "@@ nginx /x\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"/a/node_modules/b/package.json:\"version\": \"1\"\n/x-1.gemspec\n", "# mail root 0\nexit 1\n}\n", "http { include *; }", "{\"packages\":[{}]}", "save\nsentinel\nuser\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	var sources []Source
	for _, source := range Sources() {
		if effective[source.Name] {
			sources = append(sources, source)
		}
	}
	f.Fuzz(func(_ *testing.T, text string, image bool) {
		for _, source := range sources {
			in := &Input{User: "root", Image: image, files: map[string]file{}, outcomes: map[string]Output{}}
			for _, glob := range append(source.Files, source.ImageFiles...) {
				in.files[glob] = file{content: []byte(text)} // a pattern matches itself
			}
			for _, command := range source.Commands {
				in.outcomes[source.Name+"/"+command.ID] = Output{Stdout: []byte(text)}
			}
			source.Parse(in.forSource(source.Name), &Builder{salt: "00"})
		}
	})
}
