package redis

import "sync"

// claims keep two workers from writing a key by type at the same time, which
// would double the elements of a list: SCAN may give a key more than once. The
// zero value is ready. Safe for concurrent use.
type claims struct {
	mu   sync.Mutex
	held map[string]struct{}
}

// claim gives those of the keys that nobody else holds, and holds them. A key
// that is left out is being copied right now.
func (c *claims) claim(keys [][]byte) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = map[string]struct{}{}
	}
	free := make([][]byte, 0, len(keys))
	for _, key := range keys {
		if _, held := c.held[string(key)]; held {
			continue
		}
		c.held[string(key)] = struct{}{}
		free = append(free, key)
	}
	return free
}

func (c *claims) release(keys [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		delete(c.held, string(key))
	}
}
