package containerize

import (
	"regexp"
	"slices"
	"strings"
)

// dpkgPackage is an installed package of dpkg's database.
type dpkgPackage struct {
	name, version, arch string
	essential           bool
	required            bool
	// depends are groups of alternatives, any of which will do.
	depends [][]string
	// stanza is its whole entry of the database.
	stanza string
}

// parseStatus reads /var/lib/dpkg/status; packages that are not installed are
// left out. A virtual package is found by the name that it provides, unless a
// real one has it.
func parseStatus(text string) map[string]*dpkgPackage {
	packages := map[string]*dpkgPackage{}
	provided := map[string]*dpkgPackage{}
	for _, stanza := range strings.Split(text, "\n\n") {
		p, provides := parseStanza(stanza)
		if p == nil {
			continue
		}
		packages[p.name] = p
		for _, virtual := range provides {
			provided[virtual] = p
		}
	}
	for virtual, p := range provided {
		if packages[virtual] == nil {
			packages[virtual] = p
		}
	}
	return packages
}

func parseStanza(stanza string) (p *dpkgPackage, provides []string) {
	p = &dpkgPackage{stanza: strings.Trim(stanza, "\n")}
	installed := false
	for line := range strings.Lines(stanza) {
		field, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || strings.HasPrefix(field, " ") {
			continue
		}
		switch field {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Architecture":
			p.arch = value
		case "Essential":
			p.essential = value == "yes"
		case "Priority":
			p.required = value == "required"
		case "Status":
			installed = strings.HasSuffix(value, " installed")
		case "Depends", "Pre-Depends":
			p.depends = append(p.depends, parseDepends(value)...)
		case "Provides":
			for _, group := range parseDepends(value) {
				provides = append(provides, group...)
			}
		}
	}
	if !installed || !packageName.MatchString(p.name) || !packageVersion.MatchString(p.version) {
		return nil, nil
	}
	return p, provides
}

// What a name and a version are made of (Debian Policy 5.6.1 and 5.6.12). They
// become part of a Dockerfile: nothing else gets there.
var (
	packageName    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)
	packageVersion = regexp.MustCompile(`^[0-9A-Za-z.+:~-]+$`)
)

// parseDepends reads "a (>= 1), b:any | c" into groups of names.
func parseDepends(value string) [][]string {
	var groups [][]string
	for _, group := range strings.Split(value, ",") {
		var names []string
		for _, alternative := range strings.Split(group, "|") {
			name, _, _ := strings.Cut(strings.TrimSpace(alternative), " ")
			name, _, _ = strings.Cut(name, ":")
			if name != "" {
				names = append(names, name)
			}
		}
		groups = append(groups, names)
	}
	return groups
}

// closure gives the packages and all that they need, by name. Those that leave
// says are left out, also where something needs them, and with them what only
// they need.
func closure(packages map[string]*dpkgPackage, roots []string, leave func(name string) bool) []*dpkgPackage {
	found := map[string]*dpkgPackage{}
	queue := slices.Clone(roots)
	for len(queue) > 0 {
		p := packages[queue[0]]
		queue = queue[1:]
		if p == nil || found[p.name] != nil || leave(p.name) {
			continue
		}
		found[p.name] = p
		for _, group := range p.depends {
			for _, name := range group { // what is installed of the alternatives
				if other := packages[name]; other != nil && !leave(other.name) {
					queue = append(queue, name)
					break
				}
			}
		}
	}
	list := make([]*dpkgPackage, 0, len(found))
	for _, p := range found {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *dpkgPackage) int { return strings.Compare(a.name, b.name) })
	return list
}
