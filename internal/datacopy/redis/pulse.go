package redis

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// attended is what a pulse asks: all nodes. A server that refuses connections is
// none that is silent: whoever works with it finds that out at once.
func (s *server) attended(side string) datacopy.Attended {
	clients := map[string]*redis.Client{}
	return datacopy.Attended{
		Name: side + " " + s.address.String(),
		Ask: func(ctx context.Context, patience time.Duration) error {
			for _, node := range s.layout.Load().nodes {
				if clients[node] == nil {
					clients[node] = s.briefly(node, patience)
				}
				if err := clients[node].Ping(ctx).Err(); silent(err) && s.has(ctx, node) {
					return err
				}
			}
			return nil
		},
		Close: func() {
			for _, client := range clients {
				_ = client.Close()
			}
		},
	}
}

// silent says that an error is the lack of an answer.
func silent(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// has says whether a node is still one of the cluster's masters, or may be.
func (s *server) has(ctx context.Context, node string) bool {
	return s.refresh(ctx) != nil || slices.Contains(s.layout.Load().nodes, node)
}
