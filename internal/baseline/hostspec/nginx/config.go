package nginx

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Config is what a configuration says, in the order of its text.
type Config struct {
	Servers   []Server
	Upstreams []Upstream
	// Settings are all explicit directives that are in no other field.
	Settings []Setting
	// Modules are the files of load_module.
	Modules []string
	// Certificates are the paths that ssl_certificate and its kin name, without
	// those that hold variables.
	Certificates []string
}

// Server is a server block.
type Server struct {
	// Name is stable and unique: the first server name and the port,
	// "shop.example.com:443"; see serverName.
	Name string
	// Protocol is http, stream or mail.
	Protocol string
	// Listen as written, such as "443 ssl".
	Listen []string
	// Names as written: exact, with a leading or trailing *, or ~ and a regular
	// expression. nginx's default is one empty name.
	Names []string
	// DefaultFor are the addresses it answers on where no server has the name
	// that is asked for: by default_server, or as the first that listens there.
	DefaultFor []string
	// Order is the place of a server with a regular expression among its names
	// among those servers, from 1: the first that matches wins. It is 0 for all
	// others.
	Order     int
	File      string
	Locations []Location
}

// Location is a location block. Those in other locations follow their parent.
type Location struct {
	// Server is the server's Name; Names and Listen are that server's.
	Server string
	Names  []string
	Listen []string
	// Parents are the locations around it, outermost first, each as modifier
	// and path.
	Parents []string
	// Modifier is "", "=", "^~", "~" or "~*". A named location has none and a
	// path that starts with @.
	Modifier string
	Path     string
	// Order is the place of a regular expression among those beside it, from 1:
	// the first that matches wins. It is 0 for all others.
	Order int
	// Actions say what is done with a request, in nginx's words:
	// "proxy_pass http://app", "return 301 https://$host".
	Actions []string
}

// Key names a location in a document: its server, the locations around it and
// its own modifier and path.
func (l Location) Key() string {
	return l.Server + " " + strings.Join(append(slices.Clone(l.Parents), l.pattern()), nested)
}

// nested stands between a location and those in it.
const nested = " > "

func (l Location) pattern() string {
	if l.Modifier == "" {
		return l.Path
	}
	return l.Modifier + " " + l.Path
}

// Upstream is a group of servers.
type Upstream struct {
	// Name; for protocols other than http with the protocol before it.
	Name string
	// Servers as written, with their parameters.
	Servers []string
}

// Setting is an explicit directive.
type Setting struct {
	// Context is main, events, http, stream, mail, a server's name, a location's
	// key, and in these `if (…)` and other blocks.
	Context string
	// Directive, followed by the first argument where that says what is set:
	// "proxy_set_header Host".
	Directive string
	// Values: one, or several if the directive stands there several times.
	Values []string
}

// Key names a setting in a document.
func (s Setting) Key() string { return s.Context + " " + s.Directive }

// Read gives what the tree says.
func Read(tree *Tree) *Config {
	r := &reader{config: &Config{}, names: map[string]int{}, settings: map[string]int{}}
	r.block("main", tree.Directives)
	r.config.Certificates = slices.Compact(sorted(r.config.Certificates))
	r.defaults()
	numberServers(r.config.Servers)
	return r.config
}

// defaults finds the server that each address falls back to.
func (r *reader) defaults() {
	chosen, declared := map[string]*Server{}, map[string]bool{}
	for i := range r.config.Servers {
		server := &r.config.Servers[i]
		for _, listen := range server.Listen {
			words := strings.Fields(listen)
			if server.Protocol != "http" || len(words) == 0 {
				continue
			}
			explicit := slices.Contains(words, "default_server") || slices.Contains(words, "default")
			if chosen[words[0]] == nil || explicit && !declared[words[0]] {
				chosen[words[0]], declared[words[0]] = server, explicit
			}
		}
	}
	for address, server := range chosen {
		server.DefaultFor = append(server.DefaultFor, address)
		slices.Sort(server.DefaultFor)
	}
}

type reader struct {
	config   *Config
	names    map[string]int // how many servers have a name
	settings map[string]int // where the setting of a key is
}

