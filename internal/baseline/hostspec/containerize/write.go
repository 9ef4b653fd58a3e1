package containerize

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

//go:embed Dockerfile.tmpl
var dockerfileText string

//go:embed README.md.tmpl
var readmeText string

var (
	dockerfile = template.Must(template.New("Dockerfile").Parse(dockerfileText))
	readme     = template.Must(template.New("README.md").Parse(readmeText))
)

// write writes every file into work and then moves all into Dir.
func write(options Options, report *triage.Report, p *plan, picked *choice, s *survey, got *fetched, work string) (*Result, error) {
	blueprint, err := p.blueprint()
	if err != nil {
		return nil, err
	}
	var docker, notes, expected bytes.Buffer
	if err := dockerfile.Execute(&docker, p.dockerfile(s, picked, got)); err != nil {
		return nil, fmt.Errorf("writing Dockerfile: %w", err)
	}
	if err := readme.Execute(&notes, p.readme(options)); err != nil {
		return nil, fmt.Errorf("writing README.md: %w", err)
	}
	if err := p.expectation(options, report, picked).Encode(&expected); err != nil {
		return nil, err
	}
	type file struct {
		name    string
		content []byte
		mode    fs.FileMode
	}
	files := []file{
		{"Dockerfile", docker.Bytes(), 0o644}, {"README.md", notes.Bytes(), 0o644},
		{"blueprint.yaml", blueprint, 0o644}, {"expected.yaml", expected.Bytes(), 0o644},
	}
	if len(p.SecretKeys()) > 0 {
		files = append(files, file{"secret.yaml", p.secret(options.SecretValues), 0o600})
	}
	result := p.result(options, blueprint)
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(work, f.name), f.content, f.mode); err != nil {
			return nil, fmt.Errorf("writing %s: %w", f.name, err)
		}
		result.Files = append(result.Files, f.name)
	}
	result.Files = append(result.Files, "rootfs")
	return result, moveInto(options.Dir, work, result.Files)
}

// moveInto puts the files into the folder, each in the place of one of the same
// name.
func moveInto(dir, work string, names []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing to %s: %w", dir, err)
	}
	for _, name := range names {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.RemoveAll(at), os.Rename(filepath.Join(work, name), at)); err != nil {
			return fmt.Errorf("writing %s: %w", at, err)
		}
	}
	return nil
}

func (p *plan) result(options Options, blueprint []byte) *Result {
	r := &Result{Dir: options.Dir, OneInstance: p.OneInstance, Blueprint: blueprint}
	for _, pkg := range p.Packages {
		r.Packages = append(r.Packages, pkg.name+"="+pkg.version)
	}
	for _, key := range p.SecretKeys() {
		r.Secrets = append(r.Secrets, key[0])
	}
	for _, c := range p.Changes {
		r.Changes = append(r.Changes, c.String())
	}
	for _, f := range p.Open {
		r.Open = append(r.Open, f.Key.String())
	}
	r.Run = RunConfig{User: p.User, Command: p.command(), Env: map[string]string{"PATH": searchPath}, Ports: p.Ports, StopSignal: stopSignal}
	for _, v := range p.Env {
		r.Run.Env[v.Name] = v.Value
	}
	return r
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (p *plan) command() []string {
	switch {
	case p.Web != nil:
		return p.Web.Command
	case p.PHP != nil:
		return p.PHP.Command
	}
	return []string{"/bin/sh"}
}

// dockerfile is what the template of the Dockerfile shows.
func (p *plan) dockerfile(s *survey, picked *choice, got *fetched) any {
	type env struct{ Name, Quoted string }
	data := struct {
		Name, Host, OS, Image, Base, Codename, User, Command string
		Packages, Locales, Removed, Writable                 []string
		Env                                                  []env
		Ports                                                []int32
	}{Name: p.Name, Host: oneLine(p.Host), OS: oneLine(p.OS), Image: p.Image, Base: p.Base, Codename: p.Codename, User: p.User, Ports: p.Ports}
	for _, pkg := range p.Packages {
		data.Packages = append(data.Packages, pkg.name+"="+pkg.version)
	}
	for _, v := range p.Env {
		data.Env = append(data.Env, env{v.Name, jsonText(v.Value)})
		if locale := v.Value; v.Name != "TZ" && localeName.MatchString(locale) && !slices.Contains(data.Locales, locale) {
			data.Locales = append(data.Locales, locale)
		}
	}
	for _, f := range picked.image {
		if picked.shipped[f.path] && isAdapted(f.path) && !got.got[f.path] {
			data.Removed = append(data.Removed, word(f.path))
		}
	}
	const example = "/etc/nginx/sites-enabled/default" // made by a package script
	if p.Web != nil && !slices.ContainsFunc(s.files, func(f hostFile) bool { return f.path == example }) {
		data.Removed = append(data.Removed, example)
	}
	for _, v := range p.Volumes {
		data.Writable = append(data.Writable, word(v.Path))
	}
	slices.Sort(data.Writable)
	data.Command = jsonText(p.command())
	return data
}

// localeName is such as ja_JP.UTF-8.
var localeName = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}(\.[A-Za-z0-9-]+)?(@[a-z]+)?$`)

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[\w./+:@,-]+$`)

// word is a text as one word of a shell.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return quote(text)
}

func jsonText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts and lists of texts
	}
	return string(text)
}

// readme is what the template of the notes shows.
func (p *plan) readme(options Options) any {
	data := struct {
		*plan
		Pushed       string
		AddressFiles []configFile
		OpenShort    []string
		Skipped      []struct{ Path, Why string }
	}{plan: p}
	if options.Assemble {
		data.Pushed = options.Image
	}
	for _, f := range p.Files {
		if len(f.Addresses) > 0 {
			data.AddressFiles = append(data.AddressFiles, f)
		}
	}
	for _, f := range p.Open {
		data.OpenShort = append(data.OpenShort, f.Key.String())
	}
	for _, s := range p.Skipped {
		data.Skipped = append(data.Skipped, struct{ Path, Why string }{s.path, s.why})
	}
	return data
}

// secret is the Secret that the blueprint refers to: with empty values, or
// those found.
func (p *plan) secret(values bool) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "# What must not be seen. Keep it out of version control once the values are in.\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\nstringData:\n", p.SecretName())
	known := map[string]string{}
	for _, f := range p.Files {
		if f.Secret != "" {
			known[f.Secret] = f.Content
		}
	}
	for name, value := range p.secrets {
		known[name] = value
	}
	for _, key := range p.SecretKeys() {
		value := ""
		if values {
			value = known[key[0]]
		}
		fmt.Fprintf(&text, "  # %s\n  %s: %s\n", oneLine(key[1]), jsonText(key[0]), jsonText(value))
	}
	return []byte(text.String())
}

// expectation is what of a host must hold in the container.
func (p *plan) expectation(options Options, report *triage.Report, picked *choice) *hostspec.Spec {
	there := map[string]bool{}
	for _, f := range picked.image {
		there[f.path] = true
	}
	for _, f := range p.Files {
		there[f.Path] = f.Secret == "" // whose content a stage decides
	}
	for _, c := range p.Changes {
		there[c.File] = false
	}
	expected := triage.Expectation(options.Spec, report, func(file string) bool { return !there[file] })
	if p.Sessions {
		expected.Items = slices.DeleteFunc(expected.Items, func(item hostspec.Item) bool { return isSession(item.Key) })
	}
	return expected
}
