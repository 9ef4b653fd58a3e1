// Package legacyshop is the recipe of the legacy shop's servers as files that
// go into the landfall program. It must know nothing else: what the files say
// is for the shell scripts among them. Start reading at recipe.yaml.
package legacyshop

import "embed"

// Recipe is this folder.
//
//go:embed recipe.yaml README.md RUNBOOK.md all:base all:db all:web all:lb all:hosts
var Recipe embed.FS
