package s3_test

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// accessList is one as S3 shows it, with grants besides the owner's.
func accessList(grants ...string) string {
	return `<?xml version="1.0"?><AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>ann</ID></Owner>` +
		`<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>ann</ID></Grantee>` +
		`<Permission>FULL_CONTROL</Permission></Grant>` + strings.Join(grants, "") + `</AccessControlList></AccessControlPolicy>`
}

func grant(kind, who, permission string) string {
	return fmt.Sprintf(`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="%s">%s</Grantee><Permission>%s</Permission></Grant>`,
		kind, who, permission)
}

// withAccess is a server that has access lists, which versitygw does not. It
// gives the ones that were written.
func withAccess(t *testing.T, behind *server, lists map[string]string) (*server, map[string]string) {
	t.Helper()
	var mu sync.Mutex
	written := map[string]string{}
	return front(t, behind, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		key := path.Base(r.URL.Path)
		if list, known := lists[key]; known && r.Method == http.MethodGet && r.URL.Query().Has("acl") {
			fmt.Fprint(w, list)
			return true
		}
		if word := r.Header.Get("X-Amz-Acl"); word != "" {
			written[key] = word
		}
		return false
	}), written
}

func TestKeepsWhoMayReadWhereThereIsAWord(t *testing.T) {
	const everyone = "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"
	lists := map[string]string{
		"private": accessList(),
		"open":    accessList(grant("Group", everyone, "READ")),
		"shared":  accessList(grant("CanonicalUser", "<ID>bob</ID>", "READ")),
	}
	one, other := startServer(t), startServer(t)
	one.bucket("source")
	for key := range lists {
		one.put("source", key, "contents of "+key)
	}
	from, _ := withAccess(t, one, lists)
	tests := []struct {
		name  string
		shows map[string]string
		lost  int
	}{
		{"a target with access lists", lists, 1},
		{"a target that takes the word and does nothing", map[string]string{"open": accessList()}, 2},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to, written := withAccess(t, other, tt.shows)
			bucket := fmt.Sprintf("target-%d", i)
			other.bucket(bucket)
			req := datacopy.Request{From: from.address("source"), To: to.address(bucket), Options: map[string]string{"acls": "true"}}
			outcome := run(t, req, &datacopy.MemoryJournal{})
			if diff := cmp.Diff(map[string]string{"open": "public-read"}, written); diff != "" {
				t.Errorf("access lists (-want +written):\n%s", diff)
			}
			if lost := outcome.Result.NotKept; len(lost) != tt.lost || !strings.Contains(lost[0], "1 object") {
				t.Errorf("not kept: %q, want %d", lost, tt.lost)
			}
		})
	}
}
