package modules

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine is one of a test, on which the programs that node.sh calls are fakes
// that write down how they are called.
type machine struct {
	t         *testing.T
	bin, data string
	calls     string
}

// newMachine has these answers of programs, as shell: $* are their arguments.
func newMachine(t *testing.T, programs map[string]string) machine {
	t.Helper()
	for _, needed := range []string{"jq", "bash"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("needs %s", needed)
		}
	}
	m := machine{t: t, bin: t.TempDir(), data: t.TempDir()}
	m.calls = filepath.Join(m.data, "calls")
	programs["curl"] = `case "$*" in *api/token*) echo token;; *instance-id*) echo i-1;; *local-ipv4*) echo 10.0.0.1;; *local-hostname*) echo ip-10-0-0-1;; *zone*) echo a;; esac`
	for name, answer := range programs {
		log := `echo "` + name + ` $*" >>` + m.calls + "\n"
		if name == "curl" {
			log = ""
		}
		m.write(filepath.Join(m.bin, name), "#!/bin/bash\n"+log+answer+"\n")
	}
	told, err := json.Marshal(map[string]any{
		"name": "green", "region": "eu-west-1", "role": "control-plane", "group": "green-control-plane", "size": 3, "endpoint": "lb:6443", "join": "/landfall/green/join",
		"cloudProvider": "", "shutdownSeconds": 90, "criticalSeconds": 30, "pki": "arn", "manifests": []string{},
		"cluster": map[string]any{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.write(filepath.Join(m.data, "node.json"), string(told))
	return m
}

func (m machine) write(path, text string) {
	m.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // programs of the test
		m.t.Fatal(err)
	}
}

// run runs node.sh as it is on a machine, and gives the changes that it made by
// the fakes.
func (m machine) run(arguments ...string) (changes []string, err error) {
	m.t.Helper()
	script, err := filepath.Abs("aws-ec2/files/node.sh")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.CommandContext(m.t.Context(), "bash", append([]string{script}, arguments...)...)
	cmd.Env = []string{"PATH=" + m.bin + ":" + os.Getenv("PATH"), "LANDFALL_STATE=" + m.data, "LANDFALL_PKI=" + filepath.Join(m.data, "pki")}
	out, err := cmd.CombinedOutput()
	m.t.Logf("%s", out)
	text, _ := os.ReadFile(m.calls)
	changes = []string{}
	for line := range strings.Lines(string(text)) {
		for _, verb := range []string{"member remove", "delete node", "put-parameter", "kubeadm init", "kubeadm join"} {
			if at := strings.Index(line, verb); at >= 0 {
				changes = append(changes, strings.TrimSpace(line[at:]))
			}
		}
	}
	return changes, err
}

// Machines are taken out of the cluster only when AWS says that they are gone.
func TestTendForgetsWhatIsGone(t *testing.T) {
	const (
		nodes = `case "$*" in
*"get nodes"*) echo '{"items":[
 {"metadata":{"name":"n1"},"spec":{"providerID":"aws:///a/i-1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"name":"n2"},"spec":{"providerID":"aws:///b/i-2"},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}},
 {"metadata":{"name":"n3"},"spec":{"providerID":"aws:///c/i-3"},"status":{"conditions":[{"type":"Ready","status":"False"}]}},
 {"metadata":{"name":"n4"},"spec":{},"status":{"conditions":[{"type":"Ready","status":"False"}]}}]}';;
esac`
		etcd = `*" ps "*) echo abc;;
*"member list"*) printf '1a, started, n1, https://10.0.0.1:2380, https://10.0.0.1:2379, false\n2b, started, n2, https://10.0.0.2:2380, , false\n';;`
		recent = `*get-parameter*) date -u +%FT%TZ;;`
	)
	for name, test := range map[string]struct {
		aws, etcd string
		want      []string
		fail      bool
	}{
		"one is terminated": {
			aws:  `*describe-instances*) printf 'i-1\ti-3\n';;`,
			want: []string{"member remove 2b", "delete node n2 --wait=false"},
		},
		"all are there": {aws: `*describe-instances*) printf 'i-1\ti-2\ti-3\n';;`, want: []string{}},
		// An answer without the very machine that asks cannot be right.
		"AWS answers nothing": {aws: `*describe-instances*) echo;;`, want: []string{}, fail: true},
		"AWS does not answer": {aws: `*describe-instances*) exit 255;;`, want: []string{}, fail: true},
		"etcd refuses the removal": {
			aws: `*describe-instances*) printf 'i-1\ti-3\n';;`, etcd: `*"member remove"*) exit 1;;`,
			want: []string{"member remove 2b"}, fail: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, map[string]string{
				"kubectl": nodes, "crictl": "case \"$*\" in\n" + test.etcd + "\n" + etcd + "\nesac", "aws": "case \"$*\" in\n" + recent + "\n" + test.aws + "\nesac",
			})
			changes, err := m.run("tend")
			if (err != nil) != test.fail {
				t.Errorf("it ended with %v", err)
			}
			if diff := cmp.Diff(test.want, changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Only while nothing was published, and only on the machine with the least id,
// a cluster is made.
func TestWhoMakesTheCluster(t *testing.T) {
	const published = `{"token":"abcdef.0123456789abcdef","hash":"sha256:00"}`
	keys := `*get-secret-value*) echo '{"ca.crt":"x","ca.key":"x","etcd/ca.crt":"x","etcd/ca.key":"x","front-proxy-ca.crt":"x","front-proxy-ca.key":"x","sa.key":"x","sa.pub":"x"}';;`
	for name, test := range map[string]struct {
		aws  string
		made bool
		want []string
		fail bool
	}{
		"it has joined":        {aws: `*get-parameter*) echo '` + published + `';;`, made: true, want: []string{}},
		"there is a cluster":   {aws: `*get-parameter*) echo '` + published + `';;`, want: []string{"kubeadm join"}},
		"it is the first":      {aws: `*get-parameter*) echo none;;` + "\n" + `*describe-auto-scaling-groups*) printf 'i-3\ti-1\ti-2\n';;`, want: []string{"kubeadm init", "put-parameter --region"}},
		"AWS cannot be asked":  {aws: `*get-parameter*) exit 255;;`, want: []string{}, fail: true},
		"the manifests failed": {aws: `*get-parameter*) echo none;;`, made: true, want: []string{"put-parameter --region"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, map[string]string{
				"aws": "case \"$*\" in\n" + keys + "\n" + test.aws + "\nesac", "kubeadm": `case "$*" in *"token create"*) echo abcdef.0123456789abcdef;; *version*) echo v1.34.1;; esac`,
				"kubectl": "", "systemctl": "", "openssl": `[ "$1" = x509 ] || cat >/dev/null; echo 00`,
			})
			m.write(filepath.Join(m.data, "prepared"), "")
			if test.made {
				m.write(filepath.Join(m.data, "made"), "")
				m.write(filepath.Join(m.data, "first"), "")
			}
			changes, err := m.run()
			if (err != nil) != test.fail {
				t.Fatalf("it ended with %v", err)
			}
			for i := range changes { // what is done, not how
				changes[i] = strings.Join(strings.Fields(changes[i])[:min(2, len(strings.Fields(changes[i])))], " ")
			}
			if diff := cmp.Diff(test.want, changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}
