package nginx

import (
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Attributes of the kinds nginx-server and nginx-location.
const (
	attributeListen   = "listen"
	attributeNames    = "names"
	attributeProtocol = "protocol"
	attributeFile     = "file"
	attributeServer   = "server"
	attributeInside   = "inside"
	attributeModifier = "modifier"
	attributePath     = "path"
	attributeActions  = "actions"
)

// ServerAttributes are a server's in a document.
func ServerAttributes(s Server) []hostspec.Attribute {
	return []hostspec.Attribute{
		{Name: attributeListen, Value: hostspec.List(s.Listen...)},
		list(attributeNames, s.Names),
		{Name: attributeProtocol, Value: hostspec.Text(s.Protocol)},
		{Name: attributeFile, Value: hostspec.Text(s.File)},
	}
}

// LocationAttributes are a location's in a document.
func LocationAttributes(l Location) []hostspec.Attribute {
	return []hostspec.Attribute{
		{Name: attributeServer, Value: hostspec.Text(l.Server)},
		list(attributeInside, l.Parents),
		{Name: attributeModifier, Value: hostspec.Text(l.Modifier)},
		{Name: attributePath, Value: hostspec.Text(l.Path)},
		list(attributeActions, l.Actions),
	}
}

// list leaves an attribute without values out, by leaving it without a name.
func list(name string, values []string) hostspec.Attribute {
	if len(values) == 0 {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: name, Value: hostspec.List(values...)}
}

// Locations gives the locations of a captured host, each server's in the order
// of their names. Items that a person wrote with operators instead of values
// are left out: they say what is asked for, not what is there.
func Locations(spec *hostspec.Spec) []Location {
	servers := map[string]hostspec.Item{}
	for _, item := range spec.Of(hostspec.NginxServer) {
		servers[item.Name] = item
	}
	var locations []Location
	for _, item := range spec.Of(hostspec.NginxLocation) {
		path := item.Text(attributePath)
		server, known := servers[item.Text(attributeServer)]
		if path == "" || !known {
			continue
		}
		locations = append(locations, Location{
			Server:   server.Name,
			Names:    texts(server, attributeNames),
			Listen:   texts(server, attributeListen),
			Parents:  texts(item, attributeInside),
			Modifier: item.Text(attributeModifier),
			Path:     path,
			Actions:  texts(item, attributeActions),
		})
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

func texts(item hostspec.Item, attribute string) []string {
	value, there := item.Get(attribute)
	if !there || !value.Plain() {
		return nil
	}
	return value.Strings()
}
