package terraform

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// FuzzStream reads output of any kind, in any pieces.
func FuzzStream(f *testing.F) {
	f.Add(`{"@level":"error","type":"diagnostic","diagnostic":{"severity":"error","summary":"Error acquiring the state lock","detail":"Lock Info:\n  ID: x\n  Who: a@b"}}`+"\n", 7)
	f.Add(`{"type":"apply_start","hook":{"resource":{"addr":"module.cluster.a.b"},"action":"create"}}`+"\n"+`{"type":"apply_complete","hook":{"resource":{"addr":"module.cluster.a.b"},"action":"create","elapsed_seconds":1}}`, 3)
	f.Add("╷\n│ Error: Saved plan is stale\n│ \n│ details\n╵\n", 1)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		r := &Run{tool: &Tool{Path: "terraform"}, root: Root{Secrets: map[string]string{"a": "hidden"}}, reporter: progress.Discard}
		said := r.listen(r.watch())
		if piece = max(1, piece%64); piece < 1 {
			piece = 1
		}
		for rest := []byte(text); len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			if n, err := said.Write(rest[:min(piece, len(rest))]); err != nil || n == 0 {
				t.Fatalf("writing gives %d, %v", n, err)
			}
		}
		if err := r.explain("apply", said, errors.New("exit status 1\n"+text)); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("explained as %v", err)
		}
	})
}

// FuzzSummary reads plans of any kind.
func FuzzSummary(f *testing.F) {
	f.Add(`{"before":{"a":[1,{"b":"x"}]},"after":{"a":[2]},"after_unknown":{"a":[false],"id":true},"before_sensitive":{"a":[true]},"actions":["delete","create"],"replace_paths":[["a",0]]}`)
	f.Add(`{"before":null,"after":{"x":null},"after_sensitive":true,"actions":["update"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		change := &tfjson.Change{}
		if json.Unmarshal([]byte(text), change) != nil {
			return
		}
		s := summarize(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{Address: "module.cluster.a.b", Change: change}, {}}}, nil)
		if len(s.Changes) > 1 {
			t.Errorf("one change became %d", len(s.Changes))
		}
		if change.AfterSensitive == true && len(s.Changes) == 1 {
			for _, a := range s.Changes[0].Attributes {
				if a.After != sensitive && a.After != absent && a.After != unknown {
					t.Errorf("a secret is shown: %+v", a)
				}
			}
		}
	})
}

// TestClassesOfErrors has what Terraform says for what we make of it.
func TestClassesOfErrors(t *testing.T) {
	for _, c := range []struct {
		says, want string
		class      fault.Class
	}{
		{"╷\n│ Error: Saved plan is stale\n│ \n│ The given plan file can no longer be applied.\n╵", "terraform apply: the state has changed since the plan was made", fault.Refused},
		{"Error: Error acquiring the state lock\n\nLock Info:\n  ID:        9-1\n  Who:       ann@laptop\n  Created:   today\n  Operation: OperationTypePlan\n", "terraform apply: the state is locked by ann@laptop since today (Plan)", fault.Refused},
		{"Error: Instance cannot be destroyed\n\n  on main.tf line 3:\n", "terraform apply: Instance cannot be destroyed: on main.tf line 3:", fault.Refused},
		{"signal: killed", "terraform apply: signal: killed", fault.Failed},
	} {
		err := explain("terraform apply", nil, errors.New(c.says))
		if err.Error() != c.want || fault.ClassOf(err) != c.class {
			t.Errorf("%q is explained as %q (%s)", c.says, err, fault.ClassOf(err))
		}
	}
}
