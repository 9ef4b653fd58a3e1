// Package cover says which locations of an nginx configuration the requests of
// a document of checks touch. It follows nginx's own way from a request to a
// location, on the configuration's text alone.
//
// Start at Measure.
package cover

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/nginx"
)

// site is the HTTP servers of a configuration, in the order of its text.
type site struct {
	servers []*server
}

// server is a server block with its tree of locations.
type server struct {
	nginx.Server
	root  *location // stands for the server block itself
	names []pattern // by name; the zero pattern where it is no regular expression
	all   []*location
}

// location is a location block.
type location struct {
	nginx.Location
	pattern  pattern
	statics  []*location // without and with "=", "^~"
	regexes  []*location
	named    bool
	problem  error
	internal bool
}

// newSite puts the servers' locations into the form in which they are searched.
// Servers of other protocols are left out.
func newSite(servers []nginx.Server) *site {
	all := &site{}
	for _, source := range servers {
		if source.Protocol != "" && source.Protocol != "http" {
			continue
		}
		all.servers = append(all.servers, newServer(source))
	}
	return all
}

func newServer(source nginx.Server) *server {
	s := &server{Server: source, root: &location{}, names: make([]pattern, len(source.Names))}
	for i, name := range source.Names {
		if text, ok := strings.CutPrefix(name, "~"); ok {
			s.names[i], _ = compile(text, true) // a name that cannot be read is never chosen
		}
	}
	byPlace := map[string]*location{}
	for _, l := range source.Locations {
		parent := s.root
		if len(l.Parents) > 0 {
			if found := byPlace[strings.Join(l.Parents, "\n")]; found != nil {
				parent = found
			}
		}
		one := &location{Location: l, internal: slices.Contains(l.Actions, "internal")}
		byPlace[strings.Join(append(slices.Clone(l.Parents), title(l)), "\n")] = one
		s.all = append(s.all, one)
		parent.add(one)
	}
	return s
}

func (l *location) add(child *location) {
	switch {
	case child.Modifier == "" && strings.HasPrefix(child.Path, "@"):
		child.named = true
	case child.Modifier == "~" || child.Modifier == "~*":
		child.pattern, child.problem = compile(child.Path, child.Modifier == "~*")
		l.regexes = append(l.regexes, child)
	default:
		l.statics = append(l.statics, child)
	}
}

// title is how a configuration writes the location.
func title(l nginx.Location) string {
	if l.Modifier == "" {
		return l.Path
	}
	return l.Modifier + " " + l.Path
}

// pattern is a regular expression of nginx, which are those of PCRE. The zero
// pattern matches nothing.
type pattern struct {
	plain *regexp.Regexp
	rich  *regexp2.Regexp
}

// maxMatch bounds how long one expression may look at one path.
const maxMatch = time.Second

// compile reads an expression: by Go's engine where that can, otherwise by one
// that knows what Go's does not (look-around, back references).
func compile(text string, fold bool) (pattern, error) {
	flags, options := "", regexp2.None
	if fold {
		flags, options = "(?i)", regexp2.IgnoreCase
	}
	if plain, err := regexp.Compile(flags + text); err == nil {
		return pattern{plain: plain}, nil
	}
	rich, err := regexp2.Compile(text, options)
	if err != nil {
		return pattern{}, fmt.Errorf("the expression cannot be read: %w", err)
	}
	rich.MatchTimeout = maxMatch
	return pattern{rich: rich}, nil
}

// match says whether the expression fits. An error says that it took too long.
func (p pattern) match(text string) (bool, error) {
	if p.plain != nil {
		return p.plain.MatchString(text), nil
	}
	if p.rich == nil {
		return false, nil
	}
	return p.rich.MatchString(text)
}

// matches gives an expression up that took too long once.
func (l *location) matches(path string) bool {
	ok, err := l.pattern.match(path)
	if err != nil {
		l.pattern, l.problem = pattern{}, fmt.Errorf("the expression takes too long: %w", err)
	}
	return ok && err == nil
}

// server chooses the server as nginx does: of those that listen on the port the
// one whose name fits best, otherwise the port's default. Where none listens on
// the port, something before nginx changed it, and all are looked at.
func (s *site) server(address *url.URL) *server {
	port := address.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[address.Scheme]
	}
	var listening []*server
	for _, one := range s.servers {
		if one.listens(port) {
			listening = append(listening, one)
		}
	}
	if len(listening) == 0 {
		listening = s.servers
	}
	if len(listening) == 0 {
		return nil
	}
	name := strings.TrimSuffix(strings.ToLower(address.Hostname()), ".")
	if best := named(listening, name); best != nil {
		return best
	}
	for _, one := range listening {
		if one.isDefault(port) {
			return one
		}
	}
	return listening[0]
}

