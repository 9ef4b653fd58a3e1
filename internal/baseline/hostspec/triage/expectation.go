package triage

import (
	"slices"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// kept says which attributes of a kind must hold in a container; a kind that is
// not here is about the machine. No attributes means that being there is
// enough.
var kept = map[hostspec.Kind][]string{
	hostspec.OS:              {hostspec.ValueAttribute},
	hostspec.Package:         {"version"},
	hostspec.LanguagePackage: {"version"},
	hostspec.User:            {"uid", "gid"},
	hostspec.File:            {"type", "sha256", "target"},
	hostspec.NginxServer:     {"names"},
	hostspec.NginxLocation:   {"path", "actions"},
	hostspec.NginxUpstream:   {"servers"},
	hostspec.NginxSetting:    {hostspec.ValueAttribute},
	hostspec.PHPSetting:      {hostspec.ValueAttribute},
	hostspec.PHPExtension:    {hostspec.ValueAttribute, "version"},
	hostspec.PHPPool:         {hostspec.ValueAttribute},
}

// adapted are items that differ in a container on purpose: who runs it, where
// logs go, where TLS ends, and what the container's runtime sets.
var adapted = []string{
	"os/kernel", "os/arch", "os/name",
	"nginx-server/*:443", // becomes plain HTTP
	"nginx-setting/* user", "nginx-setting/* pid", "nginx-setting/* daemon", "nginx-setting/* error_log", "nginx-setting/* access_log", "nginx-setting/* ssl*",
	"php-setting/* error_log", "php-setting/* phar.*", "php-setting/* cli.prompt",
	"php-pool/* user", "php-pool/* group", "php-pool/* pid", "php-pool/* daemonize", "php-pool/*error_log*", "php-pool/* slowlog", "php-pool/* access.log",
	"php-pool/* catch_workers_output", "php-pool/* decorate_workers_output", "php-pool/* clear_env", "php-pool/* env[*",
}

// Expectation is the part of a document that must hold in the container made
// of the host: what the triage says belongs to the image or is configuration.
// elsewhere names files that are in the container with another content, or not
// at all; nil takes all configuration for such.
func Expectation(spec *hostspec.Spec, report *Report, elsewhere func(path string) bool) *hostspec.Spec {
	if elsewhere == nil {
		elsewhere = func(path string) bool { return report.Class(hostspec.Key{Kind: hostspec.File, Name: path}) == Config }
	}
	expected := &hostspec.Spec{Host: spec.Host, Salt: spec.Salt}
	for _, f := range report.Findings {
		attributes, known := kept[f.Kind]
		if !known || f.Class != Image && f.Class != Config || slices.ContainsFunc(adapted, func(p string) bool { return hostspec.Like(p, f.Key.String()) }) {
			continue
		}
		switch {
		case f.Kind == hostspec.Package && f.Text("manual") != "true":
			continue
		case f.Kind == hostspec.File && (f.Text("entries") != "" || f.Text("type") == "directory" || f.Text("state") == "missing" || elsewhere(f.Name)):
			continue
		case f.Kind == hostspec.User && f.Rule != "application-user":
			continue
		}
		item := hostspec.Item{Key: f.Key}
		for _, a := range f.Attributes {
			if slices.Contains(attributes, a.Name) && a.Value.Operator() != hostspec.Unknown && a.Value.Operator() != hostspec.Volatile {
				item.Attributes = append(item.Attributes, a)
			}
		}
		if len(item.Attributes) > 0 {
			expected.Items = append(expected.Items, item)
		}
	}
	return expected
}
