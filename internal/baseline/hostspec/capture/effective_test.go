package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

func sourceNamed(t *testing.T, name string) Source {
	t.Helper()
	for _, source := range Sources() {
		if source.Name == name {
			return source
		}
	}
	t.Fatalf("no source %s", name)
	return Source{}
}

// inputOf makes an input of files, in txtar's form, and outputs of commands.
func inputOf(archive string, outputs map[string]string) *Input {
	in := &Input{Host: "web1", User: "root", files: map[string]file{}, outcomes: map[string]Output{}}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		in.files[f.Name] = file{content: f.Data}
	}
	for id, output := range outputs {
		in.outcomes[id] = Output{Stdout: []byte(output)}
	}
	return in
}

// parsed runs one source and gives the document it makes.
func parsed(t *testing.T, source Source, in *Input) *hostspec.Spec {
	t.Helper()
	return assemble(in, []Source{source}, Options{Salt: "00"})
}

func document(t *testing.T, spec *hostspec.Spec) string {
	t.Helper()
	var text bytes.Buffer
	if err := spec.Encode(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// items gives items as "kind/name: attributes" for short comparisons.
func items(spec *hostspec.Spec) []string {
	var all []string
	for _, item := range spec.Items {
		var attributes []string
		for _, a := range item.Attributes {
			attributes = append(attributes, a.Name+"="+a.Value.String())
		}
		all = append(all, item.String()+": "+strings.Join(attributes, " "))
	}
	return all
}

// testdata/shop is what a Debian bookworm with nginx, php-fpm, postfix and more
// said: SOURCE.COMMAND is the output of a command, SOURCE.txtar the files.
func shopInput(t *testing.T, source Source) *Input {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("testdata", "shop", source.Name+".txtar"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, command := range source.Commands {
		output, err := os.ReadFile(filepath.Join("testdata", "shop", source.Name+"."+command.ID))
		if err != nil {
			t.Fatal(err)
		}
		outputs[source.Name+"/"+command.ID] = string(output)
	}
	return inputOf(string(archive), outputs)
}

// effective are the sources that this file tests.
var effective = map[string]bool{
	"nginx":        true,
	"php":          true,
	"postfix":      true,
	"sshd":         true,
	"mysql-client": true,
	"redis-client": true,
	"logrotate":    true,
	"ntp":          true,
	"certificate":  true,
	"language":     true,
	"at":           true,
}

func TestEffectiveConfigurationOfARealHost(t *testing.T) {
	for _, name := range sortedKeys(effective) {
		t.Run(name, func(t *testing.T) {
			source := sourceNamed(t, name)
			got := document(t, parsed(t, source, shopInput(t, source)))
			golden.Assert(t, got, filepath.Join("shop", name+".yaml"))
			for _, secret := range []string{"hunter2", "s3cret", "c2hvcDpodW50ZXIy"} {
				if strings.Contains(got, secret) {
					t.Errorf("the document shows %s", secret)
				}
			}
		})
	}
}

// An image has the files only.
func TestEffectiveConfigurationOfFilesAlone(t *testing.T) {
	for name, want := range map[string][]string{
		"nginx": {`nginx-location/shop.example.com:443 ~ \.php$: server=shop.example.com:443 modifier=~ path=\.php$ order=2 actions=[fastcgi_pass php]`},
		"php": {
			"php-setting/fpm-8.2 upload_max_filesize: value=32M",
			"php-extension/fpm-8.2 redis: version=unknown only its file is known",
			"php-pool/fpm-8.2 shop php_admin_value[memory_limit]: value=256M",
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := sourceNamed(t, name)
			in := shopInput(t, source)
			in.Image, in.outcomes = true, nil
			got := items(parsed(t, source, in))
			for _, line := range want {
				if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+line+"\n") {
					t.Errorf("lacks %s\nin %s", line, strings.Join(got, "\n"))
				}
			}
		})
	}
}

// row is a line of the table of kinds: kind, name, attributes.
var row = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (.*) \\| (.*) \\|$")

func TestSpecPageNamesEveryKindAndAttribute(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/spec/v1alpha1/hostspec.md")
	if err != nil {
		t.Fatal(err)
	}
	attributes := map[hostspec.Kind]string{}
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		attributes[hostspec.Kind(match[1])] = match[3]
	}
	for _, kind := range hostspec.Kinds {
		if attributes[kind] == "" {
			t.Errorf("no row of kind %s", kind)
		}
	}
	for name := range effective {
		source := sourceNamed(t, name)
		for _, item := range parsed(t, source, shopInput(t, source)).Items {
			for _, a := range item.Attributes {
				if a.Name == "default" && strings.Contains(attributes[item.Kind], "*default*") {
					continue
				}
				if !strings.Contains(attributes[item.Kind], "`"+a.Name+"`") {
					t.Errorf("the row of %s lacks %s, which %s has", item.Kind, a.Name, item.Name)
				}
			}
		}
	}
}

// The files alone cannot tell what an include elsewhere holds.
func TestIncludesElsewhereMakeNginxUnknownInAnImage(t *testing.T) {
	source := sourceNamed(t, "nginx")
	in := shopInput(t, source)
	in.Image, in.outcomes = true, nil
	spec := parsed(t, source, in)
	want := "/etc/nginx/sites-enabled/shop:26: include /var/www/shop/current/config/*.conf: not among the files that were read"
	if got := spec.Unknown[hostspec.NginxLocation]; got != want {
		t.Errorf("unknown %q, want %q", got, want)
	}
}
