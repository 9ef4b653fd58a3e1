package terraform

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Root is what Terraform is run with: the user's module, what it is given, and
// where its state is.
type Root struct {
	// Module is a folder, a git URL, an address in a registry, or the name of a
	// module that comes with Landfall.
	Module string
	// Version of a module in a registry.
	Version string
	// Variables in JSON.
	Variables map[string]json.RawMessage
	// Secrets are variables that are neither shown nor written to disk.
	Secrets map[string]string
	Backend Backend

	imported *Imported
}

// Backend keeps the state.
type Backend struct {
	Type   string
	Config map[string]string
}

// call is the name of the user's module in the root module, and of the output
// that holds all of its outputs.
const call = "cluster"

// prefix of the addresses of everything in the user's module.
const prefix = "module." + call + "."

// Names of rendered files.
const (
	fileMain      = "main.tf.json"
	fileVariables = "terraform.tfvars.json"
	fileLock      = ".terraform.lock.hcl"
	fileErrored   = "errored.tfstate"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// reserved are arguments that a call of a module has already.
// https://developer.hashicorp.com/terraform/language/block/module
var reserved = []string{"source", "version", "providers", "count", "for_each", "depends_on", "lifecycle", "locals"}

// Check says what is wrong with a Root as written.
func (r Root) Check() error {
	for _, name := range r.names() {
		if !variableName.MatchString(name) || slices.Contains(reserved, name) {
			return fault.New(fault.Invalid, "Names are letters, digits, _ and -; "+strings.Join(reserved, ", ")+" are Terraform's own.", "reading the module's variables: %q cannot be a variable", name)
		}
	}
	for name := range r.Secrets {
		if _, both := r.Variables[name]; both {
			return fault.New(fault.Invalid, "Give it once.", "reading the module's variables: %s is given twice, as variable and as secret", name)
		}
	}
	return nil
}

// names of all variables, sorted.
func (r Root) names() []string {
	var all []string
	for name := range r.Variables {
		all = append(all, name)
	}
	for name := range r.Secrets {
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// render makes the files of the root module that calls source. Values stand in
// a file of variables, where nothing in them is an expression.
func (r Root) render(source string) (map[string][]byte, error) {
	variables, arguments := map[string]any{}, map[string]any{"source": literal(source)}
	for _, name := range r.names() {
		declaration := map[string]any{}
		if _, secret := r.Secrets[name]; secret {
			declaration["sensitive"] = true
		}
		variables[name] = declaration
		arguments[name] = "${var." + name + "}"
	}
	if r.Version != "" {
		arguments["version"] = literal(r.Version)
	}
	config := map[string]any{}
	for key, value := range r.Backend.Config {
		config[key] = literal(value)
	}
	main := map[string]any{
		"terraform": map[string]any{"backend": map[string]any{r.Backend.Type: config}},
		"module":    map[string]any{call: arguments},
		// All outputs at once: an output that the module does not have cannot be
		// named. Sensitive, as any of them may be.
		"output": map[string]any{call: map[string]any{"value": "${module." + call + "}", "sensitive": true}},
	}
	if len(variables) > 0 {
		main["variable"] = variables
	}
	if r.imported != nil {
		main["import"] = []any{map[string]any{"to": Full(r.imported.Address), "id": literal(r.imported.ID)}}
	}
	values := r.Variables
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	files := map[string][]byte{}
	for name, content := range map[string]any{fileMain: main, fileVariables: values} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		files[name] = append(text, '\n')
	}
	return files, nil
}

// literal keeps a string from being read as a template.
// https://developer.hashicorp.com/terraform/language/syntax/json
func literal(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
}

// Full gives the address of something in the user's module.
func Full(address string) string {
	if strings.HasPrefix(address, prefix) {
		return address
	}
	return prefix + address
}

// short is the address as people know it from their module.
func short(address string) string { return strings.TrimPrefix(address, prefix) }

// IsFolder says that a module is a folder of this machine, as Terraform writes
// it, or an absolute path.
func IsFolder(module string) bool {
	return module == "." || module == ".." || strings.HasPrefix(module, "./") || strings.HasPrefix(module, "../") || filepath.IsAbs(module)
}
