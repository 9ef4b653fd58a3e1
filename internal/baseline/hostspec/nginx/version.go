package nginx

import (
	"bufio"
	"path"
	"strings"
)

// Build is how a binary of nginx was made, as `nginx -V` says.
type Build struct {
	// Version, such as "1.22.1".
	Version string
	// TLS is the library it was built with, such as "OpenSSL 3.0.20".
	TLS string
	// Paths by option of configure without dashes: "conf-path", "pid-path".
	Paths map[string]string
	// Modules that are in the binary, without those that every build has.
	Modules []string
}

// ParseBuild reads the output of `nginx -V`. A text that is no such output
// gives a Build without Version.
func ParseBuild(output string) Build {
	build := Build{Paths: map[string]string{}}
	lines := bufio.NewScanner(strings.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		if key == "nginx version" {
			_, version, _ := strings.Cut(value, "/")
			build.Version, _, _ = strings.Cut(version, " ")
		}
		if tls, ok := strings.CutPrefix(lines.Text(), "built with "); ok {
			library, version, _ := strings.Cut(tls, " ")
			version, _, _ = strings.Cut(version, " ")
			build.TLS = library + " " + version
		}
		if key == "configure arguments" {
			build.configure(value)
		}
	}
	return build
}

func (b *Build) configure(arguments string) {
	for _, argument := range splitQuoted(arguments) {
		option, value, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		switch {
		case option == "add-module":
			b.Modules = append(b.Modules, ModuleName(value))
		case strings.HasSuffix(option, "-path") || option == "prefix":
			b.Paths[option] = value
		case value != "" || !strings.HasPrefix(option, "with-"):
		case strings.HasSuffix(option, "_module") || option == "with-stream" || option == "with-mail":
			b.Modules = append(b.Modules, ModuleName(strings.TrimPrefix(option, "with-")))
		}
	}
}

// ModuleName is the short name of a module, given by the option that builds it
// or the file that holds it: "http_ssl" for http_ssl_module, "stream" for
// modules/ngx_stream_module.so.
func ModuleName(file string) string {
	name := strings.TrimSuffix(path.Base(file), ".so")
	return strings.TrimSuffix(strings.TrimPrefix(name, "ngx_"), "_module")
}

// splitQuoted splits at spaces outside of single quotes, as configure prints
// its arguments.
func splitQuoted(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}
