package containerize

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// blueprint writes the Blueprint, with comments that say where things come
// from. It is written as text, so that this package needs no Kubernetes; the
// command checks it as `landfall apply` does.
func (p *plan) blueprint() ([]byte, error) {
	components := &yaml.Node{Kind: yaml.SequenceNode}
	components.Content = append(components.Content, p.mainComponent())
	for _, w := range p.Workers {
		components.Content = append(components.Content, p.workerComponent(w))
	}
	for _, j := range p.Jobs {
		components.Content = append(components.Content, p.jobComponent(j))
	}
	spec := new(object)
	if len(p.Stores) > 0 {
		stores := &yaml.Node{Kind: yaml.SequenceNode}
		for _, s := range p.Stores {
			o := new(object).flow().set("name", s.Name).set("type", s.Type)
			o.node.LineComment = "known by " + oneLine(s.Why)
			stores.Content = append(stores.Content, &o.node)
		}
		spec.add("stores", stores)
	}
	spec.add("components", components)
	root := new(object).set("apiVersion", "landfall.dev/v1alpha1").set("kind", "Blueprint").
		add("metadata", &new(object).set("name", p.Name).node).add("spec", &spec.node)
	root.node.HeadComment = fmt.Sprintf("Made from the server %s by `landfall spec containerize`; README.md says what is left to do.", oneLine(p.Host))
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root.node); err != nil {
		return nil, fmt.Errorf("writing blueprint: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

// mainComponent is nginx with PHP-FPM beside it, or whichever of them is there.
func (p *plan) mainComponent() *yaml.Node {
	c := new(object).set("name", p.Name).set("image", p.Image)
	main := p.Web
	if main == nil {
		main = p.PHP
	}
	if main != nil {
		c.list("command", main.Command)
	}
	if p.Web != nil {
		ports := &yaml.Node{Kind: yaml.SequenceNode}
		ports.Content = append(ports.Content, &new(object).flow().set("name", "http").setInt("port", int64(p.Port)).setBool("public", true).node)
		for _, port := range p.Ports {
			if port != p.Port {
				ports.Content = append(ports.Content, &new(object).flow().set("name", "http-"+strconv.Itoa(int(port))).setInt("port", int64(port)).node)
			}
		}
		c.add("ports", ports)
		if p.Health != "" {
			c.add("health", &new(object).flow().set("path", p.Health).node)
		}
	}
	c.add("scale", p.scale())
	p.addStores(c)
	p.addEnv(c)
	c.add("volumes", p.volumeNodes(p.Volumes))
	if main != nil {
		c.add("resources", resources(main.Usage))
	}
	if p.Web != nil && p.PHP != nil {
		php := new(object).set("name", "php").list("command", p.PHP.Command)
		if len(p.PHP.Health) > 0 {
			php.add("health", p.fpmHealth())
		}
		php.add("resources", resources(p.PHP.Usage))
		c.add("sidecars", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{&php.node}})
	}
	// Both containers see all of it, so that one check of a container is one of
	// the pod.
	c.add("files", p.fileNodes(func(string) bool { return true }))
	return &c.node
}

func (p *plan) fpmHealth() *yaml.Node {
	o := new(object).list("command", p.PHP.Health).setInt("periodSeconds", 10)
	return &o.node
}

// scale is by load where nothing keeps the application from running twice.
func (p *plan) scale() *yaml.Node {
	if p.OneInstance == "" {
		return &new(object).flow().setInt("min", 2).setInt("max", 6).setInt("cpu", 70).node
	}
	o := new(object).flow().setInt("min", 1)
	o.node.LineComment = "by load (min: 2, max: 6, cpu: 70) is possible once this is gone: " + oneLine(p.OneInstance)
	return &o.node
}

func (p *plan) workerComponent(w worker) *yaml.Node {
	c := new(object).set("name", w.Name).set("image", p.Image).list("command", []string{"/bin/sh", "-c", "exec " + w.Command})
	p.addStores(c)
	p.addEnv(c)
	c.add("resources", resources(usage{})).add("files", p.fileNodes(isCLI))
	return &c.node
}

func (p *plan) jobComponent(j job) *yaml.Node {
	c := new(object).set("name", j.Name).set("image", p.Image).set("schedule", j.Schedule)
	if j.Note != "" {
		c.last().LineComment = j.Note
	}
	c.list("command", []string{"/bin/sh", "-c", j.Command})
	p.addStores(c)
	p.addEnv(c)
	c.add("resources", resources(usage{})).add("files", p.fileNodes(isCLI))
	return &c.node
}

func (p *plan) addStores(c *object) {
	var names []string
	for _, s := range p.Stores {
		names = append(names, s.Name)
	}
	c.list("stores", names)
}

func (p *plan) addEnv(c *object) {
	env := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range p.Variables {
		o := new(object).flow().set("name", v.Name)
		if v.Secret {
			o.add("valueFrom", p.secretRef(v.Name))
		} else {
			o.set("value", v.Value)
		}
		env.Content = append(env.Content, &o.node)
	}
	c.add("env", env)
}

func (p *plan) secretRef(key string) *yaml.Node {
	ref := new(object).set("name", p.SecretName()).set("key", key)
	return &new(object).add("secretKeyRef", &ref.node).node
}

func (p *plan) volumeNodes(volumes []volume) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range volumes {
		o := new(object).flow().set("name", v.Name).set("path", v.Path)
		if v.Size != "" {
			o.set("size", v.Size)
		}
		o.node.LineComment = v.Why
		list.Content = append(list.Content, &o.node)
	}
	return list
}

