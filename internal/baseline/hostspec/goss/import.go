package goss

import (
	"bytes"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

// MaxFile bounds a goss file in bytes.
const MaxFile = 8 << 20

// Import reads a goss file as expectations. What has no counterpart in a host
// spec is told; source names the file in errors.
func Import(data []byte, source string) (*hostspec.Spec, []hostspec.LeftOut, error) {
	i := &importer{spec: &hostspec.Spec{Host: strings.TrimSuffix(path.Base(source), path.Ext(source))}}
	if err := i.read(data); err != nil {
		return nil, nil, fault.New(fault.Invalid, "The format is described at https://github.com/goss-org/goss/blob/v0.4.9/docs/gossfile.md.",
			"reading goss file %s: %w", source, err)
	}
	i.spec.Sort()
	return i.spec, i.left, nil
}

type importer struct {
	spec *hostspec.Spec
	left []hostspec.LeftOut
}

func (i *importer) leave(where, reason string) {
	i.left = hostspec.Gather(i.left, result.Clean(where), result.Clean(reason))
}

var template = regexp.MustCompile(`\{\{.*?\}\}`)

func (i *importer) read(data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("more than %d bytes", MaxFile)
	}
	data = bytes.ReplaceAll(data, []byte("{{`{{`}}"), []byte("{{"))
	if found := template.Find(data); found != nil {
		return fault.New(fault.Invalid, "`goss render` writes the file without templates and with its includes: import that.",
			"it has templates, such as %s", result.Clean(string(found)))
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return errors.New(result.Clean(err.Error()))
	}
	// Decoding resolves aliases, within the library's bounds.
	var resources map[string]map[string]map[string]any
	if err := document.Decode(&resources); err != nil {
		return errors.New(result.Clean(strings.ReplaceAll(err.Error(), "\n", " ")))
	}
	for _, resource := range sorted(resources) {
		read := readers[resource]
		for _, id := range sorted(resources[resource]) {
			r := &readResource{importer: i, kind: resource, id: id, fields: resources[resource][id]}
			switch {
			case read == nil:
				i.leave(resource, noReader(resource))
			case r.fields["skip"] == true:
				i.leave(resource+"/"+id, "it is skipped")
			default:
				read(r)
				r.rest()
			}
		}
	}
	return nil
}

