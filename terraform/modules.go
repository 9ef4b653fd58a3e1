// Package modules holds the Terraform modules that come with Landfall, a folder
// each. The contract between them and Landfall is in docs/clusters.md. Start at
// Names.
package modules

import (
	"embed"
	"io/fs"
	"slices"
)

//go:embed local aws-ec2 aws-eks
var files embed.FS

// Names of the modules, sorted.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil // an embedded folder can always be read
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names
}

// Module gives a module's files, or nil where there is none of that name.
func Module(name string) fs.FS {
	if !slices.Contains(Names(), name) {
		return nil
	}
	module, err := fs.Sub(files, name)
	if err != nil {
		return nil // names of folders are valid paths
	}
	return module
}
