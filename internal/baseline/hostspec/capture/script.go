package capture

import (
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed collector.sh
var collector string

// script assembles the collector for some sources. The nonce marks the parts
// of its output; nothing on the target can know it before.
func script(sources []Source, nonce string, compress bool, options Options) string {
	return strings.NewReplacer(
		"@NONCE@", nonce,
		"@COMPRESS@", strconv.FormatBool(compress),
		"@MAXKB@", strconv.Itoa(MaxFile>>10),
		"@OVERKB@", strconv.Itoa(MaxFile>>10+1),
		"@MAXBYTES@", strconv.Itoa(MaxFile),
		"@FOLDERS@", folderLines(globs(sources)),
		"@GLOBS@", globLines(sources, false),
		"@KERNEL@", globLines(sources, true),
		"@FIRST@", sectionLines(sources, options, true),
		"@SECOND@", sectionLines(sources, options, false),
	).Replace(collector)
}

// globs gives the patterns of all sources, each once.
func globs(sources []Source) []string {
	var all []string
	for _, source := range sources {
		all = append(all, source.Files...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// globLines lists files: those of the kernel, whose size shows only in
// reading, or the others. The shell expands the patterns.
func globLines(sources []Source, kernel bool) string {
	var lines strings.Builder
	for _, glob := range globs(sources) {
		if kernel != (strings.HasPrefix(glob, "/proc/") || strings.HasPrefix(glob, "/sys/")) {
			continue
		}
		if folder, deep := strings.CutSuffix(glob, "/**"); deep {
			fmt.Fprintf(&lines, "\tdeep %s\n", folder[1:])
			continue
		}
		fmt.Fprintf(&lines, "\ttake %s\n", glob[1:])
	}
	return lines.String()
}

// folderLines asks of each folder on the way to the files whether it can be
// passed, and where its entries matter whether it can be listed.
func folderLines(globs []string) string {
	tests := map[string]bool{}
	for _, glob := range globs {
		for folder := path.Dir(glob); folder != "/"; folder = path.Dir(folder) {
			tests["-x "+folder[1:]] = true
			if strings.ContainsAny(glob[len(folder):], "*?[") {
				tests["-r "+folder[1:]] = true
			}
		}
	}
	var lines strings.Builder
	for _, test := range sortedKeys(tests) {
		if strings.HasSuffix(test, "**") {
			continue
		}
		fmt.Fprintf(&lines, "\t\tshut %s\n", test)
	}
	return lines.String()
}

// firstHalf are the sources that run in one half of the collector, the others
// in the other: about as much work each.
var firstHalf = map[string]bool{"files": true, "packages": true, "certificate": true, "language": true}

func sectionLines(sources []Source, options Options, first bool) string {
	asked := strings.NewReplacer(
		"@PATHS@", quoteAll(absolute(options.Paths)),
		"@HASHKB@", strconv.Itoa(maxHashed>>10+1),
		"@SCANBYTES@", strconv.Itoa(maxListed),
		"@HASHBYTES@", strconv.Itoa(hashBudget),
	)
	var lines strings.Builder
	for _, source := range sources {
		if firstHalf[source.Name] != first {
			continue
		}
		for _, command := range source.Commands {
			if command.FullOnly && !options.Full {
				continue
			}
			fmt.Fprintf(&lines, "\tsection %s/%s %d %d %s\n", source.Name, command.ID,
				orDefault(command.Seconds, DefaultSeconds), orDefault(command.Bytes, DefaultBytes), quote(asked.Replace(command.Script)))
		}
	}
	return lines.String()
}

// absolute leaves out names that tools would read as options or look for
// wherever they are.
func absolute(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, "/") })
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return strings.Join(quoted, " ")
}

// quote makes a text one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func orDefault(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}

// matches is the shell's idea of a glob, with a last element ** for all files
// below.
func matches(pattern, name string) bool {
	folder, deep := strings.CutSuffix(pattern, "/**")
	if !deep {
		matched, _ := path.Match(pattern, name)
		return matched
	}
	elements := strings.Split(name, "/")
	depth := strings.Count(folder, "/") + 1
	if len(elements) <= depth {
		return false
	}
	matched, _ := path.Match(folder, strings.Join(elements[:depth], "/"))
	return matched
}