// named gives the server of a name: an exact name, then the longest that begins
// with *, then the longest that ends with it, then the first expression.
func named(servers []*server, name string) *server {
	var before, after, first *server
	longestBefore, longestAfter := 0, 0
	for _, one := range servers {
		for i, own := range one.Names {
			lower := strings.ToLower(own)
			suffix, isSuffix := wildcardSuffix(lower)
			prefix, isPrefix := strings.CutSuffix(lower, ".*")
			switch {
			case lower == name, isSuffix && strings.HasPrefix(lower, ".") && lower[1:] == name:
				return one
			case isSuffix && strings.HasSuffix(name, suffix) && len(suffix) > longestBefore:
				before, longestBefore = one, len(suffix)
			case isPrefix && strings.HasPrefix(name, prefix+".") && len(prefix) > longestAfter:
				after, longestAfter = one, len(prefix)
			case first == nil:
				if ok, err := one.names[i].match(name); ok && err == nil {
					first = one
				}
			}
		}
	}
	switch {
	case before != nil:
		return before
	case after != nil:
		return after
	}
	return first
}

// wildcardSuffix is .example of *.example and of .example.
func wildcardSuffix(name string) (string, bool) {
	if strings.HasPrefix(name, "*.") {
		return name[1:], true
	}
	return name, strings.HasPrefix(name, ".")
}

func (s *server) listens(port string) bool {
	if len(s.Listen) == 0 {
		return port == "80" // nginx's default
	}
	return slices.ContainsFunc(s.Listen, func(listen string) bool { return portOf(listen) == port })
}

// isDefault says that the server answers on the port for names that none has.
func (s *server) isDefault(port string) bool {
	return slices.ContainsFunc(s.DefaultFor, func(address string) bool { return portOf(address) == port })
}

// portOf gives the port of a listen directive, "" for a socket's path.
func portOf(listen string) string {
	address, _, _ := strings.Cut(strings.TrimSpace(listen), " ")
	switch _, port, err := net.SplitHostPort(address); {
	case strings.HasPrefix(address, "unix:"):
		return ""
	case err == nil:
		return port
	case strings.Trim(address, "0123456789") == "":
		return address
	}
	return "80"
}

// find gives the location for a normalized path, nil where only the server
// block itself is left. It follows ngx_http_core_find_location.
func (s *server) find(path string) *location {
	found, _ := s.root.search(path)
	return found
}

// search looks among the locations in l: first those without expression, the
// longest wins and what is in it is searched; then, unless the path was met
// exactly or ^~ forbids it, the expressions in their order.
func (l *location) search(path string) (found *location, final bool) {
	best, exact := l.static(path)
	if exact {
		return best, true
	}
	found = best
	if best != nil {
		if inner, final := best.search(path); inner != nil {
			if found = inner; final {
				return found, true
			}
		}
	}
	if best != nil && best.Modifier == "^~" {
		return found, false
	}
	for _, candidate := range l.regexes {
		if !candidate.matches(path) {
			continue
		}
		if inner, _ := candidate.search(path); inner != nil {
			return inner, true
		}
		return candidate, true
	}
	return found, false
}

// static gives the best location without expression, and whether that ends the
// search.
func (l *location) static(path string) (best *location, exact bool) {
	for _, candidate := range l.statics {
		switch {
		case candidate.Modifier == "=":
			if candidate.Path == path {
				return candidate, true
			}
		case strings.HasPrefix(path, candidate.Path) && (best == nil || len(candidate.Path) > len(best.Path)):
			best = candidate
		}
	}
	if best != nil && best.Path == path {
		return best, false
	}
	for _, candidate := range l.statics {
		if candidate.Path == path+"/" && candidate.passes() {
			return candidate, true // nginx redirects /path to /path/ by itself
		}
	}
	return best, false
}

// passes says that the location hands requests on, for which nginx adds the
// missing slash.
func (l *location) passes() bool {
	return slices.ContainsFunc(l.Actions, func(action string) bool {
		word, _, _ := strings.Cut(action, " ")
		return strings.HasSuffix(word, "_pass")
	})
}

// normalize makes of a request's path what nginx compares: decoded, dot segments
// resolved, slashes that follow each other merged.
func normalize(escaped string) string {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped
	}
	var kept []string
	segments := strings.Split(path, "/")
	for _, segment := range segments {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	normal := "/" + strings.Join(kept, "/")
	if last := segments[len(segments)-1]; len(kept) > 0 && (last == "" || last == "." || last == "..") {
		normal += "/"
	}
	return normal
}