// fileNodes are the files that a container reads.
func (p *plan) fileNodes(reads func(file string) bool) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, f := range p.Files {
		if !reads(f.Path) {
			continue
		}
		o := new(object).set("path", f.Path)
		if f.Secret != "" {
			ref := p.secretRef(f.Secret)
			o.add(ref.Content[0].Value, ref.Content[1])
			o.last().LineComment = ""
			o.node.HeadComment = oneLine(f.Why)
		} else {
			content := scalar(f.Content)
			content.Style = yaml.LiteralStyle
			o.add("content", content)
		}
		list.Content = append(list.Content, &o.node)
	}
	return list
}

func isWeb(file string) bool { return strings.HasPrefix(file, "/etc/nginx/") }

func isCLI(file string) bool {
	return !isWeb(file) && !(strings.HasPrefix(file, "/etc/php/") && strings.Contains(file, "/fpm/"))
}

// resources asks for a quarter more than what was measured, and limits memory
// at twice of that; without a measurement for little.
func resources(u usage) *yaml.Node {
	const mebibyte = 1 << 20
	memory, cpu := int64(64), int64(50)
	comment := "not measured"
	if u.processes > 0 {
		memory = max(32, roundUp(u.memory*5/4/mebibyte, 16))
		cpu = max(20, roundUp(u.cpu*5/4, 10))
		comment = fmt.Sprintf("measured: %d processes with %d MiB and %d thousandths of a core on average", u.processes, u.memory/mebibyte, u.cpu)
	}
	limit := max(64, 2*memory, roundUp(u.largest*4/mebibyte, 16))
	o := new(object).
		add("requests", &new(object).flow().set("cpu", fmt.Sprintf("%dm", cpu)).set("memory", fmt.Sprintf("%dMi", memory)).node).
		add("limits", &new(object).flow().set("memory", fmt.Sprintf("%dMi", limit)).node)
	o.node.HeadComment = comment
	return &o.node
}

func roundUp(n, step int64) int64 { return (n + step - 1) / step * step }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// object builds a mapping in order.
type object struct{ node yaml.Node }

func (o *object) flow() *object {
	o.node.Style = yaml.FlowStyle
	return o
}

// add leaves out empty lists.
func (o *object) add(key string, value *yaml.Node) *object {
	if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
		return o
	}
	o.node.Kind = yaml.MappingNode
	o.node.Content = append(o.node.Content, scalar(key), value)
	return o
}

func (o *object) set(key, value string) *object { return o.add(key, scalar(value)) }

func (o *object) setInt(key string, n int64) *object {
	return o.add(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(n, 10)})
}

func (o *object) setBool(key string, b bool) *object {
	return o.add(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(b)})
}

func (o *object) list(key string, words []string) *object {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	if slices.ContainsFunc(words, func(w string) bool { return len(w) > 60 }) {
		list.Style = 0
	}
	for _, w := range words {
		list.Content = append(list.Content, scalar(w))
	}
	return o.add(key, list)
}

func (o *object) last() *yaml.Node { return o.node.Content[len(o.node.Content)-1] }

func scalar(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	if node.Tag == "" {
		node.Tag = "!!str"
	}
	return node
}
