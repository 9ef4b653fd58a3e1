package eks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
)

// page is how many names one answer of ListClusters has at most
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_ListClusters.html).
const page = 100

// account is EKS over its protocol: pages, tags, and refusals of too many
// requests.
type account struct {
	mu       sync.Mutex
	tags     map[string]map[string]string
	requests int
	// every so many requests one is refused.
	refuse int
}

func (a *account) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	if a.refuse > 0 && a.requests%a.refuse == 0 {
		w.Header().Set("X-Amzn-Errortype", "ThrottlingException")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"message":"Rate exceeded"}`)
		return
	}
	if name, one := strings.CutPrefix(req.URL.Path, "/clusters/"); one {
		a.describe(w, name)
		return
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range a.tags {
			if !yield(name) {
				return
			}
		}
	})
	from, _ := strconv.Atoi(req.URL.Query().Get("nextToken"))
	to := min(from+page, len(names))
	answer := map[string]any{"clusters": names[from:to]}
	if to < len(names) {
		answer["nextToken"] = strconv.Itoa(to)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *account) describe(w http.ResponseWriter, name string) {
	tags, ok := a.tags[name]
	if !ok {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"message":"No cluster found for name: %s."}`, name)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"cluster": map[string]any{
		"name": name, "status": "ACTIVE", "endpoint": "https://" + name + ".eks.amazonaws.com", "createdAt": 1.7635e9, "tags": tags,
		"certificateAuthority": map[string]string{"data": base64.StdEncoding.EncodeToString([]byte("ca of " + name))},
	}})
}

func region(t *testing.T, a *account) *Region {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return New(aws.Config{BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")}, "eu-west-1", DefaultTags)
}

func TestListReadsAllPagesAndTags(t *testing.T) {
	a := &account{tags: map[string]map[string]string{}, refuse: 7}
	for i := range 2*page + 1 {
		a.tags[fmt.Sprintf("c%03d", i)] = map[string]string{"team": "shop"}
	}
	a.tags["c000"] = map[string]string{"landfall:ready": "true", "landfall:latest": ""}
	a.tags["c200"] = map[string]string{"landfall:ready": "false"}
	clusters, err := region(t, a).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(clusters) != 2*page+1 {
		t.Fatalf("%d clusters", len(clusters))
	}
	yes, no := true, false
	want := Cluster{Name: "c000", Region: "eu-west-1", Active: true, Ready: &yes, Latest: &yes, Created: time.Unix(1763500000, 0).UTC()}
	want.Server.Server, want.Server.CertificateAuthorityData = "https://c000.eks.amazonaws.com", []byte("ca of c000")
	if diff := cmp.Diff(want, clusters[0]); diff != "" {
		t.Error(diff)
	}
	if clusters[1].Ready != nil || cmp.Diff(&no, clusters[200].Ready) != "" {
		t.Errorf("ready: %v, %v", clusters[1].Ready, clusters[200].Ready)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	a := &account{tags: map[string]map[string]string{"blue": {"landfall:ready": "perhaps"}}}
	r := region(t, a)
	if _, err := r.List(t.Context()); err == nil || !strings.Contains(err.Error(), `tag landfall:ready is "perhaps"`) {
		t.Errorf("a tag that says nothing: %v", err)
	}
	if _, err := r.Describe(t.Context(), "red"); err == nil || !strings.Contains(err.Error(), "No cluster found") {
		t.Errorf("no such cluster: %v", err)
	}
}

func TestLoginTakesNoOptionsForNames(t *testing.T) {
	for _, bad := range [][3]string{{"--profile", "eu-west-1", ""}, {"blue", "-x", ""}, {"blue", "eu-west-1", "--debug"}, {"a b", "eu-west-1", ""}, {"", "eu-west-1", ""}} {
		if _, err := Login(bad[0], bad[1], bad[2], ""); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	login, err := Login("blue", "eu-west-1", "arn:aws:iam::123456789012:role/viewer", "work")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"eks", "get-token", "--cluster-name", "blue", "--region", "eu-west-1", "--output", "json", "--role-arn", "arn:aws:iam::123456789012:role/viewer"}
	if diff := cmp.Diff(want, login.Exec.Args); diff != "" || login.Exec.Env[0].Value != "work" || login.Token != "" {
		t.Errorf("%s %+v", diff, login)
	}
}
