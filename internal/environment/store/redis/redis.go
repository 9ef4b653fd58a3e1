// Package redis gives an environment its own user and key prefix on a Redis
// server (6 or newer). The server refuses the user every key outside the
// prefix, so that environments share its memory but not their data. What is
// whose is written in the hash landfall:stores. Start at Provisioner.
package redis

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/environment/store"
)

const (
	defaultPort = "6379"
	maxName     = 50
	// owners is the hash of user name to owner.
	owners = "landfall:stores"
	// batch is how many keys are looked at and removed in one go.
	batch = 1000
)

// commands are what an environment's user may do: everything with its own
// keys; nothing that manages the server or shows the names of others' keys,
// which are often secrets (sessions).
var commands = []string{"+@all", "-@admin", "-@dangerous", "-scan", "-randomkey", "-dbsize", "-swapdb", "-function", "+info"}

// Provisioner is a store.Provisioner.
type Provisioner struct {
	client *redis.Client
	server *url.URL
}

var _ store.Provisioner = (*Provisioner)(nil)

// Open prepares for the server at redis://USER:PASSWORD@HOST:PORT (rediss://
// encrypts). It does not connect yet.
func Open(server *url.URL) (*Provisioner, error) {
	options, err := redis.ParseURL(server.String())
	if err != nil {
		return nil, errors.New("reading the Redis server's address: it is not as redis://USER:PASSWORD@HOST:PORT/DB")
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = 5*time.Second, 30*time.Second, 30*time.Second
	options.MaxRetries = -1 // the caller retries
	options.PoolSize = 4
	return &Provisioner{client: redis.NewClient(options), server: server}, nil
}

// Close is part of store.Provisioner.
func (p *Provisioner) Close() error { return p.client.Close() }

// Ensure is part of store.Provisioner.
func (p *Provisioner) Ensure(ctx context.Context, req store.Request) (store.Settings, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	password, err := req.Password(store.KeyPassword)
	if err != nil {
		return nil, err
	}
	name := req.Name('-', maxName)
	if err := p.claim(ctx, name, req.Owner()); err != nil {
		return nil, store.Failed("making Redis user "+name, err)
	}
	if err := p.setUser(ctx, name, password); err != nil {
		return nil, store.Failed("making Redis user "+name, err)
	}
	return p.settings(name, password), nil
}

// Remove is part of store.Provisioner.
func (p *Provisioner) Remove(ctx context.Context, req store.Request) error {
	if err := req.Check(); err != nil {
		return err
	}
	name := req.Name('-', maxName)
	return store.Failed("removing Redis user "+name, p.remove(ctx, name, req.Owner()))
}

func (p *Provisioner) remove(ctx context.Context, name, owner string) error {
	current, err := p.client.HGet(ctx, owners, name).Result()
	if errors.Is(err, redis.Nil) || (err == nil && current != owner) {
		return nil
	}
	if err != nil {
		return err
	}
	// The user goes first, so that nothing writes behind the removal's back.
	if err := p.client.Do(ctx, "ACL", "DELUSER", name).Err(); err != nil {
		return err
	}
	if err := p.removeKeys(ctx, prefix(name)); err != nil {
		return err
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	return p.client.HDel(ctx, owners, name).Err()
}

func (p *Provisioner) removeKeys(ctx context.Context, prefix string) error {
	var cursor uint64
	for {
		keys, next, err := p.client.Scan(ctx, cursor, prefix+"*", batch).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := p.client.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// claim writes down that name is the owner's before the user is made.
func (p *Provisioner) claim(ctx context.Context, name, owner string) error {
	current, err := p.client.HGet(ctx, owners, name).Result()
	switch {
	case err == nil && current == owner:
		return nil
	case err == nil:
		return store.NotOwned("Redis user", name)
	case !errors.Is(err, redis.Nil):
		return err
	}
	users, err := p.client.Do(ctx, "ACL", "USERS").StringSlice()
	if err != nil {
		return err
	}
	for _, user := range users {
		if user == name {
			return store.NotOwned("Redis user", name)
		}
	}
	if err := p.client.HSetNX(ctx, owners, name, owner).Err(); err != nil {
		return err
	}
	// Two processes may have claimed at once: the one that was first has it.
	if current, err = p.client.HGet(ctx, owners, name).Result(); err == nil && current != owner {
		return store.NotOwned("Redis user", name)
	}
	return err
}

func (p *Provisioner) setUser(ctx context.Context, name, password string) error {
	rules := []any{"ACL", "SETUSER", name, "reset", "on", ">" + password, "~" + prefix(name) + "*", "&" + prefix(name) + "*"}
	for _, rule := range commands {
		rules = append(rules, rule)
	}
	if err := p.client.Do(ctx, rules...).Err(); err != nil {
		if strings.Contains(err.Error(), password) {
			return errors.New("the server refuses the user's rules: it must be Redis 7 or newer")
		}
		return err
	}
	return p.save(ctx)
}

// save makes users outlive a restart of the server. One without an ACL file
// keeps them in its configuration file; one without either loses them, and
// the next Ensure makes them again.
func (p *Provisioner) save(ctx context.Context) error {
	err := p.client.Do(ctx, "ACL", "SAVE").Err()
	if err == nil {
		return nil
	}
	err = p.client.ConfigRewrite(ctx).Err()
	var reply redis.Error
	if errors.As(err, &reply) {
		return nil
	}
	return err
}

func (p *Provisioner) settings(name, password string) store.Settings {
	host, port := p.server.Hostname(), p.server.Port()
	if port == "" {
		port = defaultPort
	}
	database := strings.Trim(p.server.Path, "/")
	if database == "" {
		database = "0"
	}
	address := *p.server
	address.User, address.Path = url.UserPassword(name, password), "/"+database
	return store.Settings{
		store.KeyURL: address.String(), store.KeyHost: host, store.KeyPort: port,
		store.KeyUsername: name, store.KeyPassword: password,
		store.KeyDatabase: database, store.KeyPrefix: prefix(name),
	}
}

func prefix(name string) string { return name + ":" }
