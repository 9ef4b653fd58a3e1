// Package legacy_test sees that Landfall finds on the servers of the legacy
// shop what is known to be there: by its commands, over SSH. It runs with
// LANDFALL_LEGACY=1 and landfall in bin/: see hack/test.sh. What is known is
// examples/legacy-shop/truth.yaml; start at TestTheServersAreNotAsTheRunbookSays.
package legacy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const truth = "../../examples/legacy-shop/truth.yaml"

// drift is what web3 fails of the truth.
var drift = []string{
	"cron/root /etc/init.d/php8.2-fpm restart > /dev/null",
	"file//root/fix-uploads.sh",
	"file//var/www/shop/current",
	"file//var/www/shop/shared/config/config.php",
	"package/php8.2-zip",
	"php-extension/fpm-8.2 bcmath",
	"php-pool/fpm-8.2 shop pm.max_children",
	"php-setting/fpm-8.2 upload_max_filesize",
}

// host is a server of the fleet.
type host struct {
	Name    string   `json:"name"`
	Running bool     `json:"running"`
	Targets []string `json:"targets"`
}

// fleet gives the servers by name, and the SSH configuration that reaches them.
func fleet(t *testing.T) (map[string]host, string) {
	t.Helper()
	if os.Getenv("LANDFALL_LEGACY") != "1" {
		t.Skip("needs the servers of the legacy shop: run hack/test.sh legacy")
	}
	var listed struct {
		Hosts     []host `json:"hosts"`
		SSHConfig string `json:"sshConfig"`
	}
	out, _ := landfall(t, "local", "legacy", "list", "-o", "json")
	if err := json.Unmarshal(out, &listed); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]host{}
	for _, h := range listed.Hosts {
		hosts[h.Name] = h
	}
	for _, name := range []string{"db1", "web1", "web2", "web3"} {
		if !hosts[name].Running {
			t.Fatalf("%s does not run: landfall local legacy create --hosts 3", name)
		}
	}
	return hosts, listed.SSHConfig
}

// landfall runs a command and gives what it prints and its exit code.
func landfall(t *testing.T, args ...string) ([]byte, int) {
	t.Helper()
	binary := "../../bin/landfall"
	if named := os.Getenv("LANDFALL_BINARY"); named != "" {
		binary = named
	}
	cmd := exec.Command(binary, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Logf("landfall %s: exit code %d\n%s", strings.Join(args, " "), code, errs.String())
		return out, code
	}
	return out, 0
}

func TestTheServersAreNotAsTheRunbookSays(t *testing.T) {
	hosts, config := fleet(t)
	for _, name := range []string{"web1", "web2"} {
		if _, code := landfall(t, "spec", "verify", truth, "--ssh-config", config, "--target", hosts[name].Targets[0]); code != 0 {
			t.Errorf("%s does not hold what is true of it", name)
		}
	}
}

func TestOneServerDrifted(t *testing.T) {
	hosts, config := fleet(t)
	out, code := landfall(t, "spec", "verify", truth, "--ssh-config", config, "--target", hosts["web3"].Targets[0], "--format", "json")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	var report struct {
		Results []struct{ Group, Name, Answer string } `json:"results"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, r := range report.Results {
		if r.Answer != "holds" {
			failed = append(failed, r.Group+"/"+r.Name)
		}
	}
	slices.Sort(failed)
	if diff := cmp.Diff(drift, failed); diff != "" {
		t.Errorf("what web3 fails: (-want +got)\n%s", diff)
	}
}

// deviation is an item or attribute that is not alike on all hosts.
type deviation struct {
	Kind   string  `json:"kind"`
	Name   string  `json:"name"`
	Values []value `json:"values"`
}

type value struct {
	Hosts []string `json:"hosts"`
}

// only says that just the target deviates and the others are alike.
func (d deviation) only(target string) bool {
	return len(d.Values) == 2 && slices.ContainsFunc(d.Values, func(v value) bool { return slices.Equal(v.Hosts, []string{target}) })
}

func TestTheFleetFindsTheDriftWithoutAReference(t *testing.T) {
	hosts, config := fleet(t)
	out, code := landfall(t, "spec", "fleet", "--ssh-config", config,
		hosts["web1"].Targets[0], hosts["web2"].Targets[0], hosts["web3"].Targets[0], "-o", "json")
	var report struct {
		Hosts      []string    `json:"hosts"`
		Deviations []deviation `json:"deviations"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("exit code %d: %v", code, err)
	}
	if code != 1 || len(report.Hosts) != 3 {
		t.Fatalf("exit code %d for %v, want 1 for three hosts", code, report.Hosts)
	}
	found := map[string]bool{}
	for _, d := range report.Deviations {
		if d.only(report.Hosts[2]) {
			found[d.Kind+"/"+d.Name] = true
		}
	}
	// The stray file is in a folder that is one item: its checksum differs.
	for _, want := range append([]string{"file//var/www/shop/releases/20190822143012"}, drift...) {
		if !found[want] {
			t.Errorf("%s is not among what makes web3 different", want)
		}
	}
}

func TestCapturedTwiceIsTheSame(t *testing.T) {
	hosts, config := fleet(t)
	folder := t.TempDir()
	for _, name := range []string{"web1", "db1"} {
		file := filepath.Join(folder, name+".yaml")
		var captures [2][]byte
		for i := range captures {
			if _, code := landfall(t, "spec", "capture", "--ssh-config", config, hosts[name].Targets[0], "-o", file); code != 0 {
				t.Fatalf("capturing %s: exit code %d", name, code)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			captures[i] = text
		}
		if diff := cmp.Diff(strings.Split(string(captures[0]), "\n"), strings.Split(string(captures[1]), "\n")); diff != "" {
			t.Errorf("%s: the second capture is not the first: (-first +second)\n%s", name, diff)
		}
		for _, secret := range []string{"lamps4ever!", "r3dis-of-2016", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "7f3c9e1ab4d84f0f9c51", "B4ckup-2017", "back-0ffice"} {
			if bytes.Contains(captures[0], []byte(secret)) {
				t.Errorf("%s: the document has the secret %s", name, secret)
			}
		}
	}
}

func TestMissingCommandsOfScriptsAreFound(t *testing.T) {
	hosts, config := fleet(t)
	file := filepath.Join(t.TempDir(), "db1.yaml")
	if _, code := landfall(t, "spec", "capture", "--ssh-config", config, hosts["db1"].Targets[0], "-o", file); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "aws: {found: false, calledBy: [/usr/local/bin/backup-db.sh]}") {
		t.Error("it is not said that aws, which the backup calls, is missing")
	}
}