// block reads directives outside of servers.
func (r *reader) block(context string, directives []Directive) {
	for _, d := range directives {
		switch {
		case d.Name == "load_module":
			r.config.Modules = append(r.config.Modules, d.Arg(0))
		case d.Name == "server" && d.Braces:
			r.server(context, d)
		case d.Name == "upstream" && d.Braces:
			r.upstream(context, d)
		case d.Braces && (d.Name == "http" || d.Name == "stream" || d.Name == "mail" || d.Name == "events"):
			r.block(d.Name, d.Block)
		default:
			r.directive(context, d)
		}
	}
}

func (r *reader) upstream(protocol string, d Directive) {
	name := d.Arg(0)
	if protocol != "http" {
		name = protocol + " " + name
	}
	upstream := Upstream{Name: name}
	for _, child := range d.Block {
		if child.Name == "server" {
			upstream.Servers = append(upstream.Servers, strings.Join(child.Args, " "))
			continue
		}
		r.directive("upstream "+name, child)
	}
	r.config.Upstreams = append(r.config.Upstreams, upstream)
}

func (r *reader) server(protocol string, d Directive) {
	server := Server{Protocol: protocol, File: d.File}
	for _, child := range d.Block {
		switch child.Name {
		case "listen":
			server.Listen = append(server.Listen, strings.Join(child.Args, " "))
		case "server_name":
			server.Names = append(server.Names, child.Args...)
		}
	}
	if len(server.Listen) == 0 {
		server.Listen = []string{"80"} // ngx_http_core_module: *:80 when run as root
	}
	server.Name = r.serverName(server)
	for _, child := range d.Block {
		switch {
		case child.Name == "location" && child.Braces:
			server.Locations = append(server.Locations, r.location(server, nil, child)...)
		case child.Name != "listen" && child.Name != "server_name":
			r.directive(server.Name, child)
		}
	}
	numberExpressions(server.Locations)
	r.config.Servers = append(r.config.Servers, server)
}

// numberServers gives servers with regular expressions their order.
func numberServers(servers []Server) {
	seen := 0
	for i := range servers {
		if slices.ContainsFunc(servers[i].Names, func(name string) bool { return strings.HasPrefix(name, "~") }) {
			seen++
			servers[i].Order = seen
		}
	}
}

// numberExpressions gives regular expressions their order.
func numberExpressions(locations []Location) {
	seen := map[string]int{}
	for i := range locations {
		if l := &locations[i]; strings.HasPrefix(l.Modifier, "~") {
			parents := strings.Join(l.Parents, nested)
			seen[parents]++
			l.Order = seen[parents]
		}
	}
}

// serverName is the first name and port, which survive most changes of a
// configuration. Where two servers share them, the later get the whole first
// listen instead of the port, and then a number.
func (r *reader) serverName(server Server) string {
	first := "_"
	if len(server.Names) > 0 && server.Names[0] != "" {
		first = server.Names[0]
	}
	if server.Protocol != "http" {
		first = server.Protocol
	}
	address, _, _ := strings.Cut(server.Listen[0], " ")
	for _, name := range []string{first + ":" + port(address), first + "@" + address} {
		if r.names[name]++; r.names[name] == 1 {
			return name
		}
	}
	return first + "@" + address + " #" + strconv.Itoa(r.names[first+"@"+address])
}

// port is the port of a listen address: 80 when there is none, the path of a
// Unix socket as it is.
func port(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return address
	}
	if _, err := strconv.Atoi(address); err == nil {
		return address
	}
	if i := strings.LastIndexByte(address, ':'); i >= 0 && !strings.HasSuffix(address, "]") {
		return address[i+1:]
	}
	return "80"
}

// location gives the location and those in it.
func (r *reader) location(server Server, parents []string, d Directive) []Location {
	location := Location{Server: server.Name, Names: server.Names, Listen: server.Listen, Parents: parents}
	location.Modifier, location.Path = pattern(d.Args)
	location.Actions = actions(d.Block, "")

	context := location.Key()
	inside := append(slices.Clone(parents), location.pattern())
	all := []Location{location}
	for _, child := range d.Block {
		switch {
		case child.Name == "location" && child.Braces:
			all = append(all, r.location(server, inside, child)...)
		case child.Braces && !tables[child.Name]:
			r.directives(context+" "+blockName(child), withoutActs(child.Block))
		case !acts[child.Name]:
			r.directive(context, child)
		}
	}
	return all
}