func noReader(resource string) string {
	switch resource {
	case "http":
		return "write it as an HTTP check: `landfall check record URL` drafts one"
	case "gossfile":
		return "an include: `goss render` writes one file of all"
	}
	return "a host spec has no such kind"
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readResource is one resource that is being read; what is taken out of fields
// is done with.
type readResource struct {
	*importer
	kind, id string
	fields   map[string]any
}

var readers = map[string]func(*readResource){
	"package":      (*readResource).pkg,
	"service":      (*readResource).service,
	"user":         (*readResource).user,
	"group":        (*readResource).group,
	"file":         (*readResource).file,
	"port":         (*readResource).port,
	"kernel-param": (*readResource).kernelParam,
	"mount":        (*readResource).mount,
	"process":      nil,
}

// name is the resource's own field for it, or its id.
func (r *readResource) name(field string) string {
	if name, ok := r.take(field).(string); ok && name != "" {
		return name
	}
	return r.id
}

func (r *readResource) take(field string) any {
	value := r.fields[field]
	delete(r.fields, field)
	return value
}

// rest tells of what nobody took.
func (r *readResource) rest() {
	for _, field := range sorted(r.fields) {
		switch value := r.fields[field]; {
		case slices.Contains([]string{"title", "meta", "skip", "timeout"}, field):
		case value == nil, field == "contents" && fmt.Sprint(value) == "[]":
		default:
			r.leave(r.kind+"/"+r.id+"#"+field, "a host spec has no such attribute")
		}
	}
}

// add puts an item in: absent where the named field is false.
func (r *readResource) add(kind hostspec.Kind, name, existence string, attributes ...hostspec.Attribute) {
	item := hostspec.Item{Key: hostspec.Key{Kind: kind, Name: result.Clean(name)}}
	if item.Name == "" {
		r.leave(r.kind, "it has no name")
		return
	}
	switch exists := r.take(existence); exists {
	case false:
		item.Absent = true
	case true, nil:
		item.Attributes = attributes
	default:
		r.leave(r.kind+"/"+r.id+"#"+existence, "only true and false can be read")
		item.Attributes = attributes
	}
	r.spec.Items = append(r.spec.Items, item)
}

// attributes reads goss fields as attributes: pairs of their names there and
// here.
func (r *readResource) attributes(names ...string) []hostspec.Attribute {
	var attributes []hostspec.Attribute
	for i := 0; i+1 < len(names); i += 2 {
		given := r.take(names[i])
		if given == nil {
			continue
		}
		value, err := readMatcher(given)
		if err != nil {
			r.leave(r.kind+"/"+r.id+"#"+names[i], err.Error())
			continue
		}
		attributes = append(attributes, hostspec.Attribute{Name: names[i+1], Value: value})
	}
	return attributes
}

func (r *readResource) pkg() {
	name := r.name("name")
	var version []hostspec.Attribute
	list, isList := texts(r.fields["versions"])
	switch {
	case isList && len(list) == 1:
		r.take("versions")
		version = []hostspec.Attribute{{Name: "version", Value: hostspec.Text(list[0])}}
	case isList && len(list) > 1:
		r.take("versions")
		version = []hostspec.Attribute{{Name: "version", Value: hostspec.Expect(hostspec.Contains, list)}}
	default:
		version = r.attributes("versions", "version")
	}
	r.add(hostspec.Package, name, "installed", version...)
}

func (r *readResource) service() {
	r.add(hostspec.Service, r.name("name"), "exists", r.attributes("enabled", "enabled", "running", "running")...)
}

func (r *readResource) user() {
	name := r.name("username")
	r.add(hostspec.User, name, "exists", r.attributes("uid", "uid", "gid", "gid", "home", "home", "shell", "shell", "groups", "groups")...)
}

func (r *readResource) group() {
	name := r.name("groupname")
	r.add(hostspec.Group, name, "exists", r.attributes("gid", "gid")...)
}

func (r *readResource) file() {
	name := r.name("path")
	if r.fields["filetype"] == "symlink" {
		r.fields["filetype"] = "link"
	}
	r.add(hostspec.File, name, "exists", r.attributes("filetype", "type", "mode", "mode", "owner", "owner",
		"group", "group", "size", "size", "sha256", "sha256", "linked-to", "target")...)
}

func (r *readResource) port() {
	name := r.name("port")
	network, number, found := strings.Cut(name, ":")
	if !found {
		network, number = "tcp", name
	}
	ips, ok := texts(r.take("ip"))
	if !ok || len(ips) == 0 {
		r.leave("port/"+r.id, "a host spec names a socket by its address: add ip")
		r.fields = nil
		return
	}
	listening := r.take("listening")
	for _, ip := range ips {
		r.fields["listening"] = listening
		r.add(hostspec.Socket, strings.TrimSuffix(network, "6")+suffix(ip)+" "+joined(ip, number), "listening")
	}
}

func suffix(ip string) string {
	if strings.Contains(ip, ":") {
		return "6"
	}
	return ""
}

func joined(ip, port string) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return ip + ":" + port
}

func (r *readResource) kernelParam() {
	r.add(hostspec.Sysctl, r.name("name"), "exists", r.attributes("value", hostspec.ValueAttribute)...)
}

func (r *readResource) mount() {
	name := r.name("mountpoint")
	r.add(hostspec.Mount, name, "exists", r.attributes("source", "source", "filesystem", "type")...)
}

// texts reads a list of plain values.
func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	plain := make([]string, 0, len(list))
	for _, one := range list {
		text, err := scalar(one)
		if err != nil {
			return nil, false
		}
		plain = append(plain, text)
	}
	return plain, true
}
