// Package state keeps the desired state of every cluster as one JSON file in
// the cluster's folder. The file is written before anything else of the
// cluster is made, and every name on the machine follows from it: it is also
// the journal that lets delete clean up a half-made cluster. The package must
// not know how the state is reached. Start reading at Cluster.
package state

import (
	"fmt"
	"net/netip"
	"regexp"
	"time"
)

// Phase is what a cluster or a node should be doing.
type Phase string

const (
	// Running means that the processes should be up.
	Running Phase = "running"
	// Stopped means that nothing should run, but the data stays.
	Stopped Phase = "stopped"
	// Deleting means that removal has begun and can only go forward.
	Deleting Phase = "deleting"
)

// MaxNodes is how many nodes fit the address plan (one /24 of pods each).
const MaxNodes = 120

// Cluster is the desired state of one cluster.
type Cluster struct {
	Name string `json:"name"`
	// ID is short, unique on the machine, and part of each interface name.
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Phase   Phase     `json:"phase"`
	// Network is the /16 that nodes, services and pods live in.
	Network netip.Prefix `json:"network"`
	// APIPort is the port of 127.0.0.1 that leads to the API server.
	APIPort int `json:"apiPort"`
	// RegistryPort is the port of 127.0.0.1 that leads to the registry, and
	// the port in image references, on the host and in the nodes.
	RegistryPort int       `json:"registryPort"`
	Publish      []Publish `json:"publish,omitempty"`
	// Registries of other clusters that nodes pull from, too.
	Registries []Registry `json:"registries,omitempty"`
	Nodes      []Node     `json:"nodes"`
	// NextNode is the index of the next node; indexes are never used twice.
	NextNode int `json:"nextNode"`
}

// Node is the desired state of one node.
type Node struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	Phase Phase  `json:"phase"`
}

// Registry is one of another cluster.
type Registry struct {
	// Host is how image references name it.
	Host string `json:"host"`
	// Address is where it is.
	Address netip.AddrPort `json:"address"`
}

// Publish leads a loopback port of the host to a port of the nodes.
type Publish struct {
	Host     netip.AddrPort `json:"host"`
	NodePort int            `json:"nodePort"`
}

func (p Publish) String() string { return fmt.Sprintf("%s:%d", p.Host, p.NodePort) }

// Node returns the named node.
func (c *Cluster) Node(name string) (*Node, bool) {
	for i := range c.Nodes {
		if c.Nodes[i].Name == name {
			return &c.Nodes[i], true
		}
	}
	return nil, false
}

// AddNode appends the next node, to be running.
func (c *Cluster) AddNode() Node {
	c.NextNode++
	n := Node{Name: fmt.Sprintf("%s-%d", c.Name, c.NextNode), Index: c.NextNode, Phase: Running}
	c.Nodes = append(c.Nodes, n)
	return n
}

// RemoveNode drops the named node.
func (c *Cluster) RemoveNode(name string) {
	kept := c.Nodes[:0]
	for _, n := range c.Nodes {
		if n.Name != name {
			kept = append(kept, n)
		}
	}
	c.Nodes = kept
}

// clusterName leaves room for "-120" in a node's DNS label.
var clusterName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// ValidateName says whether name can name a cluster.
func ValidateName(name string) error {
	if clusterName.MatchString(name) {
		return nil
	}
	if len(name) > 60 {
		name = name[:60] + "…"
	}
	return fmt.Errorf("cluster name %q: use 1 to 40 lower-case letters, digits and dashes, beginning with a letter", name)
}
