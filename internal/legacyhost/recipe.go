package legacyhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/fault"
)

// RecipeFile is the file that makes a folder a recipe.
const RecipeFile = "recipe.yaml"

// Folders of a recipe besides those of its groups.
const (
	baseFolder  = "base"
	hostsFolder = "hosts"
)

// maxHosts is how many addresses a group may use up to.
const maxHosts = 100

// Recipe says what the hosts of a fleet are. Beside its file it has folders:
//
//	base/install.sh     run once in the system that all hosts share
//	GROUP/install.sh    run once in the system that the hosts of a group share
//	GROUP/host.sh       run once in each host of the group, before its first start
//	hosts/NAME.sh       run once in that host, after GROUP/host.sh
//
// All are optional POSIX shell scripts, run as root in the new system by
// `sh -eu` with the recipe at $RECIPE. Those of a host also have $HOST_NAME,
// $HOST_ADDRESS and $HOST_NETWORK (the first three numbers of the address).
type Recipe struct {
	// Name of the recipe; a fleet is made of one.
	Name string `json:"name"`
	// Suite is Debian's, for example "bookworm".
	Suite string `json:"suite"`
	// Packages are those of every host.
	Packages []string `json:"packages"`
	// Logins are the users that the fleet's key opens.
	Logins []string `json:"logins"`
	// Groups are started in this order.
	Groups []Group `json:"groups"`

	files fs.FS
}

// Group is hosts that are alike: NAME1, NAME2 and so on.
type Group struct {
	Name string `json:"name"`
	// Hosts is how many there are; 0 leaves it to the user.
	Hosts int `json:"hosts,omitempty"`
	// FirstAddress is the last number of NAME1's address; NAME2 has the next.
	FirstAddress int `json:"firstAddress"`
	// Packages come on top of those of every host.
	Packages []string `json:"packages"`
	// Ports that a host of the group listens on (TCP) once it is up.
	Ports []int `json:"ports"`
}

var (
	groupName   = regexp.MustCompile(`^[a-z]{1,12}$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	loginName   = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

// ReadRecipe reads a recipe folder.
func ReadRecipe(files fs.FS) (*Recipe, error) {
	text, err := fs.ReadFile(files, RecipeFile)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Name a folder that holds "+RecipeFile+".", "reading the recipe: %w", err)
	}
	r := &Recipe{files: files}
	if err := yaml.UnmarshalStrict(text, r); err != nil {
		return nil, fault.New(fault.Invalid, "", "reading the recipe: %w", err)
	}
	if err := r.validate(); err != nil {
		return nil, fault.New(fault.Invalid, "", "reading the recipe: %w", err)
	}
	return r, nil
}

func (r *Recipe) validate() error {
	open := 0
	for _, g := range r.Groups {
		switch {
		case !groupName.MatchString(g.Name) || g.Name == baseFolder || g.Name == hostsFolder:
			return fmt.Errorf("group %q: use a name of lower-case letters that is not base or hosts", g.Name)
		case g.FirstAddress < 2 || g.FirstAddress+max(g.Hosts, 1)-1 > 254:
			return fmt.Errorf("group %s: firstAddress %d: addresses end in 2 to 254", g.Name, g.FirstAddress)
		case g.Hosts < 0 || g.Hosts > maxHosts:
			return fmt.Errorf("group %s: hosts %d: want 0 to %d", g.Name, g.Hosts, maxHosts)
		}
		if g.Hosts == 0 {
			open++
		}
	}
	if len(r.Groups) == 0 || open > 1 || r.Name == "" || !packageName.MatchString(r.Suite) {
		return fmt.Errorf("it needs a name, a suite and groups, of which one at most leaves its number of hosts open")
	}
	for _, name := range r.packages() {
		if !packageName.MatchString(name) {
			return fmt.Errorf("package %q: not a name of a Debian package", name)
		}
	}
	for _, login := range r.Logins {
		if !loginName.MatchString(login) {
			return fmt.Errorf("login %q: not a name of a user", login)
		}
	}
	return nil
}

func (r *Recipe) packages() []string {
	all := slices.Clone(r.Packages)
	for _, g := range r.Groups {
		all = append(all, g.Packages...)
	}
	return all
}

// member is one host that the recipe asks for.
type member struct {
	group Group
	name  string
	// last is the last number of its address.
	last int
}

// hosts lists the hosts for a number of the open group's.
func (r *Recipe) hosts(number int) ([]member, error) {
	var all []member
	taken := map[int]string{}
	for _, g := range r.Groups {
		count := g.Hosts
		if count == 0 {
			count = number
		}
		if count < 1 || count > maxHosts || g.FirstAddress+count-1 > 254 {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Ask for 1 to %d hosts.", maxHosts), "counting the %s hosts: %d is not possible", g.Name, count)
		}
		for i := range count {
			h := member{group: g, name: fmt.Sprintf("%s%d", g.Name, i+1), last: g.FirstAddress + i}
			if other, twice := taken[h.last]; twice {
				return nil, fault.New(fault.Invalid, "Ask for fewer hosts.", "giving addresses: %s and %s would both end in %d", other, h.name, h.last)
			}
			taken[h.last] = h.name
			all = append(all, h)
		}
	}
	return all, nil
}

// identity is a hash of what goes into a layer: the files of the recipe's
// folders, which may be missing, and more.
func (r *Recipe) identity(folders []string, more ...string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n", r.Suite, strings.Join(more, "\n"))
	for _, folder := range folders {
		err := fs.WalkDir(r.files, folder, func(name string, entry fs.DirEntry, err error) error {
			if name == folder && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(r.files, name)
			fmt.Fprintf(hash, "%s %d\n%s\n", name, len(text), text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("reading the recipe's %s: %w", folder, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:6]), nil
}

// whole is the identity of all that hosts are made of.
func (r *Recipe) whole() (string, error) {
	folders := []string{baseFolder, hostsFolder}
	for _, g := range r.Groups {
		folders = append(folders, g.Name)
	}
	return r.identity(folders, append(r.packages(), r.Name)...)
}

// script gives the recipe's script of that name, or "" where there is none.
func (r *Recipe) script(name string) string {
	if info, err := fs.Stat(r.files, name); err != nil || info.IsDir() {
		return ""
	}
	return name
}

// unpack writes the recipe's files into a folder, for the scripts to use.
func (r *Recipe) unpack(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("unpacking the recipe: %w", err)
	}
	if err := os.CopyFS(dir, r.files); err != nil {
		return fmt.Errorf("unpacking the recipe: %w", err)
	}
	return nil
}
