package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	dialTimeout = 10 * time.Second
	// introduction is how long a server may take to say what it is.
	introduction = 30 * time.Second
)

// server is one side of a copy: a single server or a cluster.
type server struct {
	address datacopy.Address
	cluster bool
	layout  atomic.Pointer[layout]
	// version is that of the first node; valkey is set, too, of Valkey, whose
	// version is the one of Redis that it answers like.
	version, valkey version
	// databases has the number of keys by database, as the servers tell.
	databases map[int]int64
	// memory is what the data takes, all databases together.
	memory int64
	// used and limit are bytes of memory, of all nodes; limit is 0 without one.
	used, limit int64
	// libraries are those of functions that the first node has.
	libraries int64
}

// layout is which master has which slots of a cluster. It is not changed.
type layout struct {
	// nodes are HOST:PORT; of a single server there is one.
	nodes []string
	// owner is the position of each slot's node; nil of a single server.
	owner []uint16
}

// node gives the master that has a key.
func (l *layout) node(key []byte) string {
	if l.owner == nil {
		return l.nodes[0]
	}
	return l.nodes[l.owner[slotOf(key)]]
}

// same says that no slot has moved.
func (l *layout) same(other *layout) bool {
	return slices.Equal(l.nodes, other.nodes) && slices.Equal(l.owner, other.owner)
}

// connect asks a server what it is.
func connect(ctx context.Context, address datacopy.Address) (*server, error) {
	s := &server{address: address, databases: map[int]int64{}}
	s.layout.Store(&layout{nodes: []string{address.Host()}})
	info, err := s.info(ctx, address.Host())
	if err != nil {
		return nil, s.failed("connecting to", err)
	}
	s.version, s.valkey = versionOf(info["Server"]["redis_version"]), versionOf(info["Server"]["valkey_version"])
	s.cluster = info["Cluster"]["cluster_enabled"] == "1"
	s.libraries, _ = strconv.ParseInt(info["Memory"]["number_of_libraries"], 10, 64)
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	for _, node := range s.layout.Load().nodes {
		info, err := s.info(ctx, node)
		if err != nil {
			return nil, s.failed("connecting to node "+node+" of", err)
		}
		s.count(info)
	}
	return s, nil
}

func (s *server) info(ctx context.Context, node string) (map[string]map[string]string, error) {
	client := s.briefly(node, introduction)
	defer client.Close()
	return client.InfoMap(ctx).Result()
}

// refresh learns which master has which slots now.
func (s *server) refresh(ctx context.Context) error {
	if !s.cluster {
		return nil
	}
	client := s.briefly(s.address.Host(), dialTimeout)
	defer client.Close()
	slots, err := client.ClusterSlots(ctx).Result()
	if err != nil {
		return s.failed("finding the nodes of", err)
	}
	found, err := s.arrange(slots)
	if err != nil {
		return s.failed("finding the nodes of", err)
	}
	s.layout.Store(found)
	return nil
}

func (s *server) arrange(slots []redis.ClusterSlot) (*layout, error) {
	found := &layout{owner: make([]uint16, slotCount)}
	covered := 0
	for _, slot := range slots {
		if len(slot.Nodes) == 0 || slot.Start < 0 || slot.End >= slotCount {
			return nil, errors.New("the cluster's table of slots makes no sense")
		}
		node := s.advertised(slot.Nodes[0].Addr)
		at := slices.Index(found.nodes, node)
		if at < 0 {
			at = len(found.nodes)
			found.nodes = append(found.nodes, node)
		}
		for number := slot.Start; number <= slot.End; number++ {
			found.owner[number] = uint16(at)
			covered++
		}
	}
	if covered != slotCount {
		return nil, fmt.Errorf("only %d of %d slots are served", covered, slotCount)
	}
	return found, nil
}

// advertised completes an address that a node does not know itself.
func (s *server) advertised(node string) string {
	host, port, err := net.SplitHostPort(node)
	if err == nil && (host == "" || host == "?") {
		own, _, _ := net.SplitHostPort(s.address.Host())
		return net.JoinHostPort(own, port)
	}
	return node
}

