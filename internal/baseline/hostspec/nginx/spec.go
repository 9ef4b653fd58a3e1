package nginx

import (
	"cmp"
	"slices"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Attributes of the kinds nginx-server and nginx-location.
const (
	attributeListen   = "listen"
	attributeNames    = "names"
	attributeDefault  = "defaultFor"
	attributeProtocol = "protocol"
	attributeFile     = "file"
	attributeServer   = "server"
	attributeInside   = "inside"
	attributeModifier = "modifier"
	attributePath     = "path"
	attributeOrder    = "order"
	attributeActions  = "actions"
)

// ServerAttributes are a server's in a document.
func ServerAttributes(s Server) []hostspec.Attribute {
	return []hostspec.Attribute{
		{Name: attributeListen, Value: hostspec.List(s.Listen...)},
		list(attributeNames, s.Names),
		list(attributeDefault, s.DefaultFor),
		order(s.Order),
		{Name: attributeProtocol, Value: hostspec.Text(s.Protocol)},
		{Name: attributeFile, Value: hostspec.Text(s.File)},
	}
}

// LocationAttributes are a location's in a document.
func LocationAttributes(l Location) []hostspec.Attribute {
	return []hostspec.Attribute{
		{Name: attributeServer, Value: hostspec.Text(l.Server)},
		list(attributeInside, l.Parents),
		optional(attributeModifier, l.Modifier),
		{Name: attributePath, Value: hostspec.Text(l.Path)},
		order(l.Order),
		list(attributeActions, l.Actions),
	}
}

// optional leaves an attribute without a value out, by leaving it without a
// name, as capture's builder does.
func optional(name, value string) hostspec.Attribute {
	if value == "" {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: name, Value: hostspec.Text(value)}
}

// order is optional for the order of regular expressions.
func order(n int) hostspec.Attribute {
	if n == 0 {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: attributeOrder, Value: hostspec.Int(int64(n))}
}

// list is optional for lists.
func list(name string, values []string) hostspec.Attribute {
	if len(values) == 0 {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: name, Value: hostspec.List(values...)}
}

// Servers gives the servers of a captured host with their locations, regular
// expressions in the order in which nginx tries them. Items that a person wrote
// with operators instead of values are left out: they say what is asked for,
// not what is there.
func Servers(spec *hostspec.Spec) []Server {
	var servers []Server
	byName := map[string]int{}
	for _, item := range spec.Of(hostspec.NginxServer) {
		byName[item.Name] = len(servers)
		servers = append(servers, Server{
			Name: item.Name, Protocol: item.Text(attributeProtocol), File: item.Text(attributeFile),
			Listen: texts(item, attributeListen), Names: texts(item, attributeNames), DefaultFor: texts(item, attributeDefault),
			Order: wholeNumber(item, attributeOrder),
		})
	}
	for _, item := range spec.Of(hostspec.NginxLocation) {
		path := item.Text(attributePath)
		i, known := byName[item.Text(attributeServer)]
		if path == "" || !known {
			continue
		}
		server := &servers[i]
		server.Locations = append(server.Locations, Location{
			Server: server.Name, Names: server.Names, Listen: server.Listen,
			Parents: texts(item, attributeInside), Modifier: item.Text(attributeModifier), Path: path,
			Order: wholeNumber(item, attributeOrder), Actions: texts(item, attributeActions),
		})
	}
	slices.SortStableFunc(servers, func(a, b Server) int { return cmp.Compare(a.Order, b.Order) })
	for _, server := range servers {
		slices.SortStableFunc(server.Locations, func(a, b Location) int { return cmp.Compare(a.Order, b.Order) })
	}
	return servers
}

// Locations gives the locations of a captured host: those of Servers.
func Locations(spec *hostspec.Spec) []Location {
	var locations []Location
	for _, server := range Servers(spec) {
		locations = append(locations, server.Locations...)
	}
	return locations
}

// Locations gives the locations of all servers.
func (c *Config) Locations() []Location {
	var locations []Location
	for _, server := range c.Servers {
		locations = append(locations, server.Locations...)
	}
	return locations
}

func wholeNumber(item hostspec.Item, attribute string) int {
	value, _ := item.Get(attribute)
	n, _ := value.Literal().(int64)
	return int(n)
}

func texts(item hostspec.Item, attribute string) []string {
	value, there := item.Get(attribute)
	if !there || !value.Plain() {
		return nil
	}
	return value.Strings()
}
