package version

import "sync"

// collect gathers the results of concurrent work.
type collect[T any] struct {
	mu  sync.Mutex
	all map[string]T
}

// add keeps a result unless there is an error, which it returns.
func (c *collect[T]) add(key string, value T, err error) error {
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]T{}
	}
	c.all[key] = value
	return nil
}

func (c *collect[T]) byKey() map[string]T {
	if c.all == nil {
		return map[string]T{}
	}
	return c.all
}