// count adds what INFO says of the databases.
func (s *server) count(info map[string]map[string]string) {
	for name, values := range info["Keyspace"] {
		number, err := strconv.Atoi(strings.TrimPrefix(name, "db"))
		if err != nil {
			continue
		}
		keys, _, _ := strings.Cut(strings.TrimPrefix(values, "keys="), ",")
		n, _ := strconv.ParseInt(keys, 10, 64)
		s.databases[number] += n
	}
	for name, sum := range map[string]*int64{"used_memory_dataset": &s.memory, "used_memory": &s.used, "maxmemory": &s.limit} {
		n, _ := strconv.ParseInt(info["Memory"][name], 10, 64)
		*sum += n
	}
}

func (s *server) options(node string, database int) *redis.Options {
	return &redis.Options{
		Addr: node, Username: s.address.User(), Password: s.address.Password(), DB: database,
		TLSConfig: s.tls(node), ClientName: "landfall", Protocol: 2, DisableIdentity: true,
		DialTimeout: dialTimeout, ReadTimeout: stall, WriteTimeout: stall,
		MaxRetries: -1, DialerRetries: 1, PoolSize: 8,
	}
}

// briefly gives a client that waits no longer than that for an answer.
func (s *server) briefly(node string, patience time.Duration) *redis.Client {
	options := s.options(node, 0)
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = min(patience, dialTimeout), patience, patience
	return redis.NewClient(options)
}

// tls is nil without encryption. The parameter tls=skip-verify trusts any
// certificate.
func (s *server) tls(node string) *tls.Config {
	if !s.address.TLS() {
		return nil
	}
	host, _, _ := net.SplitHostPort(node)
	return &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: s.address.Param("tls") == "skip-verify",
	}
}

// client gives what go-redis has, for all commands off the fast path. It
// follows redirections of a cluster.
func (s *server) client(database int) redis.UniversalClient {
	nodes := s.layout.Load().nodes
	if !s.cluster {
		return redis.NewClient(s.options(nodes[0], database))
	}
	options := s.options(nodes[0], 0)
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: nodes, Username: options.Username, Password: options.Password, TLSConfig: options.TLSConfig,
		ClientName: options.ClientName, Protocol: 2, DisableIdentity: true,
		DialTimeout: dialTimeout, ReadTimeout: stall, WriteTimeout: stall, PoolSize: 8,
	})
}

// dial opens a wire to a node and signs in.
func (s *server) dial(ctx context.Context, node string, database int) (*wire, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", node)
	if err != nil {
		return nil, err
	}
	if config := s.tls(node); config != nil {
		conn = tls.Client(conn, config)
	}
	w := newWire(conn)
	defer w.until(ctx)()
	commands := 1
	switch user, password := s.address.User(), s.address.Password(); {
	case user != "":
		w.command("AUTH", user, password)
	case password != "":
		w.command("AUTH", password)
	default:
		commands--
	}
	if database != 0 {
		w.command("SELECT", strconv.Itoa(database))
		commands++
	}
	err = w.flush()
	for ; err == nil && commands > 0; commands-- {
		err = w.ok()
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// failed says what went wrong with this server, and what to do about it.
func (s *server) failed(doing string, err error) error {
	if err == nil || fault.HintOf(err) != "" {
		return err
	}
	return fault.New(fault.Failed, hint(err), "%s %s: %w", doing, s.address, err)
}

// hint is the next step after an error.
func hint(err error) string {
	switch kindOf(err) {
	case "WRONGPASS", "NOAUTH":
		return "Check user and password in the address."
	case "NOPERM":
		return "Take a user that may use the named command and keys."
	case "OOM":
		return "Give the target more memory (maxmemory), then resume the copy."
	case "MISCONF":
		return "Make room on the server's disk, then resume the copy."
	case "READONLY":
		return "Name the master: this server is a replica."
	case "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN":
		return "Wait until the cluster has settled, then resume the copy."
	case "LOADING", "MASTERDOWN":
		return "Wait until the server has loaded its data, then resume the copy."
	}
	return "Check that the server runs and can be reached, then resume the copy."
}

// passing says that an error may be gone at the next try.
func passing(err error) bool {
	switch kindOf(err) {
	case "LOADING", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "BUSY", "MASTERDOWN":
		return true
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