// pattern reads the arguments of location; like nginx it takes a modifier that
// is written together with the path.
func pattern(args []string) (modifier, path string) {
	if len(args) >= 2 {
		return args[0], strings.Join(args[1:], " ")
	}
	if len(args) == 0 {
		return "", ""
	}
	for _, modifier := range []string{"=", "^~", "~*", "~"} {
		if rest, ok := strings.CutPrefix(args[0], modifier); ok {
			return modifier, rest
		}
	}
	return "", args[0]
}

// acts are the directives that decide what a location does with a request.
var acts = map[string]bool{
	"proxy_pass": true, "fastcgi_pass": true, "uwsgi_pass": true, "scgi_pass": true, "grpc_pass": true, "memcached_pass": true,
	"return": true, "rewrite": true, "try_files": true, "root": true, "alias": true, "internal": true, "autoindex": true,
	"empty_gif": true, "stub_status": true, "flv": true, "mp4": true, "dav_methods": true, "mirror": true, "random_index": true,
	"allow": true, "deny": true, "auth_basic": true, "auth_request": true,
	"content_by_lua_block": true, "content_by_lua_file": true, "js_content": true, "perl": true,
}

func actions(directives []Directive, condition string) []string {
	var found []string
	for _, d := range directives {
		switch {
		case acts[d.Name]:
			found = append(found, condition+d.text())
		case d.Braces && (d.Name == "if" || d.Name == "limit_except"):
			found = append(found, actions(d.Block, condition+blockName(d)+": ")...)
		}
	}
	return found
}

func withoutActs(directives []Directive) []Directive {
	return slices.DeleteFunc(slices.Clone(directives), func(d Directive) bool { return acts[d.Name] })
}

func (r *reader) directives(context string, directives []Directive) {
	for _, d := range directives {
		r.directive(context, d)
	}
}

// directive adds a setting, and for a block those in it.
func (r *reader) directive(context string, d Directive) {
	if strings.HasSuffix(d.Name, "ssl_certificate") && !strings.ContainsRune(d.Arg(0), '$') {
		r.config.Certificates = append(r.config.Certificates, d.Arg(0))
	}
	switch {
	case d.Braces && tables[d.Name]:
		r.setting(Setting{Context: context, Directive: blockName(d), Values: rows(d.Block)})
	case d.Braces:
		r.directives(context+" "+blockName(d), d.Block)
	case keyed[d.Name] && len(d.Args) > 1:
		r.setting(Setting{Context: context, Directive: d.Name + " " + d.Args[0], Values: []string{strings.Join(d.Args[1:], " ")}})
	default:
		r.setting(Setting{Context: context, Directive: d.Name, Values: []string{strings.Join(d.Args, " ")}})
	}
}

func (r *reader) setting(s Setting) {
	if i, known := r.settings[s.Key()]; known {
		have := &r.config.Settings[i]
		have.Values = append(have.Values, s.Values...)
		return
	}
	r.settings[s.Key()] = len(r.config.Settings)
	r.config.Settings = append(r.config.Settings, s)
}

func blockName(d Directive) string {
	if d.Name == "if" {
		condition := strings.Join(d.Args, " ")
		condition = strings.TrimSuffix(strings.TrimPrefix(condition, "("), ")")
		return "if (" + strings.TrimSpace(condition) + ")"
	}
	return d.text()
}

// tables are blocks whose lines are no directives.
var tables = map[string]bool{"map": true, "geo": true, "types": true, "split_clients": true, "charset_map": true, "geoip2": true}

func rows(directives []Directive) []string {
	rows := make([]string, 0, len(directives))
	for _, d := range directives {
		rows = append(rows, d.text())
	}
	return rows
}

// keyed are directives that are repeated with another first argument each.
var keyed = map[string]bool{
	"add_header": true, "add_trailer": true, "proxy_set_header": true, "proxy_hide_header": true, "grpc_set_header": true,
	"fastcgi_param": true, "uwsgi_param": true, "scgi_param": true, "log_format": true, "set": true, "env": true,
	"more_set_headers": true, "limit_req_zone": true, "limit_conn_zone": true, "proxy_cache_valid": true, "fastcgi_cache_valid": true,
}

// Absolute gives the path that a path in the configuration means: nginx takes
// relative ones from the folder of the main configuration file.
func Absolute(main, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(path.Dir(main), name)
}

func sorted(list []string) []string {
	slices.SortFunc(list, cmp.Compare[string])
	return list
}
