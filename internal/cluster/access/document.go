package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/internal/fault"
)

// list is one of the lists of a kubeconfig, whose entries are {name, SINGULAR}.
type list struct{ plural, singular string }

// The lists, contexts first: they need the others.
var (
	contexts = list{"contexts", "context"}
	servers  = list{"clusters", "cluster"}
	logins   = list{"users", "user"}
	lists    = []list{contexts, servers, logins}
)

// theirs are fields that people set on what is ours, and that stay.
var theirs = map[list][]string{contexts: {"namespace"}, servers: {"proxy-url", "disable-compression"}}

// document is one file of a kubeconfig as a tree of YAML, so that what it does
// not know stays as it is, comments included. JSON is YAML.
type document struct {
	path string
	root *yaml.Node
}

// parse reads a file's content; nothing is an empty kubeconfig.
func parse(path string, content []byte) (*document, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	root := &yaml.Node{}
	switch err := decoder.Decode(root); {
	case errors.Is(err, io.EOF):
		root = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	case err != nil:
		return nil, notOne(path, err)
	case !errors.Is(decoder.Decode(&yaml.Node{}), io.EOF):
		return nil, notOne(path, errors.New("it has more than one document"))
	}
	d := &document{path: path, root: root}
	if d.top().Kind == yaml.ScalarNode && d.top().Tag == "!!null" {
		*d.top() = yaml.Node{Kind: yaml.MappingNode}
	}
	if d.top().Kind != yaml.MappingNode {
		return nil, notOne(path, errors.New("it is not a mapping"))
	}
	for _, l := range lists {
		if n := value(d.top(), l.plural); n != nil && n.Kind != yaml.SequenceNode && n.Tag != "!!null" {
			return nil, notOne(path, fmt.Errorf("%s is not a list", l.plural))
		}
	}
	return d, nil
}

func notOne(path string, err error) error {
	return fault.New(fault.Invalid, "`kubectl config view` shows what is wrong; move the file away to begin a new one.", "reading kubeconfig %s: %w", path, err)
}

func (d *document) top() *yaml.Node { return d.root.Content[0] }

// bytes is the file's content.
func (d *document) bytes() ([]byte, error) {
	if value(d.top(), "apiVersion") == nil && value(d.top(), "kind") == nil {
		set(d.top(), "apiVersion", scalar("v1"))
		set(d.top(), "kind", scalar("Config"))
	}
	var buffer bytes.Buffer
	encoder := yaml.NewEncoder(&buffer)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(d.root); err != nil {
		return nil, fmt.Errorf("writing kubeconfig %s: %w", d.path, err)
	}
	return buffer.Bytes(), encoder.Close()
}

// changed gives the file's content after an edit, and whether it means anything
// else than the original. It fails rather than lose what is not the source's.
func (d *document) changed(original []byte, edit Edit) (content []byte, changed bool, err error) {
	before, err := parse(d.path, original)
	if err != nil {
		return nil, false, err
	}
	was, err := before.meaning()
	if err != nil {
		return nil, false, err
	}
	if is, err := d.meaning(); err == nil && reflect.DeepEqual(was, is) {
		return original, false, nil
	}
	if content, err = d.bytes(); err != nil {
		return nil, false, err
	}
	after, err := parse(d.path, content)
	if err != nil {
		return nil, false, err
	}
	before.strip(edit)
	after.strip(edit)
	was, err1 := before.meaning()
	is, err2 := after.meaning()
	if err := errors.Join(err1, err2); err != nil {
		return nil, false, err
	}
	if !reflect.DeepEqual(was, is) {
		return nil, false, fmt.Errorf("writing kubeconfig %s: what others wrote would not stay as it is", d.path)
	}
	return content, true, nil
}

// meaning is what programs read of the file.
func (d *document) meaning() (map[string]any, error) {
	var all map[string]any
	if err := d.root.Decode(&all); err != nil {
		return nil, notOne(d.path, err)
	}
	return all, nil
}

// strip leaves only what others wrote.
func (d *document) strip(edit Edit) {
	for _, l := range lists {
		for _, entry := range d.entries(l) {
			mark, marked := markOf(entry, l)
			if name := text(entry, "name"); edit.owns(mark, marked, name) {
				d.remove(l, name)
			}
		}
		if all := value(d.top(), l.plural); all != nil && len(all.Content) == 0 {
			unset(d.top(), l.plural)
		}
	}
	unset(d.top(), "current-context")
	for key, usual := range map[string]string{"apiVersion": "v1", "kind": "Config"} {
		if text(d.top(), key) == usual {
			unset(d.top(), key)
		}
	}
}

// entries of a list.
func (d *document) entries(l list) []*yaml.Node {
	var entries []*yaml.Node
	if all := value(d.top(), l.plural); all != nil {
		for _, n := range all.Content {
			entries = append(entries, resolved(n))
		}
	}
	return entries
}

