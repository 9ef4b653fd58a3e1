// Package serverspec writes host specs as Ruby for Serverspec
// (https://serverspec.org). It runs no Ruby: the real rspec runs in the tests.
//
// Start at Export.
package serverspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Exported is a folder for rspec made of a host spec.
type Exported struct {
	// Files by name below the folder.
	Files map[string][]byte
	// Examples is how many there are.
	Examples int
	// LeftOut is what Serverspec has no counterpart for.
	LeftOut []hostspec.LeftOut
}

// Export writes what the rules of the document keep: a file for each kind, and
// the helper that runs it on the host itself or over SSH. What Landfall
// captured passes when rspec runs it on the same host.
func Export(spec *hostspec.Spec) *Exported {
	e := &exporter{out: &Exported{Files: map[string][]byte{
		".rspec": []byte("--require spec_helper\n--format documentation\n"), "spec/spec_helper.rb": []byte(helper),
	}}}
	kept := spec.Kept()
	for kind, items := range byKind(kept.Items) {
		write := writers[kind]
		if write == nil {
			for range items {
				e.leave(string(kind), "Serverspec has no such resource")
			}
			continue
		}
		e.body.Reset()
		for i := range items {
			e.resource(&items[i], write)
		}
		if e.body.Len() > 0 {
			head := "# Written by `landfall spec export` from the host spec of " + spec.Host + ".\n\n"
			e.out.Files["spec/"+strings.ReplaceAll(string(kind), "-", "_")+"_spec.rb"] = []byte(head + e.body.String())
		}
	}
	slices.SortStableFunc(e.out.LeftOut, func(a, b hostspec.LeftOut) int { return strings.Compare(a.Where, b.Where) })
	return e.out
}

const helper = `require 'serverspec'

# On the host itself; with TARGET_HOST set, over SSH, as SSH_CONFIG or
# ~/.ssh/config says.
if ENV['TARGET_HOST']
  require 'net/ssh'
  options = Net::SSH::Config.for(ENV['TARGET_HOST'], [ENV['SSH_CONFIG'] || '~/.ssh/config'])
  set :backend, :ssh
  set :host, options[:host_name] || ENV['TARGET_HOST']
  set :ssh_options, options
else
  set :backend, :exec
end
`

func byKind(items []hostspec.Item) map[hostspec.Kind][]hostspec.Item {
	kinds := map[hostspec.Kind][]hostspec.Item{}
	for _, item := range items {
		kinds[item.Kind] = append(kinds[item.Kind], item)
	}
	return kinds
}

// exporter writes one file after the other.
type exporter struct {
	out  *Exported
	body strings.Builder
}

func (e *exporter) leave(where, reason string) {
	e.out.LeftOut = hostspec.Gather(e.out.LeftOut, where, reason)
}

// resource writes a describe block with the examples that write makes.
func (e *exporter) resource(item *hostspec.Item, write func(*exporter, *hostspec.Item) (string, []string)) {
	if strings.ContainsRune(item.Name, '\\') {
		e.leave(string(item.Kind), "the name holds characters that cannot be written")
		return
	}
	describe, examples := write(e, item)
	if len(examples) == 0 {
		return
	}
	fmt.Fprintf(&e.body, "describe %s do\n", describe)
	for _, example := range examples {
		e.body.WriteString("  " + example + "\n")
	}
	e.body.WriteString("end\n\n")
	e.out.Examples += len(examples)
}

// quoted is a Ruby string that means just itself.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
