package legacyhost

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

const good = `
name: test
suite: bookworm
packages: [sysvinit-core]
logins: [root]
groups:
  - {name: db, hosts: 1, firstAddress: 21, packages: [redis-server], ports: [22]}
  - {name: web, firstAddress: 11, packages: [nginx-light], ports: [80]}
`

func recipe(t *testing.T, text string) (*Recipe, error) {
	t.Helper()
	return ReadRecipe(fstest.MapFS{RecipeFile: {Data: []byte(text)}, "web/host.sh": {Data: []byte("true\n")}})
}

func TestReadRecipeRefuses(t *testing.T) {
	tests := map[string]struct{ from, to, want string }{
		"unknown field":    {"suite:", "sweet:", "unknown field"},
		"group's name":     {"name: web", "name: Web", "use a name of lower-case letters"},
		"reserved name":    {"name: web", "name: base", "is not base or hosts"},
		"address":          {"firstAddress: 11", "firstAddress: 1", "addresses end in 2 to 254"},
		"addresses beyond": {"hosts: 1, firstAddress: 21", "hosts: 20, firstAddress: 250", "addresses end in 2 to 254"},
		"shell in package": {"nginx-light", "'x; rm -rf /'", "not a name of a Debian package"},
		"option as suite":  {"suite: bookworm", "suite: --help", "it needs a name, a suite and groups"},
		"two open groups":  {"hosts: 1, ", "", "one at most leaves its number"},
		"login":            {"[root]", "['a b']", "not a name of a user"},
		"no YAML":          {"groups:", "groups: [", "reading the recipe"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, test.from, test.to, 1)
			_, err := recipe(t, text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			if fault.ClassOf(err) != fault.Invalid {
				t.Errorf("got class %s, want invalid", fault.ClassOf(err))
			}
		})
	}
	if _, err := ReadRecipe(fstest.MapFS{}); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a folder without a recipe: got %v", err)
	}
}

func TestHosts(t *testing.T) {
	r, err := recipe(t, good)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := r.hosts(3)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, h := range hosts {
		got[h.name] = h.last
	}
	if diff := cmp.Diff(map[string]int{"db1": 21, "web1": 11, "web2": 12, "web3": 13}, got); diff != "" {
		t.Error(diff)
	}
	if hosts[0].name != "db1" {
		t.Errorf("the first host is %s; groups are started in their order", hosts[0].name)
	}
	for _, number := range []int{0, -1, 11, 101} { // with 11, web11 would have db1's address
		if _, err := r.hosts(number); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%d hosts: got error %v, want invalid", number, err)
		}
	}
}

func TestIdentityFollowsWhatALayerIsMadeOf(t *testing.T) {
	files := fstest.MapFS{RecipeFile: {Data: []byte(good)}, "web/install.sh": {Data: []byte("a")}, "README.md": {Data: []byte("a")}}
	identity := func(folders ...string) string {
		r, err := ReadRecipe(files)
		if err != nil {
			t.Fatal(err)
		}
		id, err := r.identity(folders)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	web, base := identity("web"), identity("base")
	files["README.md"] = &fstest.MapFile{Data: []byte("b")}
	if identity("web") != web {
		t.Error("the README changed the layer")
	}
	files["web/install.sh"] = &fstest.MapFile{Data: []byte("b")}
	if identity("web") == web {
		t.Error("another script is the same layer")
	}
	if identity("base") != base {
		t.Error("a group's script changed the base")
	}
}

func TestTheLegacyShopIsARecipe(t *testing.T) {
	r, err := ReadRecipe(os.DirFS("../../examples/legacy-shop"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"base/install.sh", "web/install.sh", "web/host.sh", "db/install.sh", "db/host.sh", "hosts/web3.sh"} {
		if r.script(script) == "" {
			t.Errorf("it has no %s", script)
		}
	}
}
