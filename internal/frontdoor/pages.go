package frontdoor

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Pages answers requests that no application can: for hosts that nobody has
// (404) and for applications without a running instance (503). Browsers get a
// page, others JSON or a line of text. It is safe for concurrent use.
type Pages struct {
	state atomic.Pointer[pagesState]
}

type pagesState struct {
	table Table
	// phases by PROJECT/ENVIRONMENT.
	phases map[string]v1alpha1.Phase
}

// Update replaces what is known. phases are keyed PROJECT/ENVIRONMENT.
func (p *Pages) Update(table Table, phases map[string]v1alpha1.Phase) {
	p.state.Store(&pagesState{table, phases})
}

// answer is what a page says.
type answer struct {
	Status  int    `json:"status"`
	Title   string `json:"title"`
	Message string `json:"message"`
	// Next is a command that helps; may be empty.
	Next string `json:"next,omitempty"`
	// Hosts are those that answer, for an unknown one.
	Hosts []string `json:"hosts,omitempty"`
	// Port is what people put behind a host, ":8080" or nothing.
	Port string `json:"-"`
}

//go:embed pages.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// ServeHTTP is part of http.Handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	state := p.state.Load()
	if state == nil {
		state = &pagesState{}
	}
	a := state.answer(r)
	w.Header().Set("Cache-Control", "no-store")
	if a.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "text/html"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(a.Status)
		_ = page.Execute(w, a) // the client may be gone
	case strings.Contains(accept, "json"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.Status)
		_ = json.NewEncoder(w).Encode(a)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(a.Status)
		_, _ = w.Write([]byte(a.text()))
	}
}

func (s *pagesState) answer(r *http.Request) answer {
	host, port := r.Host, ""
	if i := strings.LastIndex(host, ":"); i >= 0 {
		host, port = host[:i], host[i:]
	}
	route, known := s.table.Find(host, r.URL.Path)
	if !known {
		return answer{
			Status: http.StatusNotFound, Title: "Nobody answers here",
			Message: "No environment has the address " + host + r.URL.Path + ".",
			Next:    "landfall env list", Hosts: s.hosts(), Port: port,
		}
	}
	return s.unavailable(route.Owner)
}

// unavailable says why an application that has an address has no instance.
func (s *pagesState) unavailable(owner Owner) answer {
	a := answer{Status: http.StatusServiceUnavailable, Title: "Not running"}
	if owner.Environment == "" {
		a.Message = "No instance behind Ingress " + owner.Ingress + " is ready."
		return a
	}
	name := "Environment " + owner.Environment
	inProject := owner.Environment
	if owner.Project != "" && owner.Project != "default" {
		inProject += " -n " + owner.Project
	}
	switch s.phases[owner.Project+"/"+owner.Environment] {
	case v1alpha1.PhaseAsleep:
		a.Title, a.Message, a.Next = "Asleep", name+" is asleep.", "landfall env wake "+inProject
	case v1alpha1.PhaseDeploying, v1alpha1.PhaseRollingBack, v1alpha1.PhasePending:
		a.Title, a.Message, a.Next = "Being deployed", name+" is being deployed: no instance is ready yet.", "landfall env get "+inProject
	case v1alpha1.PhaseDeleting:
		a.Title, a.Message = "Going away", name+" is being deleted."
	default:
		a.Message, a.Next = "No instance of this component in environment "+owner.Environment+" is ready.", "landfall env get "+inProject
	}
	return a
}

func (s *pagesState) hosts() []string {
	var hosts []string
	for _, route := range s.table.Routes {
		if route.Host != "" && !strings.HasPrefix(route.Host, "*") {
			hosts = append(hosts, route.Host)
		}
	}
	return slices.Compact(hosts) // routes are sorted by host
}

func (a answer) text() string {
	text := a.Message + "\n"
	if a.Next != "" {
		text += "next: " + a.Next + "\n"
	}
	for _, host := range a.Hosts {
		text += "  http://" + host + a.Port + "/\n"
	}
	return text
}
