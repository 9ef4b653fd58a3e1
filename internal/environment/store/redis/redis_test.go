package redis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/store/server"
	"github.com/landfall-dev/landfall/internal/environment/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{ServerURL: storetest.Redis(t), Client: client{}, Secret: store.KeyPassword})
}

type client struct{}

func open(address string) *redis.Client {
	options, err := redis.ParseURL(address)
	if err != nil {
		panic(err)
	}
	return redis.NewClient(options)
}

func (client) Write(ctx context.Context, own store.Settings, key, value string) error {
	c := open(own[store.KeyURL])
	defer c.Close()
	return c.Set(ctx, own[store.KeyPrefix]+key, value, 0).Err()
}

func read(ctx context.Context, own store.Settings, key string) (string, error) {
	c := open(own[store.KeyURL])
	defer c.Close()
	value, err := c.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, err
}

func (client) Read(ctx context.Context, own store.Settings, key string) (string, error) {
	return read(ctx, own, own[store.KeyPrefix]+key)
}

func (client) Trespass(ctx context.Context, own, others store.Settings, key string) (string, error) {
	return read(ctx, own, others[store.KeyPrefix]+key)
}

func (client) Plant(ctx context.Context, serverURL string, req store.Request) error {
	c := open(serverURL)
	defer c.Close()
	return c.Do(ctx, "ACL", "SETUSER", req.Name('-', 50), "on", ">theirs").Err()
}

func (client) Planted(ctx context.Context, serverURL string, req store.Request) (bool, error) {
	c := open(serverURL)
	defer c.Close()
	err := c.Do(ctx, "ACL", "GETUSER", req.Name('-', 50)).Err()
	return err == nil, err
}

// TestUserCannotLeaveItsPrefix tries what a curious application might, and
// what an ordinary one needs.
func TestUserCannotLeaveItsPrefix(t *testing.T) {
	ctx := t.Context()
	p, err := server.Open(storetest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	settings, err := p.Ensure(ctx, store.Request{Project: "p", Environment: "e", UID: "1", Store: "cache"})
	if err != nil {
		t.Fatal(err)
	}
	c := open(settings[store.KeyURL])
	defer c.Close()
	own := settings[store.KeyPrefix]
	for _, command := range [][]any{
		{"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}, {"FLUSHALL"}, {"FLUSHDB"}, {"CONFIG", "GET", "*"}, {"ACL", "LIST"},
		{"HGETALL", "landfall:stores"}, {"SUBSCRIBE", "other"}, {"EVAL", "return redis.call('GET','other')", "0"}, {"DBSIZE"},
	} {
		if err := c.Do(ctx, command...).Err(); err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("allowed: %v", command)
		}
	}
	for _, command := range [][]any{
		{"LPUSH", own + "queue", "job"}, {"EXPIRE", own + "queue", "60"}, {"INFO"}, {"PING"}, {"SELECT", "0"},
		{"EVAL", "return redis.call('SET',KEYS[1],'x')", "1", own + "x"}, {"XADD", own + "stream", "*", "f", "v"}, {"PUBLISH", own + "news", "x"},
	} {
		if err := c.Do(ctx, command...).Err(); err != nil {
			t.Errorf("refused: %v: %v", command, err)
		}
	}
}
