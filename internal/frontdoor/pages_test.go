package frontdoor

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

func TestPagesSayWhy(t *testing.T) {
	pages := &Pages{}
	table := Build(shop(), v1alpha1.IngressClass)
	table.Routes = append(table.Routes, Route{Host: "plain.localhost", Path: "/", Owner: Owner{Ingress: "x/plain"}})
	pages.Update(table, map[string]v1alpha1.Phase{"default/staging": v1alpha1.PhaseAsleep, "default/pr-1": v1alpha1.PhaseDeploying})
	tests := []struct {
		url, accept string
		status      int
		kind, want  string
	}{
		{"http://web.staging.localhost:8080/", "text/html,*/*", 503, "text/html", "<code>landfall env wake staging</code>"},
		{"http://web.staging.localhost:8080/", "*/*", 503, "text/plain", "Environment staging is asleep.\nnext: landfall env wake staging\n"},
		{"http://web.pr-1.localhost:8080/", "application/json", 503, "application/json", `"title":"Being deployed"`},
		{"http://plain.localhost/", "", 503, "text/plain", "No instance behind Ingress x/plain is ready."},
		{"http://nobody.localhost:8080/x", "", 404, "text/plain", "  http://web.staging.localhost:8080/\n"},
		{"http://nobody.localhost:8080/x", "text/html", 404, "text/html", `<a href="http://web.pr-1.localhost:8080/">`},
		{"http://nobody.localhost/%3Cscript%3E", "text/html", 404, "text/html", "/&lt;script&gt;"},
	}
	for _, tt := range tests {
		t.Run(tt.url+" "+tt.accept, func(t *testing.T) {
			request := httptest.NewRequest("GET", tt.url, nil)
			request.Header.Set("Accept", tt.accept)
			response := httptest.NewRecorder()
			pages.ServeHTTP(response, request)
			if response.Code != tt.status || !strings.HasPrefix(response.Header().Get("Content-Type"), tt.kind) {
				t.Errorf("%d %s", response.Code, response.Header().Get("Content-Type"))
			}
			if !strings.Contains(response.Body.String(), tt.want) {
				t.Errorf("body lacks %q:\n%s", tt.want, response.Body)
			}
		})
	}
}

func TestPagesBeforeTheFirstUpdate(t *testing.T) {
	response := httptest.NewRecorder()
	(&Pages{}).ServeHTTP(response, httptest.NewRequest("GET", "http://x/", nil))
	if response.Code != 404 {
		t.Errorf("status %d", response.Code)
	}
}