// find gives the entry of a name in a list; nil if there is none.
func (d *document) find(l list, name string) *yaml.Node {
	for _, entry := range d.entries(l) {
		if text(entry, "name") == name {
			return entry
		}
	}
	return nil
}

// body gives what an entry holds.
func (d *document) body(l list, name string) *yaml.Node { return value(d.find(l, name), l.singular) }

// remove takes all entries of a name out of a list.
func (d *document) remove(l list, name string) {
	all := value(d.top(), l.plural)
	all.Content = slices.DeleteFunc(all.Content, func(n *yaml.Node) bool { return text(resolved(n), "name") == name })
}

// put makes or replaces an entry. What is the same already stays as it is
// written.
func (d *document) put(n named) {
	all := value(d.top(), n.list.plural)
	if all == nil || all.Kind != yaml.SequenceNode {
		all = &yaml.Node{Kind: yaml.SequenceNode}
		set(d.top(), n.list.plural, all)
	}
	body := n.marked()
	before := d.find(n.list, n.name)
	if before == nil {
		entry := &yaml.Node{Kind: yaml.MappingNode}
		set(entry, n.list.singular, body)
		set(entry, "name", scalar(n.name))
		if len(all.Content) == 0 {
			all.Style &^= yaml.FlowStyle // an empty list is written as []
		}
		all.Content = append(all.Content, entry)
		return
	}
	was := value(before, n.list.singular)
	for _, field := range theirs[n.list] {
		if kept := value(was, field); kept != nil && value(body, field) == nil {
			set(body, field, kept)
		}
	}
	if !same(was, body) {
		set(before, n.list.singular, body)
	}
}

func (d *document) current() string { return text(d.top(), "current-context") }

func (d *document) setCurrent(name string) {
	if d.current() != name {
		set(d.top(), "current-context", scalar(name))
	}
}

// named is an entry of one of the lists.
type named struct {
	list list
	name string
	body *yaml.Node
	mark Mark
}

// nodes are the entries of a context, a cluster and a user.
func (e Entry) nodes() ([]named, error) {
	login, server := e.Mark, e.Mark
	login.Alias, server.Alias, server.Role = false, false, ""
	config := api.NewConfig()
	config.Contexts[e.Context] = &api.Context{Cluster: e.ServerName, AuthInfo: e.LoginName}
	config.Clusters[e.ServerName] = &e.Server
	config.AuthInfos[e.LoginName] = &e.Login
	// The library knows how its types are written.
	written, err := clientcmd.Write(*config)
	if err != nil {
		return nil, err
	}
	d, err := parse("", written)
	if err != nil {
		return nil, err
	}
	return []named{
		{servers, e.ServerName, d.body(servers, e.ServerName), server},
		{logins, e.LoginName, d.body(logins, e.LoginName), login},
		{contexts, e.Context, d.body(contexts, e.Context), e.Mark},
	}, nil
}

// marked is the entry's content with its mark.
func (n named) marked() *yaml.Node {
	mark := &yaml.Node{}
	if err := mark.Encode(fields(n.mark)); err != nil {
		panic(err) // only on a programming error: it is a map of texts
	}
	extension := &yaml.Node{Kind: yaml.MappingNode}
	set(extension, "extension", mark)
	set(extension, "name", scalar(Extension))
	set(n.body, "extensions", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{extension}})
	return n.body
}

// markOf reads the mark of an entry, if it has one.
func markOf(entry *yaml.Node, l list) (Mark, bool) {
	extensions := value(value(entry, l.singular), "extensions")
	if extensions == nil {
		return Mark{}, false
	}
	for _, n := range extensions.Content {
		if text(resolved(n), "name") != Extension {
			continue
		}
		var all map[string]any
		var m Mark
		if e := value(resolved(n), "extension"); e == nil || e.Decode(&all) != nil {
			return Mark{}, false
		}
		text, err := json.Marshal(all)
		return m, err == nil && json.Unmarshal(text, &m) == nil && m.Source != ""
	}
	return Mark{}, false
}

// fields of a mark under the names that JSON has for them.
func fields(m Mark) map[string]any {
	var all map[string]any
	text, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err) // only on a programming error: a mark is texts
	}
	return all
}

// value of a key in a mapping; nil if there is none.
func value(mapping *yaml.Node, key string) *yaml.Node {
	mapping = resolved(mapping)
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return resolved(mapping.Content[i+1])
		}
	}
	return nil
}

func text(mapping *yaml.Node, key string) string {
	if n := value(mapping, key); n != nil && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return n.Value
	}
	return ""
}

// set gives a key a value, in its place if there is one.
func set(mapping *yaml.Node, key string, n *yaml.Node) {
	mapping = resolved(mapping)
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = n
			return
		}
	}
	mapping.Content = append(mapping.Content, scalar(key), n)
}

func unset(mapping *yaml.Node, key string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// resolved follows an alias (*name) to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// same says that two nodes mean the same.
func same(a, b *yaml.Node) bool {
	var x, y any
	if a == nil || b == nil || a.Decode(&x) != nil || b.Decode(&y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
