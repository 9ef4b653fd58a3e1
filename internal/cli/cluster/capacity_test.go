package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/capacity"
	"github.com/landfall-dev/landfall/internal/fault"
)

// school is a cluster with one subnet that was cut too small.
const school = "testdata/school.yaml"

// capacityOf runs the command and gives what it prints.
func capacityOf(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}
	cmd := newCapacity(c)
	cmd.Flags().VarP(&c.Output, "output", "o", "")
	cmd.SetArgs(append([]string{}, args...))
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

func TestCapacityOutput(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		fits bool
	}{
		"capacity-school":      {[]string{"-f", school}, false},
		"capacity-larger":      {[]string{"-f", school, "--subnet", "x,ap-northeast-1d,10.0.8.0/22,3", "--subnet", "y,ap-northeast-1a,10.0.12.0/23", "--subnet", "z,ap-northeast-1c,10.0.14.0/23", "--prefix-delegation", "--nodes", "12"}, true},
		"capacity-fewer-zones": {[]string{"-f", school, "--without-zone", "ap-northeast-1d", "--replicas-factor", "0.5", "--instance-type", "main=m5.large", "--max-pods", "29"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := capacityOf(t, tt.args...)
			if tt.fits != (err == nil) || err != nil && fault.ExitCode(err) != fault.ExitNotHolding {
				t.Errorf("exit code %d: %v", fault.ExitCode(err), err)
			}
			golden.Assert(t, out, name+".txt")
		})
	}
}

// TestCapacityByAWS: the AWS CLI is asked for what the file does not have, and
// the cluster's own addresses are not taken for others'.
func TestCapacityByAWS(t *testing.T) {
	bin := t.TempDir()
	subnets, err := filepath.Abs("testdata/aws-subnets.json")
	if err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
case "$*" in
"ec2 describe-vpcs --vpc-ids vpc-1 --output json --region ap-northeast-1 --profile school")
  echo '{"Vpcs":[{"CidrBlockAssociationSet":[{"CidrBlock":"10.0.0.0/20","CidrBlockState":{"State":"associated"}}]}]}' ;;
"ec2 describe-subnets --filters Name=vpc-id,Values=vpc-1 --output json --region ap-northeast-1 --profile school") cat '` + subnets + `' ;;
*) echo "An error occurred (UnauthorizedOperation): $*" >&2; exit 254 ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "aws"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	out, err := capacityOf(t, "-f", "testdata/workloads.yaml", "--vpc", "vpc-1", "--region", "ap-northeast-1", "--aws-profile", "school", "-o", "json")
	if err != nil {
		t.Fatal(err, out)
	}
	var a capacity.Answer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for _, s := range a.Scenarios[0].Subnets {
		taken = append(taken, s.Taken)
	}
	// Each node has two interfaces of 10 addresses: 20 of the 31 and 45 in use.
	if diff := cmp.Diff([]int{11, 25}, taken); diff != "" {
		t.Errorf("taken by others (-want +got):\n%s", diff)
	}
	if _, err := capacityOf(t, "-f", "testdata/workloads.yaml", "--vpc", "vpc-2"); err == nil || !strings.Contains(err.Error(), "UnauthorizedOperation") {
		t.Errorf("AWS refuses: %v", err)
	}
	if out, err := capacityOf(t, "-f", "testdata/workloads.yaml", "--aws-subnets", subnets, "--only-subnets", "subnet-db"); err == nil || !strings.Contains(out, "there is only one zone") {
		t.Errorf("in one subnet: %v\n%s", err, out)
	}
}

func TestCapacityBadInput(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("subnet: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"0 node groups and 0 subnets": nil,
		"no number":                   {"-f", school, "--nodes", "many"},
		"it has 2 parts":              {"-f", school, "--subnet", "a,b"},
		"unknown field":               {"-f", bad},
		"--vpc-cidr":                  {"-f", school, "--vpc-cidr", "10.0.0.0"},
		"no such file":                {"-f", "testdata/missing.yaml"},
		"there is no subnet subnet-x": {"-f", "testdata/workloads.yaml", "--aws-subnets", "testdata/aws-subnets.json", "--only-subnets", "subnet-x"},
		"of AWS":                      {"-f", "testdata/workloads.yaml", "--aws-subnets", school},
	} {
		if _, err := capacityOf(t, args...); err == nil || fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
